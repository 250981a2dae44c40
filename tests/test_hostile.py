"""Files of somebody else's that are broken, odd or meant to harm: each gets its sentence, none a traceback or a hang."""

import errno
import json
import os
import shutil
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from auxformer import files, media
from auxformer.benchmark.run import evaluate
from auxformer.benchmark.runs import list_runs
from auxformer.benchmark.suite import Suite
from auxformer.cli import app, main
from auxformer.config import override, preset
from auxformer.data.task import Task
from auxformer.errors import InputError, MediaError
from auxformer.features.store import find_stores
from auxformer.files import is_lfs_pointer
from auxformer.models.authors import convert, parity
from auxformer.training.fit import fit
from auxformer.training.run import load

SMALL = override(
    preset("quick"), {"training": {"epochs": 1, "device": "cpu"}, "model": {"width": 8, "heads": 2, "layers": 1}}
)
VECTORS = Path(__file__).parent / "parity" / "full_paper.safetensors"


@pytest.mark.parametrize("tensor", ["audio", "full.logits_av", "loss"])
def test_parity_vectors_that_are_no_numbers_prove_nothing(tmp_path, tensor):
    tensors = load_file(VECTORS)
    tensors[tensor] = torch.full_like(tensors[tensor], torch.nan)
    save_file(tensors, tmp_path / "nan.safetensors", _metadata())
    with pytest.raises(InputError, match=f"{tensor} holds values that are not finite real numbers"):
        parity(tmp_path / "nan.safetensors")
    assert CliRunner().invoke(app, ["parity", str(tmp_path / "nan.safetensors")]).exit_code != 0


@pytest.mark.parametrize("change", [lambda t: t * torch.inf, lambda t: t.to(torch.complex64)], ids=["infinite", "complex"])
def test_weights_that_are_no_real_numbers_are_not_converted(tmp_path, change):
    weights = {name: value for name, value in load_file(VECTORS).items() if name.startswith("weights.")}
    weights = {name.removeprefix("weights."): value for name, value in weights.items()}
    name = next(name for name, value in weights.items() if value.is_floating_point())
    torch.save({**weights, name: change(weights[name])}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match="not finite real numbers"):
        convert(tmp_path / "weights.pt", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def _metadata() -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(VECTORS, "pt") as file:
        return file.metadata()


@pytest.mark.parametrize("channels", [0, 9, 65535])
def test_a_sound_with_too_many_channels_is_a_sentence(tmp_path, channels):
    path = tmp_path / "many.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((9, 2, 16000, 0, "NONE", "NONE"))
        file.writeframes(np.zeros(9 * 1600, np.int16).tobytes())
    content = bytearray(path.read_bytes())
    content[22:24] = channels.to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(MediaError, match="many.wav: "):
        media.read_audio(path)


def test_a_pipe_in_place_of_a_recording_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert not is_lfs_pointer(tmp_path / "pipe.wav")
    with pytest.raises(MediaError, match="no plain file"):
        media.read_audio(tmp_path / "pipe.wav")
    (tmp_path / "a.wav").symlink_to(tmp_path / "b.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    with pytest.raises(MediaError, match="there is no such file"):
        media.read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["../../escape", "a/b", "", ".hidden", "x\ny"])
def test_names_stay_in_their_folder(name):
    with pytest.raises(InputError, match="expected letters, digits"):
        Suite(name, systems=["auxformer"])
    if name:
        result = CliRunner().invoke(app, ["train", "--name", name])
        assert result.exit_code != 0 and "expected letters, digits" in str(result.exception or result.output)


def test_damaged_runs_do_not_hide_the_others(tmp_path):
    for name, content in (("half", '{"score": '), ("empty", ""), ("list", "[1]")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.toml").write_text("[model]\n" if name != "empty" else "")
        (folder / "run.json").write_text(content)
        (folder / "finished.json").write_text(content)
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "config.toml").write_text("[model\n")
    result = CliRunner().invoke(app, ["runs", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert all(name in result.output for name in ("half", "empty", "list", "settings"))


@pytest.fixture(scope="module")
def finished(tiny_puppets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    fit(SMALL, Task(tiny_puppets[0], data=tiny_puppets[1]).split(0), folder, progress=False)
    return folder


def edits_of(content: dict):
    """The content with each value in turn gone or of another kind, two levels down."""
    for key in content:
        for other in ("gone", None, 3, "x", [], {}, [{}]):
            rest = {name: value for name, value in content.items() if name != key}
            yield f"{key}: {other}", rest if other == "gone" else {**rest, key: other}
        if isinstance(content[key], dict):
            for name, inner in edits_of(content[key]):
                yield f"{key}.{name}", {**content, key: inner}


@pytest.mark.parametrize("section", ["format classes clips limit", "partition", "task", "features", "made_by versions"])
def test_a_run_folder_of_somebody_elses_is_read_or_refused_in_a_sentence(finished, section, tmp_path, monkeypatch):
    def elsewhere(*_):
        raise InputError("other features than those of the fixture; taking them is tested with the extractors")

    monkeypatch.chdir(tmp_path)  # a folder of features may be named "x"
    monkeypatch.setattr("auxformer.features.extract._fill", elsewhere)
    whole = json.loads((finished / "run.json").read_text())
    try:
        for name, content in edits_of(whole):
            if name.split(":")[0].split(".")[0] not in section.split():
                continue
            if name.startswith("made_by.libraries.") and not name.startswith("made_by.libraries.torch"):
                continue  # one library stands for all of them
            (finished / "run.json").write_text(json.dumps(content))
            assert len(list_runs(finished.parent)) == 1, name
            for read in (load, lambda folder: evaluate(folder, ["complete"], 1)):
                try:
                    read(finished)
                except InputError:
                    break  # what cannot be read cannot be evaluated either: that is how it begins
                except Exception as error:
                    pytest.fail(f"{name}: {error!r}")
    finally:
        (finished / "run.json").write_text(json.dumps(whole))


SUITE = """
systems = ["duration-only", "ideal-observer"]
[protocol]
conditions = ["basic"]
"""


def commands(root, few, data, finished, folder) -> dict[str, list]:
    """Command lines that write, by what they are called in the findings."""
    clip = sorted((root / "VideoFlash").iterdir())[0]
    (folder / "tiny.toml").write_text(SUITE)
    weights = {name: value for name, value in load_file(VECTORS).items() if name.startswith("weights.")}
    torch.save({name.removeprefix("weights."): value for name, value in weights.items()}, folder / "weights.pt")
    new, on = folder / "new", ["--data", data, "--jobs", "1"]
    return {
        "train": ["train", "--root", root, "--runs", new, *on, "--set", "training.epochs=1"],
        "convert": ["convert", folder / "weights.pt", new / "w.safetensors", "--heads", "2"],
        "corpus corrupt": ["corpus", "corrupt", root, new, "--condition", "audio-gaps-0.5", "--jobs", "1"],
        "corpus puppets": ["corpus", "puppets", new, "--size", "tiny", "--jobs", "1"],
        "corpus faces": ["corpus", "faces", few, "--out", new / "faces.csv", "--jobs", "1"],
        "evaluate": ["evaluate", finished, "--out", new / "scores.csv", "--jobs", "1"],
        "show": ["show", clip, "--out", new / "clip.png"],
        "bench": ["bench", folder / "tiny.toml", "--root", root, "--runs", new / "runs", "--out", new / "out", *on],
        "people": ["bench", "humans", "--root", root, "--out", new / "people.csv"],
    }


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize(
    "name",
    ["train", "convert", "corpus corrupt", "corpus puppets", "corpus faces", "evaluate", "show", "bench", "people"],
)
def test_a_full_disk_and_a_folder_that_is_read_only_are_sentences(
    tiny_puppets, few, finished, tmp_path, monkeypatch, capsys, name, number
):
    root, data = tiny_puppets
    words = list(map(str, commands(root, few, data, finished, tmp_path)[name]))
    if number == errno.ENOSPC:  # files cannot be ended
        monkeypatch.setattr(files.os, "replace", refusing(number, os.replace, lambda *_: True))
        monkeypatch.setattr(files.os, "link", refusing(number, os.link, lambda *_: True))
    else:  # folders cannot be made
        monkeypatch.setattr(os, "mkdir", refusing(number, os.mkdir, lambda path, *_: str(tmp_path / "new") in str(path)))
    monkeypatch.setattr(sys, "argv", ["auxformer", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("auxformer: ")]
    assert end.value.code == 2 and len(said) == 1 and os.strerror(number) in said[0], said
    assert not list(tmp_path.rglob("*.part"))


def refusing(number: int, call, when):
    """`call` that the system refuses when told to."""

    def refused(*arguments, **more):
        if when(*arguments):
            raise OSError(number, os.strerror(number), str(arguments[0]))
        return call(*arguments, **more)

    return refused


def test_a_store_that_cannot_be_removed_and_none_at_all_are_sentences(tiny_puppets, tmp_path, monkeypatch):
    store = find_stores(tiny_puppets[1])[0].folder
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refusing(errno.EROFS, shutil.rmtree, lambda *_: True))
        result = CliRunner().invoke(app, ["features", "rm", str(store)])
    assert isinstance(result.exception, InputError) and "Read-only" in str(result.exception)
    assert store.is_dir()
    result = CliRunner().invoke(app, ["features", "verify", "--data", str(tmp_path / "typo")])
    assert isinstance(result.exception, InputError) and "holds no feature stores" in str(result.exception)


@pytest.mark.parametrize("name", ["config.toml", "model.safetensors", "normalisers.safetensors", "metrics.jsonl", "finished.json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"[1]", b'{"score": "high"}\n{', b"training = 3"])
def test_a_damaged_file_of_a_run_is_a_sentence(finished, tmp_path, name, content):
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    list_runs(tmp_path)
    try:
        load(folder)
    except InputError:
        return
    unread = content is not None and name in ("finished.json", "metrics.jsonl")  # what these say does not enter a result
    assert unread, f"{name} was read"
