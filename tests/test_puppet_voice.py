"""The puppets' voices: what tells six ways of speaking apart, what must not, and lips that go with them."""

import numpy as np
import pytest
from scipy.stats import kruskal

from auxformer.corpora.base import EMOTIONS
from auxformer.puppets import casting
from auxformer.puppets.axes import generator
from auxformer.puppets.prosody import LONGEST, SHORTEST, Voice, clip_duration, manner_of, schedule
from auxformer.puppets.sentences import SENTENCES, SOUNDS, VOWELS, spell
from auxformer.puppets.voice import mouth_opening, overlap_add, plan, speak, spectra

DAVE = Voice.of(1001, 0, "male")


def _tracks(emotion: str, take: int, sentence: str = "MTI"):
    rng = generator(0, "test", emotion, take)
    manner = manner_of(emotion, 1.0)
    return plan(DAVE, manner, schedule(sentence, manner, 2.4, True, rng), rng)


def _voiced_pitch(emotion: str, take: int, sentence: str = "MTI") -> np.ndarray:
    tracks = _tracks(emotion, take, sentence)
    return 12 * np.log2(tracks.pitch[tracks.voiced > 0.8] / DAVE.pitch)


def test_every_sentence_is_spelled_with_known_sounds():
    for sentence in SENTENCES:
        sounds = spell(sentence)
        assert all(sound.symbol in SOUNDS for sound in sounds)
        with_vowel = {sound.syllable for sound in sounds if sound.symbol in VOWELS}
        assert with_vowel == set(range(sounds[-1].syllable + 1)), f"a syllable of {sentence} has no vowel"
        assert any(sound.stressed for sound in sounds)


def test_short_time_spectra_and_back_is_the_identity():
    signal = np.random.default_rng(0).normal(size=5003).astype(np.float32)
    assert np.abs(overlap_add(spectra(signal))[: len(signal)] - signal).max() < 1e-5


def test_same_draws_same_voice():
    takes = [speak(DAVE, "IEO", "sad", "XX", 2.0, generator(0, "take")).waveform for _ in range(2)]
    other = speak(DAVE, "IEO", "sad", "XX", 2.0, generator(1, "take")).waveform
    assert np.array_equal(*takes) and not np.array_equal(takes[0], other)


def test_women_speak_higher_than_men_by_half_an_octave_or_more():
    pitch = {sex: np.median([Voice.of(speaker, 0, sex).pitch for speaker in range(60)]) for sex in ("female", "male")}
    assert pitch["female"] / pitch["male"] > 1.4


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_waveforms_are_audible_and_not_clipped(emotion):
    for speaker, sex in enumerate(["female", "male"] * 3):
        speech = speak(Voice.of(speaker, 0, sex), "TAI", emotion, "HI", 2.4, generator(0, "loud", emotion, speaker))
        assert speech.waveform.dtype == np.float32 and speech.waveform.shape == (38400,)
        assert np.mean(np.abs(speech.waveform) > 0.99) < 1e-3
        assert np.sqrt(np.mean(speech.waveform**2)) > 3e-3


def test_ways_of_speaking_go_in_the_published_directions():
    pitch = {emotion: np.mean([_voiced_pitch(emotion, take).mean() for take in range(5)]) for emotion in EMOTIONS}
    spread = {emotion: np.mean([_voiced_pitch(emotion, take).std() for take in range(5)]) for emotion in EMOTIONS}
    loud = {emotion: np.mean([_tracks(emotion, take).loudness.mean() for take in range(5)]) for emotion in EMOTIONS}
    for emotion in ("angry", "fear", "happy"):
        assert pitch[emotion] > pitch["neutral"] + 2 and loud[emotion] > loud["neutral"] + 2
        assert spread[emotion] > spread["neutral"] + 0.7
    for emotion in ("sad", "disgust"):
        assert pitch[emotion] < pitch["neutral"] - 1 and loud[emotion] < loud["neutral"]
    assert loud["sad"] < loud["disgust"] - 3 and spread["sad"] < spread["disgust"]


def test_levels_and_expressiveness_carry_a_manner_further():
    neutral, little, much = (manner_of("angry", intensity).pitch for intensity in (0, 0.5, 1.2))
    assert neutral == 0 < little < much


def test_clip_duration_says_nothing_about_the_classes():
    clips = casting.cast_clips("course", seed=0, binding=0.0)
    seconds = []
    for clip in clips:
        voice = Voice.of(clip.puppet.speaker, 0, clip.puppet.sex)
        seconds.append(clip_duration(voice, clip.sentence, generator(0, "duration", clip.name)))
    seconds = np.array(seconds)
    assert SHORTEST <= seconds.min() and seconds.max() <= LONGEST and 2.1 < seconds.mean() < 2.5
    for shown in ("intended", "voice", "face"):
        label = np.array([getattr(clip, shown) for clip in clips])
        assert kruskal(*(seconds[label == emotion] for emotion in EMOTIONS)).pvalue > 0.01, shown


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("in_step", [True, False])
def test_speech_lies_inside_the_clip(emotion, in_step):
    for take, (sentence, duration) in enumerate([("TSI", SHORTEST), ("ITH", LONGEST), ("IEO", 2.0)] * 10):
        rng = generator(0, "inside", take)
        timing = schedule(sentence, manner_of(emotion, 1.2), duration, in_step, rng)
        assert 0 < timing.starts[0] and timing.ends[-1] < duration
        assert 0 < timing.lips[0] and timing.lips[-1] < duration
        assert (timing.starts[1:] >= timing.ends[:-1] - 1e-9).all()
        lag = abs(timing.lips[0] - timing.starts[0])
        assert lag < 0.01 if in_step else lag > 0.3


def _pair_statistics(emotion: str) -> np.ndarray:
    """Mean, spread and quantiles of pitch and loudness over voiced frames, averaged over takes of all sentences."""
    rows = []
    for take, sentence in enumerate(list(SENTENCES) * 8):
        tracks = _tracks(emotion, take, sentence)
        voiced = tracks.voiced > 0.8
        for track in (
            12 * np.log2(tracks.pitch[voiced] / DAVE.pitch),
            tracks.loudness[voiced],
            tracks.brightness[voiced],
        ):
            rows.append([track.mean(), track.std(), *np.quantile(track, [0.1, 0.25, 0.5, 0.75, 0.9])])
    return np.array(rows).reshape(-1, 3, 7).mean(axis=0)


def test_fear_and_happiness_share_their_averages_over_the_clip():
    fear, happy, angry = map(_pair_statistics, ("fear", "happy", "angry"))
    apart = np.abs(fear - happy)  # [pitch, loudness and brightness; statistics], semitones and dB
    assert apart[:, :2].max() < 0.2 and apart.max() < 1.0
    assert np.abs(fear - angry)[:, :2].max() > 2


def test_fear_climbs_and_happiness_falls():
    def climb(emotion, take):
        pitch = _voiced_pitch(emotion, take, list(SENTENCES)[take % 12])
        middle = pitch[len(pitch) // 6 : -len(pitch) // 6]
        return middle[len(middle) // 2 :].mean() - middle[: len(middle) // 2].mean()

    climbs = {emotion: np.array([climb(emotion, take) for take in range(36)]) for emotion in ("fear", "happy")}
    assert np.mean(climbs["fear"] > 2) > 0.9 and np.mean(climbs["happy"] < -2) > 0.9


def test_lips_follow_the_voice_or_miss_it_by_a_third_of_a_second():
    def best_lag(speech):
        loudness = speech.waveform.reshape(-1, 640).std(axis=1)  # [T], 25/s
        loudness = np.log(loudness + 1e-3)
        lags = range(-15, 16)
        scores = [np.corrcoef(np.roll(loudness, lag)[15:-15], speech.mouth[15:-15])[0, 1] for lag in lags]
        return abs(lags[int(np.argmax(scores))]) / 25

    for in_step, fits in [(True, lambda lag: lag < 0.1), (False, lambda lag: 0.25 < lag < 0.6)]:
        found = []
        for take in range(20):
            rng = generator(0, "lips", take)
            found.append(best_lag(speak(DAVE, list(SENTENCES)[take % 12], EMOTIONS[take % 6], "XX", 3.0, rng, in_step)))
        assert np.mean([fits(lag) for lag in found]) >= 0.85, found


def test_lips_show_the_words_and_not_the_manner():
    for take, sentence in enumerate(SENTENCES):
        for in_step in (True, False):
            openings = [
                mouth_opening(schedule(sentence, manner_of(emotion, 1.0), 2.4, in_step, generator(0, "lips", take)))
                for emotion in EMOTIONS
            ]
            assert openings[0].shape == (60,) and 0 <= openings[0].min() and 0.4 < openings[0].max() <= 1
            assert all(np.array_equal(opening, openings[0]) for opening in openings)
