"""Files that appear whole or not at all, and what is said where they cannot."""

import errno
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from auxformer import files
from auxformer.errors import InputError
from auxformer.features.store import Source


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, r"No space left on device\); make room on the disk"),
        (errno.EROFS, r"Read-only file system\); choose a folder that can be written"),
        (errno.EACCES, r"Permission denied\); check its permissions"),
        (errno.EPERM, r"Operation not permitted\); check its permissions"),
        (errno.EIO, r"Input/output error\); check the disk"),
    ],
)
@pytest.mark.parametrize("library", [False, True])
def test_what_the_system_refuses_is_a_sentence_and_leaves_the_old_file(tmp_path, number, words, library):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(InputError, match=f"a.txt: cannot be written .{words}"), files.whole_file(path) as part:
        part.write_text("half")
        raise (
            SafetensorError(f"I/O error: {os.strerror(number)} (os error {number})")
            if library
            else OSError(number, os.strerror(number))
        )
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_sentence_survives_where_even_the_clearing_up_is_refused(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.Path, "unlink", refused)
    with pytest.raises(InputError, match="choose a folder that can be written"), files.whole_file(tmp_path / "a"):
        raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_that_is_missing_or_in_the_way_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for name, words in (
        ("none/a", "make its folder first"),
        ("file/a", "a file lies where"),
        ("folder", "a folder of this"),
    ):
        with pytest.raises(InputError, match=f"{name}: cannot be written .*{words}"):
            files.write_text(tmp_path / name, "text")
    missing = pytest.raises(InputError, match="none/a: cannot be written .*make its folder first")
    with missing, files.whole_file(tmp_path / "none" / "a") as part:
        save_file({"a": np.zeros(3)}, part)
    with pytest.raises(InputError, match="file: cannot be written"), files.locked(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match="cannot be made"):
        files.make_folder(tmp_path / "file" / "folder")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_two_writers_of_one_process_do_not_share_a_part(tmp_path):
    """Nor two machines whose processes have the same number."""
    with files.whole_file(tmp_path / "a") as first:
        first.write_text("first")
        with files.whole_file(tmp_path / "a") as second:
            assert first != second
            second.write_text("second")
        assert (tmp_path / "a").read_text() == "second"
    assert (tmp_path / "a").read_text() == "first" and os.listdir(tmp_path) == ["a"]


def test_other_errors_pass_and_leave_nothing(tmp_path):
    for error in (InputError("b: is damaged (os error 5)"), RuntimeError("cuda"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, files.whole_file(tmp_path / "a") as part:
            part.write_text("half")
            raise error
        assert caught.value is error and not os.listdir(tmp_path)


def test_text_is_utf_8_with_plain_line_ends(tmp_path):
    files.write_text(tmp_path / "a.txt", "Müller\n— 怒り\n")
    assert (tmp_path / "a.txt").read_bytes() == "Müller\n— 怒り\n".encode()


def test_a_fingerprint_changes_with_the_content_only(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"content")
    second.write_bytes(b"content")
    assert files.fingerprint_of_file(first) == files.fingerprint_of_file(second) == Source.of(first).hash
    assert files.fingerprint_of_file(first) == "b14a99127497aba3", "stores already written hold such"
    second.write_bytes(b"contenu")
    assert files.fingerprint_of_file(first) != files.fingerprint_of_file(second)
    assert not files.is_lfs_pointer(first)
    first.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert files.is_lfs_pointer(first)


@pytest.mark.parametrize(("in_a_notebook", "said"), [(False, "wait for it\n"), (True, "")])
def test_who_waits_is_told_but_no_output_of_a_lesson_depends_on_it(tmp_path, capsys, monkeypatch, in_a_notebook, said):
    """Two lessons train the same run at the same time; the outputs of both are compared."""
    hold = "import sys, time; from auxformer.files import locked\nwith locked(sys.argv[1]): print(flush=True); time.sleep(0.5)"
    other = subprocess.Popen([sys.executable, "-c", hold, tmp_path], stdout=subprocess.PIPE)
    other.stdout.readline()
    if in_a_notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    else:
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    with files.locked(tmp_path, "wait for it"):
        assert capsys.readouterr().out == said
    assert other.wait() == 0
