"""Decoding and encoding, and what is said about files that are not what they should be."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from auxformer import media
from auxformer.errors import InputError, MediaError

RATE = 16000


def tone(seconds=1.0, rate=RATE, hertz=440.0, level=0.5):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def picture(frames=20, height=64, width=96):
    rows, columns = np.mgrid[:height, :width]
    film = [
        np.stack([(columns + 5 * t) % 200, (rows + 3 * t) % 200, np.full_like(rows, 8 * t)], -1) for t in range(frames)
    ]
    return np.stack(film).astype(np.uint8)


def write_sound(path, channels, rate, codec, sample_format, container=None):
    """A file whose first channel alone holds a tone."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    samples = np.zeros((channels, rate), np.float32)
    samples[0] = tone(1.0, rate)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate, frame_size=1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))


def write_film(path, frames, codec, pixels, stamps=None, container=None):
    """A film without sound; `stamps` in ms makes the frame rate vary."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        stream.codec_context.time_base = Fraction(1, 1000) if stamps else Fraction(1, 25)
        for i, content in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(content, format="rgb24")
            if stamps:
                frame.pts, frame.time_base = stamps[i], Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    media.write_video(path, picture(), 25, tone(0.8), RATE)
    return path


def says(call, *words):
    with pytest.raises(MediaError) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence
    return sentence


def test_wav_comes_back_to_16_bits(tmp_path):
    media.write_wav(tmp_path / "a.wav", tone(), RATE)
    np.testing.assert_allclose(media.read_audio(tmp_path / "a.wav"), tone(), atol=1e-4)


def test_film_comes_back_with_pictures_times_and_sound(film):
    frames, times = media.read_frames(film)
    assert frames.dtype == np.uint8 and frames.shape == (20, 64, 96, 3)
    assert np.abs(frames.astype(int) - picture()).mean() < 8
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=1e-6)
    sound = media.read_audio(film)
    assert len(sound) == round(0.8 * RATE)
    assert np.corrcoef(sound, tone(0.8))[0, 1] > 0.99
    assert media.duration(film) == pytest.approx(0.8, abs=0.05)
    assert media.frame_rate(film) == pytest.approx(25)


def test_grey_and_size_agree_with_colour(film):
    colour, _ = media.read_frames(film)
    grey, _ = media.read_frames(film, grey=True)
    small, _ = media.read_frames(film, size=(32, 48), grey=True)
    assert grey.shape == (20, 64, 96) and small.shape == (20, 32, 48)
    expected = colour.astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(grey - expected).mean() < 6
    assert np.abs(small.mean(axis=(1, 2)) - grey.mean(axis=(1, 2))).max() < 2


def test_same_film_gives_same_bytes(tmp_path):
    contents = set()
    for i in range(20):  # the encoder's default settings differ about every second time
        media.write_video(tmp_path / f"{i}.mp4", picture(8), 25, tone(0.3), RATE)
        contents.add((tmp_path / f"{i}.mp4").read_bytes())
    assert len(contents) == 1
    assert sorted(os.listdir(tmp_path)) == sorted(f"{i}.mp4" for i in range(20))


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    media.write_wav(tmp_path / "a.wav", tone(), RATE)
    before = (tmp_path / "a.wav").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(media.os, "replace", full)
    with pytest.raises(InputError, match="a.wav: cannot be written .No space left"):
        media.write_wav(tmp_path / "a.wav", tone(0.2), RATE)
    assert (tmp_path / "a.wav").read_bytes() == before and os.listdir(tmp_path) == ["a.wav"]


def test_writing_into_no_folder_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        media.write_wav(tmp_path / "none" / "a.wav", tone(), RATE)
    with pytest.raises(InputError, match="cannot be written"):
        media.write_video(tmp_path / "none" / "a.mp4", picture(2), 25)


@pytest.mark.parametrize("frames", [picture(2, 63), picture(2).astype(float), picture(2)[..., 0], picture(2)[:0]])
def test_frames_that_cannot_be_encoded_are_refused(tmp_path, frames):
    with pytest.raises(InputError, match="expected"):
        media.write_video(tmp_path / "a.mp4", frames, 25)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 192000])
def test_any_rate_is_resampled(tmp_path, rate):
    write_sound(tmp_path / "a.wav", 1, rate, "pcm_s16le", "s16")
    sound = media.read_audio(tmp_path / "a.wav")
    assert abs(len(sound) - RATE) <= 2
    assert np.corrcoef(sound[2000:14000], tone()[2000:14000])[0, 1] > 0.99


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_averaged(tmp_path, channels):
    write_sound(tmp_path / "a.wav", channels, 48000, "pcm_s16le", "s16")
    assert np.abs(media.read_audio(tmp_path / "a.wav")).max() == pytest.approx(0.5 / channels, rel=0.02)


@pytest.mark.parametrize(
    ("name", "codec", "sample_format"),
    [
        ("a.flac", "flac", "s16"),
        ("a.mp3", "libmp3lame", "fltp"),
        ("a.flv", "libmp3lame", "fltp"),
        ("a.m4a", "aac", "fltp"),
    ],
)
def test_sound_of_every_container_is_read(tmp_path, name, codec, sample_format):
    write_sound(tmp_path / name, 1, 44100, codec, sample_format)
    spectrum = np.abs(np.fft.rfft(media.read_audio(tmp_path / name)[:RATE]))
    assert abs(spectrum.argmax() - 440) <= 2


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.flv", "flv1", "yuv420p"), ("a.avi", "mpeg4", "yuv420p"), ("a.mp4", "libx264", "yuv444p")],
)
def test_odd_sizes_of_every_container_are_read(tmp_path, name, codec, pixels):
    write_film(tmp_path / name, picture(10, 63, 95), codec, pixels)
    frames, times = media.read_frames(tmp_path / name)
    assert frames.shape == (10, 63, 95, 3)
    assert (np.diff(times) > 0).all()
    assert np.abs(frames.astype(int) - picture(10, 63, 95)).mean() < 15


def test_varying_frame_rate_keeps_its_times(tmp_path):
    stamps = [0, 40, 80, 400, 420, 900, 940]
    write_film(tmp_path / "a.mkv", picture(7), "libx264", "yuv420p", stamps)
    frames, times = media.read_frames(tmp_path / "a.mkv")
    np.testing.assert_allclose(times, np.array(stamps) / 1000, atol=2e-3)
    np.testing.assert_allclose(frames[..., 2].mean(axis=(1, 2)), 8 * np.arange(7), atol=6)  # blue counts the frames


def test_silence_is_read_as_silence(tmp_path):
    media.write_wav(tmp_path / "a.wav", np.zeros(RATE), RATE)
    assert not media.read_audio(tmp_path / "a.wav").any()


def test_file_names_with_colons_are_files(tmp_path):
    media.write_wav(tmp_path / "http:a.wav", tone(), RATE)
    assert len(media.read_audio(tmp_path / "http:a.wav")) == RATE


def test_what_is_no_media_is_a_sentence(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is a text, whatever its name says\n" * 50)
    (tmp_path / "pointer.flv").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123\n")
    (tmp_path / "list.wav").write_text("ffconcat version 1.0\nfile 'empty.wav'\n")
    says(lambda: media.read_audio(tmp_path / "empty.wav"), "empty.wav", "0 bytes", "download")
    says(lambda: media.read_frames(tmp_path / "text.mp4"), "text.mp4", "cannot be decoded")
    says(lambda: media.read_frames(tmp_path / "pointer.flv"), "pointer.flv", "Git-LFS", "git lfs pull")
    says(lambda: media.duration(tmp_path / "pointer.flv"), "Git-LFS")
    says(lambda: media.read_audio(tmp_path / "list.wav"), "cannot be decoded")
    says(lambda: media.read_audio(tmp_path / "absent.wav"), "absent.wav", "no such file")
    says(lambda: media.read_audio(tmp_path), "folder")


def test_missing_stream_is_a_sentence(tmp_path):
    write_film(tmp_path / "mute.mp4", picture(5), "libx264", "yuv420p")
    media.write_wav(tmp_path / "voice.wav", tone(), RATE)
    says(lambda: media.read_audio(tmp_path / "mute.mp4"), "mute.mp4", "no audio stream", "holds video")
    says(lambda: media.read_frames(tmp_path / "voice.wav"), "voice.wav", "no video stream", "holds audio")


def test_stream_of_nothing_is_a_sentence(tmp_path):
    media.write_wav(tmp_path / "a.wav", tone(0.1), RATE)
    header = bytearray((tmp_path / "a.wav").read_bytes()[:44])
    header[4:8], header[40:44] = (36).to_bytes(4, "little"), (0).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(header)
    says(lambda: media.read_audio(tmp_path / "a.wav"), "a.wav", "no samples")


def test_samples_that_are_no_numbers_are_a_sentence(tmp_path):
    samples = np.full(RATE, np.nan, np.float32)
    with av.open(str(tmp_path / "a.wav"), "w") as file:
        stream = file.add_stream("pcm_f32le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = RATE
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    says(lambda: media.read_audio(tmp_path / "a.wav"), "a.wav", "not numbers")


def test_a_rate_that_no_sound_has_is_a_sentence(tmp_path):
    media.write_wav(tmp_path / "a.wav", tone(), 3)
    says(lambda: media.read_audio(tmp_path / "a.wav"), "a.wav", "3 samples per second", "1000 to 768000")


def test_a_wav_cut_short_is_told_from_a_short_one(tmp_path):
    media.write_wav(tmp_path / "a.wav", tone(), RATE)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 2])
    says(lambda: media.read_audio(tmp_path / "a.wav"), "cut short", str(len(content)))


@pytest.mark.parametrize("name", ["a.wav", "a.mp4", "a.flac", "a.mp3", "a.flv", "a.avi"])
def test_cut_anywhere_it_is_read_or_a_sentence(tmp_path, name):
    path = tmp_path / name
    if name == "a.wav":
        media.write_wav(path, tone(), RATE)
    elif name == "a.mp4":
        media.write_video(path, picture(10), 25, tone(0.4), RATE)
    elif name in ("a.flac", "a.mp3"):
        write_sound(
            path, 1, RATE, {"a.flac": "flac", "a.mp3": "libmp3lame"}[name], {"a.flac": "s16", "a.mp3": "fltp"}[name]
        )
    else:
        write_film(path, picture(20), {"a.flv": "flv1", "a.avi": "mpeg4"}[name], "yuv420p")
    content = path.read_bytes()
    refused = 0
    for share in (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999):
        path.write_bytes(content[: max(1, int(share * len(content)))])
        try:
            sound = media.read_audio(path) if name not in ("a.flv", "a.avi") else media.read_frames(path)[0]
            assert len(sound) and np.isfinite(sound).all()
        except MediaError as error:
            assert name in str(error) and "\n" not in str(error)
            refused += 1
    assert refused >= (1 if name == "a.mp3" else 2)  # an mp3 may begin and end anywhere


def test_bytes_overwritten_inside_are_read_or_a_sentence(tmp_path, film):
    content = bytearray(film.read_bytes())
    draw = np.random.default_rng([7, 1])
    for _ in range(12):
        damaged = bytearray(content)
        start = int(draw.integers(0, len(content) - 64))
        damaged[start : start + 64] = draw.bytes(64)
        (tmp_path / "a.mp4").write_bytes(damaged)
        for read in (media.read_audio, media.read_frames, media.duration):
            try:
                read(tmp_path / "a.mp4")
            except MediaError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_picture_is_turned_as_the_file_says(tmp_path, turns):
    """As phones do it: the picture lies in the file, and the header of the track says how to turn it."""
    upright = np.zeros((4, 48, 32, 3), np.uint8)
    upright[:, :24, :16] = 255  # white in the upper left
    path = tmp_path / "phone.mp4"
    media.write_video(path, np.rot90(upright, -turns, (1, 2)), 25)
    content = bytearray(path.read_bytes())
    matrix = {1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}[turns]
    at = content.index(b"tkhd") - 4 + 48
    for place, value in zip((0, 4, 12, 16), matrix):
        content[at + place : at + place + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    frames, _ = media.read_frames(path)
    assert frames.shape == upright.shape and np.abs(frames.astype(int) - upright).mean() < 8
    small, _ = media.read_frames(path, (12, 8), grey=True)
    assert small.shape == (4, 12, 8) and small[0, 3, 3] > 200 > 60 > small[0, 9, 3]
