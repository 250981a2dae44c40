import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.metrics import precision_recall_fscore_support

from auxformer.data.batch import collate
from auxformer.data.missing import apply_condition
from auxformer.errors import InputError
from auxformer.evaluation.intervals import interval, resampled, score
from auxformer.evaluation.predictions import prediction_table
from auxformer.evaluation.scores import METRICS, confusion_per_speaker, headline_scores, scores_of
from auxformer.models.rivals.functionals import LIMIT, FunctionalsLR, _scaled, functionals

CLASSES = ("a", "b", "c", "d")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_scores_equal_those_of_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (truth, predicted), 1)
    ours = dict(zip(METRICS, scores_of(confusion)))
    for average in ("macro", "micro"):
        precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        assert np.allclose(
            [ours[f"{average}-f1"], ours[f"{average}-precision"], ours[f"{average}-recall"]], [f1, precision, recall]
        )


def table(truth, predicted, speakers, condition="complete"):
    return pd.DataFrame(
        {"clip": range(len(truth)), "speaker": speakers, "condition": condition, "truth": truth, "predicted": predicted}
    )


def test_a_perfect_system_scores_one_with_no_interval():
    truth = list("abcd") * 10
    result = score(table(truth, truth, list("vwxyz") * 8), CLASSES)
    assert (result[["value", "low", "high"]] == 1).all(axis=None) and set(result.metric) == set(METRICS)


def test_the_interval_comes_from_speakers_not_clips():
    """Ten clips of one speaker tell as much as one clip: repeating a speaker's clips must not narrow the interval."""
    rng = np.random.default_rng(0)
    truth = rng.choice(list("ab"), 60)
    predicted = np.where(np.arange(60) % 12 < 5, truth, "a")
    speakers = np.repeat(list("uvwxyz"), 10)
    once = score(table(truth, predicted, speakers), "ab").query("metric == 'micro-f1'").iloc[0]
    ten = score(pd.concat([table(truth, predicted, speakers)] * 10), "ab").query("metric == 'micro-f1'").iloc[0]
    assert np.allclose(once[["value", "low", "high"]].astype(float), ten[["value", "low", "high"]].astype(float))
    assert once.low < once.value < once.high


def test_conditions_are_scored_apart():
    both = pd.concat([table(list("ab"), list("ab"), ["x"] * 2), table(list("ab"), list("ba"), ["x"] * 2, "no-audio")])
    assert headline_scores(both, ("a", "b")) == {"complete": 1.0, "no-audio": 0.0}


def test_confusions_add_up():
    data = table(list("aabbcd"), list("abbbca"), list("xxyyzz"))
    counts = confusion_per_speaker(data, CLASSES)
    assert counts.shape == (3, 4, 4) and counts.sum() == 6 and counts.sum(0)[0, 1] == 1


def test_a_posterior_that_is_not_a_number_raises_and_names_the_clip():
    posterior = np.array([[0.5, 0.5], [np.nan, 1.0]])
    with pytest.raises(InputError, match="clip two: the posterior under no-audio"):
        prediction_table(["one", "two"], ["x", "x"], "no-audio", np.eye(2), posterior, ("a", "b"))


def test_the_classical_reference_lives_with_a_film_that_is_missing_and_with_a_few_frames_left(splits):
    video = splits.train.video.arrays
    lost = {clip: video.pop(clip) for clip in (splits.train.clips[0], splits.test.clips[0])}
    try:
        system = FunctionalsLR().fit(splits.train, splits.dev)
        found = system.posteriors(splits.test, ["complete", "both-frames-0.9"])
    finally:
        video |= lost
    answers = found["complete"].argmax(1) == splits.test.targets.to_numpy().argmax(1)
    assert answers.mean() > 0.8 and np.isfinite(found["both-frames-0.9"]).all()
    scaler, _ = system.models["complete"]
    assert np.abs(_scaled(scaler, scaler.mean_[None] + 1e6 * scaler.scale_)).max() == LIMIT


def test_functionals_do_not_know_the_order_of_frames():
    frames = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(functionals(frames), functionals(frames[::-1]))
    assert functionals(frames).shape == (21,)


def test_the_classical_reference_learns_and_reads_what_is_left_of_a_stream(splits):
    reference = FunctionalsLR().fit(splits.train, splits.dev)
    truth = splits.test.targets.to_numpy().argmax(1)
    for posterior in reference.posteriors(splits.test, ("complete", "no-audio", "no-video")).values():
        assert np.allclose(posterior.sum(1), 1) and (posterior.argmax(1) == truth).mean() > 0.6
    lost = reference.posteriors(splits.test, ["complete", "audio-frames-0.5", "audio-frames-0.9", "no-audio"])
    assert np.allclose(lost["audio-frames-0.5"].sum(1), 1) and not np.allclose(
        lost["audio-frames-0.5"], lost["complete"]
    )
    # a stream that has lost its last frame is a missing one
    gone = [i for i, clip in enumerate(splits.test.clips) if not _left(splits.test, i, "audio-frames-0.9")]
    assert gone and np.allclose(lost["audio-frames-0.9"][gone], lost["no-audio"][gone])


def _left(dataset, index, condition):
    return apply_condition(collate([dataset[index]]), condition).audio_present.item()


def test_an_interval_of_few_speakers_is_as_wide_as_students():
    values = np.random.default_rng(0).normal(size=8)
    sums = np.stack([values, np.ones(8)], 1)
    low, high = interval(resampled(sums, lambda s: s[..., 0] / s[..., 1], 20_000), len(sums))
    half = student.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8)
    assert high - low == pytest.approx(2 * half, rel=0.05)
    assert low < values.mean() < high
