"""Reading MSP-IMPROV: its names, its votes, its published tables, on small files written here in their format."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxformer.benchmark.run import Work, evaluate, predictions_of, results_of
from auxformer.config import config_for, override, preset
from auxformer.corpora import detect_corpus, read_corpus
from auxformer.corpora.check import check_corpus
from auxformer.corpora.labels import attribute_targets, targets
from auxformer.corpora.mspimprov import CLASSES, TEN_CLASSES, read_mspimprov
from auxformer.corpora.partitions import SpeakerLeak, partitions_of, read_partition_file, speaker_folds
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.media import write_video, write_wav
from auxformer.training.fit import fit

SPEAKERS = [f"{sex}0{session}" for session in range(1, 7) for sex in "FM"]
NAME = "S01A-F01-P-FM01"
CLIP = f"MSP-IMPROV-{NAME}"


def votes(name, *raters, letter="A", means="A:2.000000; V:3.500000; D:3.000000 ; N:4.000000;"):
    """A clip of Evaluation.txt: each rater is (primary, secondary)."""
    lines = [f"UTD-IMPROV-{name}.avi; {letter}; {means}"]
    lines += [
        f"ph{number}-p1; {primary}; {secondary}; A:2.000000; V:3.000000; D:3.000000; N:4.000000;"
        for number, (primary, secondary) in enumerate(raters)
    ]
    return "\n".join(lines) + "\n\n"


def add_media(root, name, suffix=".wav"):
    folder = root / f"session{name[6]}" / name[:4] / name[9]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"MSP-IMPROV-{name}{suffix}").write_bytes(f"RIFF{name}{suffix}".encode() + bytes(2000))
    return folder / f"MSP-IMPROV-{name}{suffix}"


def corpus_of(root, *entries, spelling="Evaluation.txt", **options):
    (root / spelling).write_text("".join(entries))
    return read_mspimprov(root, **options)


def table(root, rows, folder="labels_consensus_EmoP_4class_D", name="labels_consensus_1.csv"):
    (root / folder).mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(root / folder / name, index=False)
    return root / folder / name


def row(name, split="Train", act=2.4, val=2.2, dom=2.8, **shares):
    """A line of a published table; SpkrID is the session, as in the VAVL release."""
    gender = "Female" if name[5] == "F" else "Male"
    means = {"EmoAct": act, "EmoVal": val, "EmoDom": dom, "SpkrID": int(name[6:8]), "Gender": gender}
    return {"FileName": f"MSP-IMPROV-{name}.wav", **shares, **means, "Split_Set": split}


def rows_of_all(splits=("Train", "Train", "Train", "Train", "Development", "Test")):
    return [row(f"S01A-{speaker}-S-FM01", splits[int(speaker[2]) - 1]) for speaker in SPEAKERS]


def test_the_name_says_who_speaks_what_in_which_session(tmp_path):
    corpus = corpus_of(tmp_path, votes("S17H-M06-T-MF12", ("Happy", "Happy")))
    clip = corpus.clips.loc["MSP-IMPROV-S17H-M06-T-MF12"]
    assert (clip["speaker"], clip["sentence"], clip["intended"], clip["level"]) == (
        "M06",
        "17",
        "happy",
        "target, improvised",
    )
    assert corpus.speakers.loc["M06"].tolist()[::2] == ["male", "06"]
    assert corpus.classes == CLASSES and clip["audio"] is None and clip["video"] is None


def test_sound_and_film_of_a_clip_are_found_wherever_they_lie(tmp_path):
    wav, avi = add_media(tmp_path / "Audio", NAME), add_media(tmp_path / "Video", NAME, ".avi")
    other = add_media(tmp_path / "Video", "S01A-M01-R-MM01", ".avi")
    corpus = corpus_of(
        tmp_path, votes(NAME, ("Sad", "Sad")), votes("S01A-M01-R-MM01", ("Sad", "Sad")), spelling="Evalution.txt"
    )
    assert (corpus.clips.at[CLIP, "audio"], corpus.clips.at[CLIP, "video"]) == (str(wav), str(avi))
    assert corpus.clips.at["MSP-IMPROV-S01A-M01-R-MM01", "audio"] == str(other)  # a film serves both streams
    assert detect_corpus(tmp_path) == "msp-improv"


def test_votes_are_counted_for_the_main_emotion_and_for_the_ten(tmp_path):
    raters = [
        ("Angry", "Angry, Frustrated"),
        ("Angry", "Disgusted,Angry"),
        ("Other", "Bored"),
        ("Neutral", "Neutral,Fearful"),
    ]
    corpus = corpus_of(tmp_path, votes(NAME, *raters))
    primary, secondary = corpus.ratings["audiovisual"].loc[CLIP], corpus.ratings["secondary"].loc[CLIP]
    assert primary.to_dict() == {"angry": 2, "happy": 0, "neutral": 1, "sad": 0, "other": 1}
    assert secondary[secondary > 0].to_dict() == {
        "angry": 2, "neutral": 1, "disgust": 1, "fear": 1, "frustrated": 1, "other": 1,
    }  # fmt: skip
    assert corpus.ratings["secondary-four"].loc[CLIP].to_dict() == {"angry": 2, "happy": 0, "neutral": 1, "sad": 0}


def test_a_raters_line_that_is_there_twice_counts_once(tmp_path):
    text = votes(NAME, ("Angry", "Angry"), ("Sad", "Sad"))
    line = text.splitlines()[1]
    corpus = corpus_of(tmp_path, text.replace(line, f"{line}\n{line}"))
    assert corpus.ratings["audiovisual"].loc[CLIP, ["angry", "sad"]].tolist() == [1, 1]


def test_a_copy_without_raters_has_their_consensus_as_its_vote(tmp_path):
    names = {letter: f"S01A-F01-P-FM0{number}" for number, letter in enumerate("AHNSOX", start=1)}
    corpus = corpus_of(tmp_path, *(votes(name, letter=letter) for letter, name in names.items()))
    labels = targets(corpus)
    assert labels.idxmax(axis=1).tolist() == ["angry", "happy", "neutral", "sad"]  # O and X are no class
    assert "secondary" not in corpus.ratings


def test_votes_for_other_count_in_the_rules_and_are_no_class(tmp_path):
    corpus = corpus_of(
        tmp_path,
        votes("S01A-F01-P-FM01", *[("Angry", "Angry")] * 2, *[("Other", "Other")] * 3),  # other leads
        votes("S01A-F01-P-FM02", *[("Angry", "Angry")] * 2, ("Sad", "Sad"), ("Other", "Other")),  # half, no majority
        votes("S01A-F01-P-FM03", *[("Sad", "Sad,Depressed")] * 3, ("Angry", "Angry")),
        votes("S01A-F01-P-FM04", *[("Other", "Other")] * 2),
        votes("S01A-F01-P-FM05", ("Sad", "Depressed"), ("Angry", "Depressed")),  # a tie, but not of the ten
    )
    kept = {rule: set(targets(corpus, rule=rule).index.str[-1]) for rule in ("plurality", "majority", "distributional")}
    assert kept == {"plurality": {"2", "3"}, "majority": {"3"}, "distributional": {"1", "2", "3", "5"}}
    soft = targets(corpus, rule="distributional")
    assert np.allclose(soft.sum(axis=1), 1) and list(soft) == list(CLASSES)
    assert soft.loc["MSP-IMPROV-S01A-F01-P-FM02", ["angry", "sad"]].tolist() == pytest.approx([2 / 3, 1 / 3])
    ten = targets(corpus, "secondary", "plurality")
    assert list(ten) == list(TEN_CLASSES) and ten.loc["MSP-IMPROV-S01A-F01-P-FM05"].idxmax() == "depressed"
    assert "MSP-IMPROV-S01A-F01-P-FM03" not in ten.index  # sad and depressed tie


def test_arousal_is_turned_over_and_agrees_with_the_published_table(tmp_path):
    """Evaluation.txt says A:3.6 of a clip whose published EmoAct is 2.4 = 6 - 3.6."""
    (tmp_path / "raw").mkdir()
    raw = corpus_of(tmp_path / "raw", votes(NAME, ("Sad", "Sad"), means="A:3.600000; V:2.200000; D:2.800000 ; N:4.0;"))
    (tmp_path / "tables").mkdir()
    table(tmp_path / "tables", [row(NAME, act=2.4, val=2.2, dom=2.8)])
    published = read_mspimprov(tmp_path / "tables")
    np.testing.assert_allclose(raw.attributes.loc[CLIP], published.attributes.loc[CLIP])
    assert raw.attributes.loc[CLIP].to_dict() == pytest.approx({"valence": 2.2, "arousal": 2.4, "dominance": 2.8})


def test_a_clip_without_a_rating_of_dominance_has_no_attributes_and_keeps_its_votes(tmp_path):
    corpus = corpus_of(tmp_path, votes(NAME, ("Sad", "Sad"), means="A:3.6; V:2.2; D:NaN ; N:NaN;"))
    assert np.isnan(corpus.attributes.at[CLIP, "dominance"]) and attribute_targets(corpus).empty
    assert len(targets(corpus)) == 1


def test_shares_of_a_published_table_serve_where_the_votes_are_absent(tmp_path):
    smooth = {name: 0.96 * share + 0.01 for name, share in zip(CLASSES, (0.5, 0, 0, 0.5))}
    ten = {name: 0.9 * (name == "excited") + 0.01 for name in TEN_CLASSES}
    table(tmp_path, [row(NAME, **smooth)])
    table(tmp_path, [row(NAME, **smooth)], "labels_consensus_EmoP_4class_M")
    table(tmp_path, [row(NAME, **ten)], "labels_consensus_EmoS_ALLclass_D")
    corpus = read_mspimprov(tmp_path)
    assert targets(corpus, rule="distributional").loc[CLIP].tolist() == pytest.approx([0.5, 0, 0, 0.5])
    assert targets(corpus, rule="plurality").empty  # a tie
    assert targets(corpus, "secondary").loc[CLIP].idxmax() == "excited"


def test_a_table_with_attributes_only_still_gives_the_intended_emotion(tmp_path):
    table(tmp_path, rows_of_all())
    corpus = read_corpus(tmp_path)
    assert not corpus.ratings and len(attribute_targets(corpus)) == 12
    assert targets(corpus, "intended").idxmax(axis=1).unique().tolist() == ["angry"]
    with pytest.raises(InputError, match="no votes of audiovisual raters"):
        targets(corpus)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            votes("S01Q-F01-P-FM01", ("Sad", "Sad")),
            r"Evaluation.txt: line 1 names UTD-IMPROV-S01Q.*expected a clip like",
        ),
        (votes(NAME, ("Sad", "Sad")), r"line 4 .* is the clip's second line"),
        (votes("S01A-F01-P-FM02", letter="Q"), r"line 1 .* has the consensus 'Q', expected one of A H N S O X"),
        (votes("S01A-F01-P-FM02", means="A:2.0; V:7.0; D:3.0;"), r"line 1 .* has an attribute outside 1..5"),
        (votes("S01A-F01-P-FM02", means="?"), r"line 1 .* lacks the means A:, V: and D:"),
    ],
    ids=["name", "twice", "letter", "range", "means"],
)
def test_a_damaged_line_stops_or_is_skipped(tmp_path, text, message):
    good = votes("S02A-F02-P-FM01", ("Sad", "Sad"))
    entries = [votes(NAME, ("Sad", "Sad")), text, good] if "second" in message else [text, good]
    with pytest.raises(InputError, match=message):
        corpus_of(tmp_path, *entries)
    corpus = corpus_of(tmp_path, *entries, on_error="skip")
    assert list(corpus.clips.index) == ["MSP-IMPROV-S02A-F02-P-FM01"] and len(corpus.skipped) == 1


@pytest.mark.parametrize("change", [{"EmoAct": 9}, {"EmoVal": None}, {"FileName": "talk.wav"}])
def test_a_damaged_line_of_a_table_names_the_file_and_the_line(tmp_path, change):
    file = table(tmp_path, [row(NAME), {**row("S01A-F02-P-FM01"), **change}])
    with pytest.raises(InputError, match="labels_consensus_1.csv: line 3 .* is not one clip of MSP-IMPROV"):
        read_mspimprov(tmp_path)
    corpus = read_mspimprov(tmp_path, on_error="skip")
    assert list(corpus.clips.index) == [CLIP] and str(file) in next(iter(corpus.skipped.values()))


def test_media_and_ratings_that_do_not_belong_together_are_told(tmp_path):
    add_media(tmp_path, "S01A-F01-P-FM01")
    add_media(tmp_path, "S01A-F01-P-FM09")
    entries = votes("S01A-F01-P-FM01", ("Sad", "Sad")) + votes("S01A-F01-P-FM02", ("Sad", "Sad"))
    with pytest.raises(InputError, match="Evaluation.txt: has no ratings of the clip MSP-IMPROV-S01A-F01-P-FM09"):
        corpus_of(tmp_path, entries)
    corpus = corpus_of(tmp_path, entries, on_error="skip")
    assert list(corpus.clips.index) == [CLIP] and "no media file" in corpus.skipped["MSP-IMPROV-S01A-F01-P-FM02"]


def test_bad_file_names_pointers_and_copies_are_told(tmp_path):
    add_media(tmp_path, NAME)
    add_media(tmp_path / "copy", NAME)
    bad = add_media(tmp_path, "S01A-F01-P-FM02")
    bad.rename(bad.with_name("MSP-IMPROV-S01A-F07-P-FM02.wav"))
    add_media(tmp_path, "S01A-F01-P-FM03").write_text("version https://git-lfs.github.com/spec/v1\n")
    corpus = corpus_of(tmp_path, votes(NAME, ("Sad", "Sad")), on_error="skip")
    reasons = " ".join(corpus.skipped.values())
    assert (
        len(corpus.skipped) == 3 and "second copy" in reasons and "Git-LFS" in reasons and "its name is none" in reasons
    )


def test_a_folder_of_something_else_is_none(tmp_path):
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match="holds no MSP-IMPROV clip"):
        read_mspimprov(tmp_path)
    with pytest.raises(InputError, match="none of the corpora known here.*msp-improv: Evaluation.txt"):
        detect_corpus(tmp_path)


def test_a_fold_is_a_session_and_its_speakers_are_never_apart(tmp_path):
    table(tmp_path, rows_of_all())
    corpus = read_mspimprov(tmp_path)
    folds = partitions_of(corpus, attribute_targets(corpus), folds=6)
    assert [fold.test for fold in folds] == [(f"F0{number}", f"M0{number}") for number in range(1, 7)]
    for fold in [*folds, *speaker_folds(corpus.speakers, 4, seed=3), *speaker_folds(corpus.speakers, 3)]:
        for part in (fold.train, fold.dev, fold.test):
            assert all({f"F{name[1:]}", f"M{name[1:]}"} <= set(part) for name in part)
    with pytest.raises(InputError, match="number of sessions, 6"):
        speaker_folds(corpus.speakers, 12)
    with pytest.raises(InputError, match="recorded in pairs that must stay together; say --folds 6"):
        partitions_of(corpus, attribute_targets(corpus), folds=0)


def test_a_published_partition_divides_sessions(tmp_path):
    path = table(tmp_path, rows_of_all())
    partition, labels = read_partition_file(path, read_mspimprov(tmp_path))
    assert partition.test == ("F06", "M06") and partition.dev == ("F05", "M05") and len(partition.train) == 8
    assert list(labels) == ["valence", "arousal", "dominance"] and len(labels) == 12
    rows = rows_of_all()
    rows[0]["Split_Set"] = "Test"
    with pytest.raises(SpeakerLeak, match="F01"):
        read_partition_file(table(tmp_path, rows, name="leaky.csv"), read_mspimprov(tmp_path))
    rows = rows_of_all()
    rows[0]["SpkrID"] = 3
    with pytest.raises(InputError, match="says that 03 speaks in .*, but the corpus says 01"):
        read_partition_file(table(tmp_path, rows, name="strange.csv"), read_mspimprov(tmp_path))


def test_a_published_partition_of_ten_classes_gives_ten(tmp_path):
    (tmp_path / "Evaluation.txt").write_text(
        "".join(votes(item["FileName"][11:-4], ("Sad", "Sad")) for item in rows_of_all())
    )
    shares = {name: 0.9 * (name == "fear") + 0.01 for name in TEN_CLASSES}
    path = table(tmp_path, [{**item, **shares} for item in rows_of_all()], "labels_consensus_EmoS_10class_M")
    _, labels = read_partition_file(path, read_mspimprov(tmp_path))
    assert labels.shape == (12, 10) and labels.sum()["fear"] == 12


def test_the_check_counts_clips_per_rule_for_four_and_ten_classes(tmp_path):
    entries = [
        votes(f"S01A-{speaker}-S-FM01", ("Angry", "Angry,Excited"), ("Angry", "Excited")) for speaker in SPEAKERS
    ]
    corpus = corpus_of(tmp_path, *entries, votes("S02H-F01-P-FM01", ("Other", "Bored"), letter="O"))
    report = check_corpus(corpus, [table(tmp_path, rows_of_all(), "labels_consensus_EmoP_4class_M")])
    kept = report.kept
    assert kept.loc["audiovisual majority", ["angry", "all", "dropped"]].tolist() == [12, 12, 1]
    assert kept.loc["audiovisual distributional", ["angry", "all"]].tolist() == [12, 12]
    assert kept.loc["secondary plurality", ["excited", "angry", "all"]].tolist() == [12, 0, 12]
    assert kept.loc["attributes", ["all", "dropped"]].tolist() == [13, 0]
    assert kept.loc["intended", ["angry", "happy"]].tolist() == [12, 1] and report.ok
    assert "valence arousal dominance of 13 clips" in dict(report.facts())["raters"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Short recordings under the names of MSP-IMPROV: two clips of every speaker, louder and brighter when aroused."""
    root, rng = tmp_path_factory.mktemp("improv"), np.random.default_rng(0)
    entries = []
    for speaker in SPEAKERS:
        for number, (emotion, activity) in enumerate((("A", 4.5), ("S", 1.5)), start=1):
            name = f"S0{number}{emotion}-{speaker}-S-FM0{number}"
            loud = activity / 10 * rng.normal(size=9600).clip(-2, 2)
            frames = np.full((6, 48, 48, 3), int(40 * activity), np.uint8)
            for kind in ("Audio", "Video"):
                (root / kind / f"session{speaker[2]}").mkdir(parents=True, exist_ok=True)
            write_wav(root / "Audio" / f"session{speaker[2]}" / f"MSP-IMPROV-{name}.wav", loud, 16000)
            write_video(root / "Video" / f"session{speaker[2]}" / f"MSP-IMPROV-{name}.mp4", frames, 10)
            word = {"A": "Angry", "S": "Sad"}[emotion]
            means = f"A:{6 - activity:.6f}; V:{1 + 4 * rng.random():.6f}; D:{activity:.6f} ; N:4.000000;"
            entries.append(votes(name, *[(word, word)] * 3, letter=emotion, means=means))
    (root / "Evaluation.txt").write_text("".join(entries))
    return root, root.parent / "improv-features"


def command(words, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "auxformer", *map(str, words)], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done


SMALL = {
    "model": {"width": 8, "heads": 2, "layers": 1, "aux_hidden": [8, 8]},
    "training": {"epochs": 2, "device": "cpu"},
}


def test_attributes_are_trained_and_scored_on_recordings_of_that_name(recordings, tmp_path):
    root, features = recordings
    small = tmp_path / "small.toml"
    small.write_text('[model]\nwidth = 8\nheads = 2\nlayers = 1\n[training]\nepochs = 2\ndevice = "cpu"\n')
    words = [
        "run",
        "--corpus",
        "msp-improv",
        "--root",
        root,
        "--target",
        "attributes",
        "--audio",
        "logmel",
        "--folds",
        "3",
    ]
    words += [
        "--config",
        small,
        "--data",
        features,
        "--runs",
        tmp_path / "runs",
        "--out",
        tmp_path / "out.csv",
        "--jobs",
        "1",
    ]
    done = command(words, tmp_path)
    assert "ccc-arousal" in done.stdout and "CCC" in done.stdout
    rows = pd.read_csv(tmp_path / "out.csv")
    assert set(rows.metric) == {"ccc-valence", "ccc-arousal", "ccc-dominance", "ccc"} and set(rows.target) == {
        "attributes"
    }
    assert rows.groupby("metric").condition.unique().map(set).map(len).eq(3).all()
    assert rows.value.between(-1, 1).all() and (rows[["low", "high"]].isna() | rows[["low", "high"]].abs().le(1)).all(axis=None)


def test_classes_and_attributes_are_different_tasks_with_runs_of_their_own(recordings, tmp_path):
    root, features = recordings
    settings = override(preset("default"), SMALL)
    task = Task(root, "logmel", "hog", data=features, jobs=1)
    attributes = Task(root, "logmel", "hog", "attributes", data=features, jobs=1)
    fold = task.partitions(folds=6)[:1]
    audio = {"audio-only": config_for("audio-only", settings)}
    rows = results_of(task, predictions_of(task, audio, fold, work=Work(tmp_path)))
    assert set(rows.target) == {"audiovisual"} and "macro-f1" in set(rows.metric)
    rows = results_of(attributes, predictions_of(attributes, audio, fold, work=Work(tmp_path)))
    assert set(rows.metric) >= {"ccc-valence"} and len(list(Path(tmp_path).iterdir())) == 2
    with pytest.raises(InputError, match="functionals-lr knows classes only"):
        classical = {"functionals-lr": config_for("functionals-lr", settings)}
        predictions_of(attributes, classical, fold, work=Work(tmp_path))


def test_a_trained_run_of_attributes_can_be_evaluated_again(recordings, tmp_path):
    root, features = recordings
    settings = override(preset("default"), SMALL)
    split = Task(root, "logmel", "hog", "attributes", data=features, jobs=1).split(0, folds=6)
    fit(settings, split, tmp_path / "run", progress=False)
    predictions, scores = evaluate(tmp_path / "run", jobs=1)
    assert set(predictions.speaker) == {"F01", "M01"} and predictions["true-arousal"].isin([1.5, 4.5]).all()
    assert set(scores.metric) == {"ccc-valence", "ccc-arousal", "ccc-dominance", "ccc"}
    fusion = override(settings, {"model": {"name": "decision-fusion"}})
    with pytest.raises(InputError, match="decision-fusion knows classes only"):
        fit(fusion, split, tmp_path / "other", progress=False)


def test_the_command_line_checks_a_folder_of_that_name(recordings, tmp_path):
    report = command(["corpus", "check", recordings[0]], tmp_path).stdout
    assert "msp-improv" in report and "24 with voice and face" in report
    for line in ("audiovisual majority", "secondary plurality", "secondary-four distributional", "attributes"):
        assert line in report
