"""Benchmarks as files: a TOML file says corpus, systems and conditions (`suites/`); `bench` runs one."""

import re
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path

from auxformer.config import Config, config_for, override, preset
from auxformer.corpora import read_corpus
from auxformer.corpora.partitions import Partition
from auxformer.corpora.registry import make_corpus
from auxformer.corruption import CAUSES, streams_of
from auxformer.corruption import CONDITIONS as MEDIA_CONDITIONS
from auxformer.data.missing import CONDITIONS as BASIC
from auxformer.data.missing import GROUPS, PROTOCOL, conditions_of
from auxformer.data.task import NORMALISE, RULES, TARGETS, Task
from auxformer.errors import InputError, check_choice, check_name, check_range, suggest
from auxformer.evaluation import people
from auxformer.files import read_toml

FOLDER = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Suite:
    """A benchmark: what is read from a TOML file.

    Attributes:
        name: Of the file.
        what: One line about it.
        systems: Models and references by name; "mult@mult-published" is a model with the settings of another preset.
        corpus: name, audio, video (extractors; "" where no clip has that stream); root (folder; puppets are generated when
            it is absent), binding (share of puppet clips out of step).
        task: target, rule, classes, as `Task` takes them.
        protocol: partitions (number of 70/15/15 partitions) or folds (by speaker) or official (the authors' files, in the
            corpus' folder or elsewhere); seeds (number); conditions: names, or the groups of `data.missing.GROUPS`; tests
            (conditions of the paired tests).
        settings: preset, and under `change` the settings that differ from it.
        variant: Label -> model, preset, change: a system that differs in some settings.
    """

    name: str
    what: str = ""
    systems: Sequence[str] = ()
    corpus: dict = field(default_factory=dict)
    task: dict = field(default_factory=dict)
    protocol: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    variant: dict = field(default_factory=dict)

    _KEYS = {
        "corpus": {"name": str, "root": str, "audio": str, "video": str, "binding": float},
        "task": {"target": str, "rule": str, "classes": list, "normalise": str},
        "protocol": {"partitions": int, "folds": int, "official": str, "seeds": int, "conditions": list, "tests": list},
        "settings": {"preset": str, "change": dict},
    }
    _VARIANT = {"model": str, "preset": str, "change": dict}

    def __post_init__(self):
        _check("a suite's ", {"name": self.name, "what": self.what}, {"name": str, "what": str})
        check_name("a suite's name", self.name)
        _check(f"{self.name}: ", {"systems": self.systems, "variant": self.variant}, {"systems": list, "variant": dict})
        for section, known in self._KEYS.items():
            _check(f"{self.name}: ", {section: getattr(self, section)}, {section: dict})
            _check(f"{self.name}: {section}.", getattr(self, section), known)
        for label, values in self.variant.items():
            if not re.fullmatch(r"[^|<>`\x00-\x1f]+", label):
                raise InputError(f"{self.name}: a variant is called {label!r}, expected a name without |, <, >, ` and line breaks.")
            _check(f"{self.name}: variant.", {label: values}, {label: dict})
            _check(f"{self.name}: variant.{label}.", values, self._VARIANT)
        if taken := sorted({*self.systems, *self.variant} & set(people.SYSTEMS)):
            raise InputError(f"{self.name}: {taken[0]} is what the rows of people are called; choose another name.")
        if both := sorted(set(self.systems) & set(self.variant)):
            raise InputError(f"{self.name}: {both[0]} is a system and a variant; give one of them another name.")
        if not self.systems and not self.variant:
            raise InputError(f"{self.name}: names no systems.")
        for key, low in (("partitions", 1), ("seeds", 1), ("folds", 0)):
            check_range(f"{self.name}: protocol.{key}", self.protocol.get(key, low), low, 1000)
        for key, allowed in (("target", TARGETS), ("rule", RULES), ("normalise", NORMALISE)):
            check_choice(f"{self.name}: task.{key}", self.task.get(key, allowed[0]), allowed)
        check_range(f"{self.name}: corpus.binding", self.corpus.get("binding", 0), 0, 1)
        if self.corpus.get("audio") == self.corpus.get("video") == "":
            raise InputError(f"{self.name}: corpus.audio and corpus.video are empty; name the features of one at least.")

    @classmethod
    def load(cls, name: str | Path) -> "Suite":
        """A suite of the package by its name, or one of your own by its file.

        Raises:
            InputError: no such suite or file, or a key that means nothing, with the nearest one.
        """
        path = FOLDER / f"{name}.toml"
        if not path.is_file():
            path = Path(name)
        if path.suffix != ".toml" or not path.is_file():
            raise InputError(f'unknown suite "{name}".{suggest(str(name), list_suites())} Or give a TOML file.')
        values = read_toml(path)
        _check(f"{path}: ", values, {item.name: object for item in fields(cls)})
        return cls(**{"name": path.stem, **values})

    def only(self, systems: Sequence[str]) -> "Suite":
        """The suite with some of its systems. Raises InputError for one that is not in it."""
        unknown = sorted(set(systems) - set(self.systems) - set(self.variant))
        if unknown:
            raise InputError(f"{unknown[0]}: not in the suite {self.name}; --add puts a system beside it.")
        variant = {label: values for label, values in self.variant.items() if label in systems}
        return replace(self, systems=[name for name in self.systems if name in systems], variant=variant)

    def with_(self, add: Sequence[str] = (), **protocol) -> "Suite":
        """The suite with more systems, and with those settings of its protocol changed that are not None."""
        changes = {key: value for key, value in protocol.items() if value is not None}
        return replace(self, systems=[*self.systems, *add], protocol={**self.protocol, **changes})

    @property
    def absent(self) -> str:
        """The stream that no clip has, "audio" or "video"; "" where both are there."""
        return next((stream for stream in ("audio", "video") if self.corpus.get(stream) == ""), "")

    def conditions(self) -> list[str]:
        """Names of the conditions, "complete" first, groups written out.

        Where no clip has one of the streams, the conditions of a group that take it away are left out: they are "complete"
        under another name, or leave nothing.

        Raises:
            InputError: for one that does not exist, or that changes a stream which no clip has.
        """
        names = ["complete", *self.protocol.get("conditions", ["basic"])]
        media = [name for name in names if name not in PROTOCOL and name not in GROUPS]
        for name in media:
            try:
                streams_of(name)
            except InputError as error:
                known = [*PROTOCOL, *GROUPS, *MEDIA_CONDITIONS]
                near = get_close_matches(name, known, n=1) if name not in CAUSES else []
                hint = f' Did you mean "{near[0]}"?' if near else ""
                raise InputError(f"{self.name}: {error}{hint}") from error
        found = conditions_of(names, media)
        if not self.absent:
            return found
        other = "video" if self.absent == "audio" else "audio"
        both = [name for name in media if len(streams_of(name)) > 1]  # the other stream suffers from these all the same
        kept = [name for name in found if name == "complete" or name.startswith(f"{other}-") or name in both]
        if gone := [name for name in names if name in found and name not in kept]:
            raise InputError(f"{self.name}: {gone[0]} is about the {self.absent} stream, which no clip of it has; leave it out.")
        return kept

    def tests(self) -> list[str]:
        """Conditions of the paired tests. Raises InputError for one that the suite does not score under."""
        scored = self.conditions()
        asked = self.protocol.get("tests", [name for name in scored if name in BASIC])
        for name in asked:
            check_choice(f"{self.name}: protocol.tests", name, scored)
        return list(asked)

    def configs(self) -> dict[str, Config]:
        """Label -> settings of every system.

        Raises:
            InputError: an unknown preset or setting, or a value out of range; the message says where in the suite.
        """
        with self._said_of("settings"):
            base = override(preset(self.settings.get("preset", "default")), self.settings.get("change", {}))
        found = {}
        for name in self.systems:
            with self._said_of(name):
                found[name] = config_for(name, base)
        for label, values in self.variant.items():
            with self._said_of(f"variant.{label}"):
                own = preset(values["preset"]) if "preset" in values else base
                found[label] = override(config_for(values.get("model", "auxformer"), own), values.get("change", {}))
        return found

    @contextmanager
    def _said_of(self, part: str):
        """An InputError inside begins with the suite and the part of it that is wrong."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.name}: {part}: {error}") from error

    def prepare(self, root: Path | None, data: Path, jobs: int) -> tuple[Task, list[Partition]]:
        """Its task and its partitions; puppets are generated, features extracted, where they are not there yet.

        Args:
            root: Folder of the corpus, instead of the suite's own.
            data: Folder of the feature stores.
            jobs: Processes.
        """
        given, protocol = self.corpus, self.protocol
        name, root = given.get("name", "puppets"), root or given.get("root")
        if root is None:
            if name != "puppets":
                raise InputError(f"{self.name}: say with --root in which folder the recordings of {name} lie.")
            root = make_corpus(name, binding=given.get("binding", 0.0), jobs=jobs)
        corpus = read_corpus(root, name, on_error="skip")
        task = Task(corpus, given.get("audio", "lld"), given.get("video", "hog"), **self.task, data=data, jobs=jobs)
        if official := protocol.get("official"):
            inside = Path(corpus.root) / official
            return task.official(inside if inside.exists() else official)
        return task, task.partitions(protocol.get("partitions", 1), protocol.get("folds") or 0)


KINDS = {
    str: ("a text", str), int: ("a whole number", int), float: ("a number", (int, float)), dict: ("a section", dict),
    list: ("a list of texts", (list, tuple)), object: ("anything", object),
}  # fmt: skip
"""Type of a suite's value -> what it is called, and what may stand for it."""


def _check(where: str, values: dict, known: dict[str, type]) -> None:
    """Raise InputError for a key that is not known or whose value is of another type."""
    for key, value in values.items():
        if key not in known:
            raise InputError(f"{where}{key}: unknown key.{suggest(key, known)}")
        words, kinds = KINDS[known[key]]
        texts = known[key] is not list or (isinstance(value, kinds) and all(isinstance(item, str) for item in value))
        if not isinstance(value, kinds) or not texts or (isinstance(value, bool) and known[key] is not object):
            raise InputError(f"{where}{key} is {value!r}, expected {words}.")


def list_suites() -> dict[str, str]:
    """Name -> one line, of the suites of the package."""
    return {path.stem: read_toml(path)["what"] for path in sorted(FOLDER.glob("*.toml"))}
