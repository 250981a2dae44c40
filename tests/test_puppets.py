"""The puppets: who perceives what, the tables, the ideal observer, and how a corpus gets onto disk."""

import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from auxformer.corpora import make_corpus, read_corpus
from auxformer.corpora.base import EMOTIONS
from auxformer.corpora.labels import consensus
from auxformer.errors import InputError
from auxformer.media import read_audio, read_frames
from auxformer.puppets import casting, generate, ideal_observer
from auxformer.puppets.corpus import play
from auxformer.puppets.observer import CONDITIONS, TARGETS
from auxformer.puppets.perception import answers, combine, confusion, perceived


@pytest.fixture(scope="module")
def truth():
    return casting.truth_table(casting.cast_clips("full", seed=0, binding=0.0))


@pytest.fixture(scope="module")
def small_size():
    """A corpus of 2 puppets x 1 sentence, for tests that write media."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(casting.SIZES, "tiny", casting.Size(2, 1, False))
        yield "tiny"


# ---------------------------------------------------------------------------------------------------- perception


def test_confusion_rows_are_distributions():
    for way in ("voice", "face", "audiovisual"):
        assert np.allclose(confusion(way).sum(axis=1), 1)
        assert (confusion(way) > 0).all()


def test_perceived_is_bayes_rule_with_a_uniform_prior():
    matrix = confusion("voice")
    by_hand = matrix[:, 4] / matrix[:, 4].sum()  # heard as neutral: which emotions were intended?
    assert np.allclose(perceived("voice", sharpness=1)[4], by_hand)


def test_infinite_sharpness_gives_the_known_accuracies():
    voice, face = perceived("voice", 150), perceived("face", 150)
    both = combine(voice[:, None], face[None])
    chance = {
        "voice": np.einsum("ea,ae->", confusion("voice"), voice) / 6,
        "face": np.einsum("ef,fe->", confusion("face"), face) / 6,
        "both": np.einsum("ea,ef,afe->", confusion("voice"), confusion("face"), both) / 6,
    }
    assert {way: round(float(value), 3) for way, value in chance.items()} == {
        "voice": 0.407,
        "face": 0.577,
        "both": 0.619,
    }


def test_combination_is_the_fuzzy_logical_formula():
    voice, face = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.2, 0.6])
    by_hand = np.array([0.12, 0.06, 0.06]) / 0.24
    assert np.allclose(combine(voice, face), by_hand)


def test_raters_of_a_clip_out_of_step_follow_the_voice():
    apart = answers("audiovisual", "angry", "happy", bound=False)
    assert np.allclose(apart, answers("voice", "angry", "happy"))
    assert not np.allclose(apart, answers("audiovisual", "angry", "happy", bound=True))


# -------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("size, tolerance", [("tiny", 0.09), ("course", 0.01), ("full", 0.01)])
@pytest.mark.parametrize("way", ["voice", "face"])
def test_shown_classes_follow_the_human_matrix(size, way, tolerance):
    truth = casting.truth_table(casting.cast_clips(size, seed=1, binding=0.0))
    shares = pd.crosstab(truth["intended"], truth[way], normalize="index")
    shares = shares.reindex(index=EMOTIONS, columns=EMOTIONS, fill_value=0)
    assert np.abs(shares.to_numpy() - confusion(way)).max() < tolerance


def test_voice_and_face_are_independent_given_the_intended_emotion(truth):
    for place, emotion in enumerate(EMOTIONS):
        clips = truth[truth["intended"] == emotion]
        joint = pd.crosstab(clips["voice"], clips["face"], normalize="all").reindex(index=EMOTIONS, columns=EMOTIONS)
        expected = np.outer(confusion("voice")[place], confusion("face")[place])
        assert np.abs(joint.fillna(0).to_numpy() - expected).max() < 0.012


def test_no_puppet_has_a_system_in_what_it_shows(truth):
    speaker = truth["clip"].str[:4]
    neutral = (truth["voice"] == "neutral").groupby(speaker).mean()
    binomial = np.sqrt(0.447 * 0.553 / (len(truth) / speaker.nunique()))
    assert 0.5 * binomial < neutral.std() < 1.5 * binomial


@pytest.mark.parametrize("size, count", [("tiny", 144), ("course", 2880), ("full", 91 * (11 * 6 + 16))])
def test_sizes(size, count):
    clips = casting.cast_clips(size, seed=0, binding=0.0)
    assert len({clip.name for clip in clips}) == len(clips) == count


def test_a_clip_is_the_same_in_every_size():
    full = {clip.name: clip._replace(number=0) for clip in casting.cast_clips("full", seed=5, binding=0.3)}
    for size in ("tiny", "course"):
        for clip in casting.cast_clips(size, seed=5, binding=0.3):
            assert full[clip.name] == clip._replace(number=0)


def test_another_seed_is_another_corpus():
    one, other = (casting.truth_table(casting.cast_clips("tiny", seed, 0.0)) for seed in (0, 1))
    assert list(one["voice"]) != list(other["voice"])


def test_levels_only_where_crema_d_has_them():
    for clip in casting.cast_clips("full", seed=0, binding=0.0):
        assert (clip.level != "XX") == (clip.sentence == "IEO" and clip.intended != "neutral")


def test_every_two_puppets_are_a_woman_and_a_man():
    puppets = casting.cast("course", seed=0)
    assert all({a.sex, b.sex} == {"female", "male"} for a, b in zip(puppets[::2], puppets[1::2]))


def test_ten_votes_per_clip_and_way():
    clips = casting.cast_clips("tiny", seed=0, binding=0.0)
    votes = casting.vote_table(clips, seed=0)
    columns = list(casting.VOTE_COLUMNS)
    assert (votes[columns].sum(axis=1) == 10).all()
    assert sorted(votes.index // 100_000) == [1] * len(clips) + [2] * len(clips) + [3] * len(clips)
    winner = votes[columns].idxmax(axis=1)
    assert all(first == listed[0] for first, listed in zip(winner, votes["emoVote"]))
    assert np.allclose(votes["agreement"], votes[columns].max(axis=1) / 10)


def test_votes_name_the_intended_emotion_as_often_as_predicted():
    clips = casting.cast_clips("course", seed=0, binding=0.0)
    votes = casting.vote_table(clips, seed=0)
    intended = np.array([EMOTIONS.index(clip.intended) for clip in clips])
    for place, expected in enumerate((0.392, 0.571, 0.613), start=1):
        counts = votes[votes.index // 100_000 == place][list(casting.VOTE_COLUMNS)].to_numpy()
        assert counts[np.arange(len(clips)), intended].mean() / 10 == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("binding", [0.0, 0.25, 1.0])
def test_share_of_clips_out_of_step_is_what_was_asked(binding):
    truth = casting.truth_table(casting.cast_clips("course", seed=0, binding=binding))
    assert 1 - truth["bound"].mean() == pytest.approx(binding, abs=0.01)


# ------------------------------------------------------------------------------------------------ ideal observer


def _accuracy(truth, target, condition):
    posterior = ideal_observer(truth, target, condition)
    if target == "intended":
        label, kept = truth["intended"].to_numpy(), slice(None)
    else:
        rng = np.random.default_rng(3)
        shares = [answers(target, row.voice, row.face, row.bound) for row in truth.itertuples()]
        votes = np.array([rng.multinomial(10, share) for share in shares])
        label, kept = np.array(EMOTIONS)[votes.argmax(axis=1)], votes.max(axis=1) > 5
    return np.mean(posterior.idxmax(axis=1).to_numpy()[kept] == label[kept])


@pytest.mark.parametrize(
    "target, condition, expected",
    [
        ("intended", "complete", 0.619),
        ("intended", "no-audio", 0.577),
        ("intended", "no-video", 0.407),
        ("audiovisual", "complete", 0.991),
        ("audiovisual", "no-audio", 0.813),
        ("audiovisual", "no-video", 0.509),
        ("voice", "no-audio", 0.452),
        ("face", "no-video", 0.348),
    ],
)
def test_ideal_observer_scores_the_known_numbers(truth, target, condition, expected):
    assert _accuracy(truth, target, condition) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_ideal_observer_is_calibrated(truth, target, condition):
    posterior = ideal_observer(truth, target, condition)
    assert posterior.shape == (len(truth), 6) and np.allclose(posterior.sum(axis=1), 1)
    stated = posterior.max(axis=1).mean()
    assert stated == pytest.approx(_accuracy(truth, target, condition), abs=0.015)


@pytest.mark.parametrize("rule", ["majority", "plurality", "distributional"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_ideal_observer_knows_the_rule_that_labels_are_made_by(truth, rule, condition):
    """Against simulated raters, whose votes become labels as those of a corpus do."""
    classes = EMOTIONS[::-1]  # of equal shares the first of the classes is the truth, whatever their order
    truth = pd.concat([truth.assign(bound=True), truth.assign(bound=False)], ignore_index=True)
    said = ideal_observer(truth, "audiovisual", condition, classes, rule)
    rng, found = np.random.default_rng(4), np.zeros((6, 6, 2, 6))
    for v, voice in enumerate(EMOTIONS):
        for f, face in enumerate(EMOTIONS):
            for bound in (0, 1):
                votes = rng.multinomial(10, answers("audiovisual", voice, face, bool(bound)), 4000)
                labels = consensus(pd.DataFrame(votes, columns=list(EMOTIONS)), rule)[list(classes)].to_numpy()
                found[v, f, bound] = np.bincount(labels.argmax(1), minlength=6) / 4000
    weight = np.einsum("ea,ef->af", confusion("voice"), confusion("face"))[:, :, None, None] / 6 * found
    if condition == "no-audio":
        weight = np.broadcast_to(weight.mean(2, keepdims=True).sum(0, keepdims=True), weight.shape)
    elif condition == "no-video":
        weight = np.broadcast_to(weight.mean(2, keepdims=True).sum(1, keepdims=True), weight.shape)
    right = weight / weight.sum(-1, keepdims=True)
    rows = [(EMOTIONS.index(row.voice), EMOTIONS.index(row.face), int(row.bound)) for row in truth.itertuples()]
    off = np.abs(said.to_numpy() - np.array([right[row] for row in rows]))
    enough = np.array([weight[row].sum() > 0 for row in rows])
    assert off[enough].mean() < 0.004 and off[enough].max() < 0.1


def test_the_reference_row_is_by_the_rule_of_its_task(tiny_puppets):
    root, data = tiny_puppets
    from auxformer.data.task import Task
    from auxformer.models import create_reference

    said = {}
    for rule in ("majority", "plurality", "distributional"):
        split = Task(root, data=data, rule=rule).split(0)
        said[rule] = create_reference("ideal-observer", split)(split.test, ["complete"])["complete"]
        truth = read_corpus(root).truth.loc[list(split.test.clips)]
        own = ideal_observer(truth, "audiovisual", "complete", split.test.classes, rule)
        assert np.allclose(said[rule], own.to_numpy())
    assert said["majority"].max(1).mean() > said["plurality"].max(1).mean() > said["distributional"].max(1).mean()


def test_puppets_are_not_made_over_other_puppets_or_anybody_elses_media(tmp_path, small_size):
    root = make_corpus("puppets", tmp_path / "p", small_size, jobs=1)
    before = sorted(path for path in root.rglob("*") if path.is_file())
    for change in ({"seed": 1}, {"binding": 0.5}):
        with pytest.raises(InputError, match="holds puppets of seed 0 and binding 0.0, not of"):
            make_corpus("puppets", root, small_size, jobs=1, **change)
    foreign = root / "VideoFlash" / "my wedding.mp4"
    foreign.write_bytes(b"film")
    with pytest.raises(InputError, match="my wedding.mp4: is no puppet's"):
        make_corpus("puppets", root, small_size, jobs=1)
    assert foreign.exists() and sorted({*before, foreign}) == sorted(p for p in root.rglob("*") if p.is_file())
    foreign.unlink()
    assert make_corpus("puppets", root, small_size, jobs=1) == root


def test_ideal_observer_follows_the_voice_of_clips_out_of_step():
    truth = pd.DataFrame({"clip": ["a", "b"], "voice": "angry", "face": "happy", "bound": [True, False]})
    together, apart = ideal_observer(truth, "audiovisual", "complete").to_numpy()
    assert EMOTIONS[apart.argmax()] == "angry" and EMOTIONS[together.argmax()] == "happy"
    hidden = ideal_observer(truth, "audiovisual", "no-audio").to_numpy()
    assert np.allclose(hidden[0], hidden[1])  # with the face alone nobody can tell


def test_ideal_observer_keeps_the_order_of_classes_asked_for(truth):
    turned = ideal_observer(truth[:5], "intended", "complete", classes=EMOTIONS[::-1])
    assert list(turned.columns) == list(EMOTIONS[::-1])
    assert np.allclose(turned[list(EMOTIONS)], ideal_observer(truth[:5], "intended", "complete"))


@pytest.mark.parametrize(
    "change", [{"target": "valence"}, {"condition": "noisy"}, {"classes": ("angry", "calm")}, {"truth": pd.DataFrame()}, {"rule": "mean"}]
)
def test_ideal_observer_refuses_what_it_does_not_know(truth, change):
    with pytest.raises(InputError):
        ideal_observer(**({"truth": truth, "target": "intended"} | change))


# ------------------------------------------------------------------------------------------------------- on disk


def _contents(root):
    """Everything that counts in a corpus: tables as text, media as decoded."""
    tables = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.csv")}
    sound = {path.name: read_audio(path).tobytes() for path in sorted(root.rglob("*.wav"))}
    film = {path.name: read_frames(path)[0].tobytes() for path in sorted(root.rglob("*.mp4"))}
    return tables, sound, film


def test_same_seed_same_corpus_for_any_number_of_jobs(tmp_path, small_size):
    one = generate(tmp_path / "one", small_size, seed=2, jobs=1)
    two = generate(tmp_path / "two", small_size, seed=2, jobs=2)
    assert _contents(one) == _contents(two)
    assert len(list(one.rglob("*.wav"))) == 12


def test_media_hold_what_was_played(tmp_path, small_size):
    root = generate(tmp_path / "p", small_size, seed=2, jobs=1)
    clip = casting.cast_clips(small_size, seed=2, binding=0.0)[0]
    waveform, frames, rate = play(clip, seed=2)
    heard = read_audio(root / "AudioWAV" / f"{clip.name}.wav")
    seen, _ = read_frames(root / "VideoFlash" / f"{clip.name}.mp4")
    assert np.abs(heard - waveform).max() < 2 / 32767
    assert seen.shape == frames.shape and np.abs(seen.astype(int) - frames).mean() < 6
    assert len(frames) / rate == pytest.approx(len(waveform) / 16000)
    sound_of_film = read_audio(root / "VideoFlash" / f"{clip.name}.mp4")
    overlap = min(len(sound_of_film), len(heard))
    assert np.corrcoef(sound_of_film[:overlap], heard[:overlap])[0, 1] > 0.8


def test_the_reader_finds_a_puppet_corpus(tmp_path, small_size):
    from auxformer.corpora import read_corpus

    corpus = read_corpus(generate(tmp_path / "p", small_size, jobs=1), "puppets")
    assert len(corpus.clips) == 12 and list(corpus.truth["bound"]) == [True] * 12
    assert set(corpus.ratings) == {"voice", "face", "audiovisual"}
    assert corpus.clips["duration"].between(1.6, 3.2).all()
    assert sorted(corpus.speakers["sex"]) == ["female", "male"]


def test_nothing_finished_is_made_twice_and_another_seed_replaces_it(tmp_path, small_size):
    root = generate(tmp_path / "p", small_size, seed=0, jobs=1)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.mp4")}
    first = _contents(root)
    next(iter(before)).unlink()
    generate(root, small_size, seed=0, jobs=1)
    assert _contents(root) == first
    assert sum(path.stat().st_mtime_ns == stamp for path, stamp in before.items()) == 11
    generate(root, small_size, seed=1, jobs=1)
    assert _contents(root) == _contents(generate(tmp_path / "fresh", small_size, seed=1, jobs=1))


def test_killed_and_resumed_equals_uninterrupted(tmp_path, small_size):
    command = (
        "import sys; from auxformer.puppets import casting, generate; "
        "casting.SIZES['tiny'] = casting.Size(2, 1, False); generate(sys.argv[1], 'tiny', seed=4, jobs=1)"
    )
    root = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", command, str(root)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(root.glob("VideoFlash/*.mp4"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    made = {path: path.stat().st_mtime_ns for path in root.glob("VideoFlash/*.mp4")}
    assert 3 <= len(made) < 12 and not (root / "truth.csv").exists()
    generate(root, small_size, seed=4, jobs=1)
    assert _contents(root) == _contents(generate(tmp_path / "whole", small_size, seed=4, jobs=1))
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in made.items())
    assert not list(root.rglob("*.part"))


@pytest.mark.parametrize(
    "options", [{"size": "huge"}, {"binding": 1.5}, {"seed": -1}, {"jobs": 0}], ids=lambda options: next(iter(options))
)
def test_bad_options_are_refused_before_anything_is_written(tmp_path, options):
    with pytest.raises(InputError):
        generate(tmp_path / "p", **options)
    assert not (tmp_path / "p").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not a puppet corpus"):
        generate(tmp_path, "tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="is a file"):
        generate(tmp_path / "thesis.txt", "tiny")
