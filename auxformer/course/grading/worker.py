"""A clean process that tries one function after another, each in a copy of itself that is thrown away.

PyTorch, NumPy and the checks are loaded once; where the system can fork, a trial then starts in milliseconds. A trial has
limits on time and memory, a temporary folder, and no standing permission to write files, open connections or start programs.
These keep honest mistakes from doing harm. They are no prison for somebody who means to break out: grade the work of people
you do not know in a virtual machine.

`Worker` is the caller's side, `python -m auxformer.course.grading.worker` the process.
"""

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Self

PATIENCE = 6
"""Seconds by the clock for each second of the processor's time that an answer may take: a busy machine is no endless loop."""
MEMORY = 1 << 30  # bytes beyond what the libraries take
LARGEST_FILE = 1 << 20
WRITING = {
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.utime",
}
REFUSED = WRITING | {
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.kill", "os.killpg", "os.putenv", "os.unsetenv",
    "subprocess.Popen", "socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "ctypes.dlopen", "signal.pthread_kill",
}  # fmt: skip
"""Events of Python's own audit that a trial may not raise."""


@dataclass(frozen=True)
class Verdict:
    """What a trial came to: `state` is passed, failed, too long or crashed; `stage` the stage that a failed one did not pass."""

    state: str
    stage: str = ""
    message: str = ""
    seconds: float = 0.0


class Worker:
    """A clean process. Use it in a `with`; `tell` it a job, it answers with a verdict."""

    def __init__(self, seconds: float):
        self.seconds, self._process = seconds, None
        self._folder = tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(10)
            self._process.stdout.close()
        self._folder.cleanup()

    def judge(self, lesson: int, exercise: str, name: str, parts: list) -> Verdict:
        """Try a function.

        Args:
            lesson, exercise: Whose check is asked.
            name: What the function is called.
            parts: (file name to show, source, line of the statement) of everything to run first, in this order.
        """
        job = {"lesson": lesson, "exercise": exercise, "name": name, "parts": parts, "seconds": self.seconds}
        process = self._started()
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            self._process = None
            return Verdict("crashed", message="the process that tries answers ended with it")
        return Verdict(**json.loads(answer))

    def _started(self) -> subprocess.Popen:
        if self._process is None:
            kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "COVERAGE_PROCESS_START")
            environment = {name: os.environ[name] for name in kept if name in os.environ}
            folder = self._folder.name
            for name in ("HOME", "TMPDIR", "TEMP", "TMP", "AUXFORMER_DATA", "MPLCONFIGDIR"):
                environment[name] = folder
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                environment[name] = "1"
            environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, encoding="utf-8", cwd=folder, env=environment,
            )  # fmt: skip
        return self._process


def serve() -> None:
    """Read jobs from standard input, a line each, and answer each by a line."""
    can_fork = hasattr(os, "fork")
    if can_fork:
        _load()
    for line in sys.stdin:
        job = json.loads(line)
        verdict = _in_a_copy(job) if can_fork else _in_a_new_process(job)
        print(json.dumps(verdict), flush=True)


def _load() -> None:
    """Everything that checks use, so that the copies have it."""
    import importlib

    import pandas  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch

    import auxformer as af

    torch.set_num_threads(1)
    for number in range(8):
        importlib.import_module(f"auxformer.course.checks.lesson{number}")
    for name in ("Batch", "Logits", "Config", "score"):
        getattr(af, name)


def _in_a_copy(job: dict) -> dict:
    reading, writing = os.pipe()
    started, child = time.monotonic(), os.fork()
    deadline = started + PATIENCE * job["seconds"]
    if child == 0:
        os.close(reading)
        _try_and_tell(job, writing)
    os.close(writing)
    try:
        text = _line_of(reading, deadline)
    finally:
        os.close(reading)
        signal_number = _end(child)
    if text is None or signal_number == signal.SIGXCPU:
        verdict = {"state": "too long", "message": "did not come to an end in time"}
    elif not text:
        verdict = {"state": "crashed", "message": "ended the process it ran in"}
    else:
        verdict = json.loads(text)
    return verdict | {"seconds": round(time.monotonic() - started, 3)}


def _try_and_tell(job: dict, pipe: int) -> None:
    """In the copy: never comes back."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        _limit(job["seconds"])
        verdict = try_answer(job)
        os.write(pipe, json.dumps(verdict).encode() + b"\n")
    finally:
        os._exit(0)


def _limit(seconds: float) -> None:
    import resource

    limits = {"CPU": math.ceil(seconds), "FSIZE": LARGEST_FILE, "CORE": 0}
    if sys.platform == "linux":  # elsewhere the limit is not kept, or counts what is shared
        with open("/proc/self/statm", encoding="ascii") as file:
            limits["AS"] = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        spare = 1 if name == "CPU" else 0  # at the lower limit comes SIGXCPU, by which an endless answer is known
        resource.setrlimit(kind, (value, value + spare))


def _line_of(pipe: int, deadline: float) -> bytes | None:
    """The line that a copy writes, b"" when it ended without one, None when it is still running at the deadline."""
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return b""
        text += piece
    return text


def _end(child: int) -> int:
    """End a copy and whatever it started; returns the signal that ended it, 0 where it went by itself."""
    done, status = os.waitpid(child, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    if not done:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _in_a_new_process(job: dict) -> dict:
    """Where nothing can be forked: slower by the seconds that PyTorch takes to load."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, "--one"], input=json.dumps(job), capture_output=True, text=True,
            timeout=PATIENCE * job["seconds"] + 30, check=False,
        )  # fmt: skip
        verdict = (
            json.loads(done.stdout.splitlines()[-1])
            if done.stdout.strip()
            else {"state": "crashed", "message": "ended"}
        )
    except subprocess.TimeoutExpired:
        verdict = {"state": "too long", "message": "did not come to an end"}
    return verdict | {"seconds": round(time.monotonic() - started, 3)}


def try_answer(job: dict) -> dict:
    """Run the parts of a job, then the check of its exercise; returns state, stage and message."""
    import importlib

    from auxformer.course.checks import CheckFailed

    check = getattr(importlib.import_module(f"auxformer.course.checks.lesson{job['lesson']}"), job["exercise"])
    space: dict = {"__name__": "notebook"}
    try:
        for file, source, line in job["parts"]:
            _run(file, source, line, space, ours=file == "imports of the lesson")
        check(space[job["name"]])
    except CheckFailed as error:
        return {"state": "failed", "stage": error.stage, "message": str(error)[:2000]}
    except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a cell raises is a line in the table
        return {"state": "failed", "stage": "shape", "message": f"stops with {type(error).__name__}: {error}"[:2000]}
    return {"state": "passed"}


def _run(file: str, source: str, line: int, space: dict, ours: bool) -> None:
    """Run one statement of a cell, under its own line numbers, so that a message can show the line."""
    import ast
    import linecache

    if not ours:
        _forbid()
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    (statement,) = [part for part in ast.parse(source).body if part.lineno == line][:1]
    exec(compile(ast.Module([statement], []), file, "exec"), space)  # noqa: S102 in a process of its own


_forbidden = False


def _forbid() -> None:
    """From now on what an answer does not need raises `PermissionError`; there is no way back, but the process ends soon."""
    global _forbidden
    if not _forbidden:
        _forbidden = True
        sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple) -> None:
    if event in REFUSED:
        raise PermissionError(f"{event} is not allowed while grading")
    if event == "open" and len(arguments) > 2:
        mode, flags = arguments[1], arguments[2]
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            raise PermissionError("writing a file is not allowed while grading")


if __name__ == "__main__":
    if sys.argv[1:] == ["--one"]:
        _job = json.loads(sys.stdin.read())
        sys.stdout.flush()
        _verdict = try_answer(_job)
        print("\n" + json.dumps(_verdict), flush=True)
    else:
        serve()
