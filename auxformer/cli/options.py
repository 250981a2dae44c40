"""Options that several commands share.

A group of options is a dataclass whose fields are what Typer reads; `@with_options(Group)` puts them among the options of a
command, which gets them as one object.
"""

import functools
import inspect
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from auxformer.cli.settings import read_settings
from auxformer.errors import InputError

_task = functools.partial(Option, rich_help_panel="Task")
_settings = functools.partial(Option, rich_help_panel="Settings")
_work = functools.partial(Option, rich_help_panel="Work")

Audio = Annotated[str, _task(help="lld, logmel, voice, wav2vec2:MODEL, arrays:PATH@RATE or table:FILE.csv; lld+voice joins.")]
Video = Annotated[
    str,
    _task(
        help="hog, blendshapes, vggface:FILE, emoca:FOLDER, hf-vision:MODEL, openface:FOLDER, arrays:PATH@RATE or "
        "table:FILE.csv; hog+blendshapes joins."
    ),
]
Corpus = Annotated[str, Option(help='Name of the corpus, or "auto".')]
Data = Annotated[Path, _work(help="Folder under which feature stores lie.")]
Jobs = Annotated[int, _work(min=1, help="Processes.")]
OnError = Annotated[str, _task(help='A clip that cannot be read: "skip" it and count, or "stop".')]
Official = Annotated[Path | None, _task(help="The authors' partition file(s); their labels are used.")]
Root = Annotated[Path, Argument(help="Folder of the corpus.")]
Scheduler = Annotated[str | None, _work(help="Address of a Dask cluster; it needs the same files and paths.")]
Wide = Annotated[bool, Option("--wide", help="Every column, however wide.")]


@dataclass(frozen=True)
class TaskOptions:
    """What is learned: corpus, features, labels."""

    corpus: Annotated[str, _task(help="puppets, crema-d, ravdess or msp-improv.")] = "puppets"
    root: Annotated[Path | None, _task(help="Folder of the corpus; puppets are generated when absent.")] = None
    audio: Audio = "lld"
    video: Video = "hog"
    target: Annotated[
        str | None, _task(help="audiovisual, voice, face, intended; MSP-IMPROV: secondary, secondary-four, attributes.")
    ] = None
    rule: Annotated[str | None, _task(help="majority, plurality or distributional labels.")] = None
    classes: Annotated[str | None, _task(help='Classes to keep: "happy,sad"; "4" = angry, happy, neutral, sad.')] = None
    normalise: Annotated[str | None, _task(help='Whose clips set the scale: "train", or each "speaker" their own.')] = None
    folds: Annotated[int | None, _task(help="Speaker folds; 0 = 70/15/15 partitions.")] = None
    official: Official = None
    on_error: OnError = "skip"

    def read(self, work: "WorkOptions"):
        """The task; what features it lacks are extracted, and puppets generated."""
        from auxformer.corpora import read_corpus
        from auxformer.data.task import Task

        corpus = read_corpus(self._folder(work.jobs), self.corpus, on_error=self.on_error)
        chosen = {"target": self.target, "rule": self.rule, "classes": class_names(self.classes), "normalise": self.normalise}
        given = {key: value for key, value in chosen.items() if value}
        return Task(
            corpus, self.audio, self.video, **given, data=work.data, jobs=work.jobs, on_error=self.on_error,
            scheduler=work.scheduler,
        )  # fmt: skip

    def partitions(self, task, count: int) -> tuple:
        """The task, with the labels of the official partitions where these are asked for, and the partitions."""
        return task.official(self.official) if self.official else (task, task.partitions(count, self.folds))

    def _folder(self, jobs: int) -> Path:
        if self.root:
            return self.root
        if self.corpus != "puppets":
            raise InputError(f"--root is missing: say in which folder the recordings of {self.corpus} lie.")
        from auxformer.corpora.registry import make_corpus

        return make_corpus(self.corpus, jobs=jobs)


def class_names(text: str | None) -> tuple[str, ...]:
    """("happy", "sad") of "happy,sad"; "4" stands for the four that most corpora share."""
    text = "angry,happy,neutral,sad" if text == "4" else text or ""
    return tuple(word.strip() for word in text.split(",") if word.strip())


@dataclass(frozen=True)
class SettingsOptions:
    """The network and its training: a preset, a file over it, single settings over both."""

    preset: Annotated[str, _settings(help="default, quick, small-corpus, paper, release ...")] = "default"
    config: Annotated[Path | None, _settings(help="TOML file of settings that differ from the preset.")] = None
    set: Annotated[
        list[str] | None,
        _settings(help="One setting, such as model.layers=3; may be given again.", metavar="SECTION.KEY=VALUE"),
    ] = None

    def read(self, **training):
        """The `Config`; `training` are settings that the command has options of its own for."""
        return read_settings(self.preset, self.config, self.set or (), training)


@dataclass(frozen=True)
class WorkOptions:
    """Where things lie and who does the work."""

    data: Data = Path("data/features")
    runs: Annotated[Path, _work(help="Folder of the runs.")] = Path("runs")
    jobs: Jobs = 2
    scheduler: Scheduler = None
    fresh: Annotated[
        bool, Option("--fresh", help="Discard finished runs of the same name and train again.", rich_help_panel="Work")
    ] = False

    def work(self, plugins: tuple[Path, ...] = ()):
        """The same as the benchmark takes it."""
        from auxformer.benchmark.run import Work

        return Work(self.runs, self.jobs, self.scheduler, plugins, self.fresh)


def with_options(*groups: type):
    """Decorator: the command's first parameters, one per group, are filled from the options of these groups."""

    def decorate(function):
        own = list(inspect.signature(function).parameters.values())[len(groups) :]
        shared = [
            inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=item.type)
            for group in groups
            for item in fields(group)
        ]

        @functools.wraps(function)
        def command(**given):
            filled = [group(**{item.name: given.pop(item.name) for item in fields(group)}) for group in groups]
            return function(*filled, **given)

        # Typer reads a command's options from its signature: here the shared ones, then its own.
        own = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own]
        command.__signature__ = inspect.Signature([*own, *shared])
        command.__annotations__ = {item.name: item.annotation for item in [*own, *shared]}
        return command

    return decorate
