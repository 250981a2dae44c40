"""Benchmarks as files: a TOML file says corpus, systems and conditions (`suites/`); `bench` runs one."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from auxformer.config import Config, config_for, override, preset
from auxformer.corpora import read_corpus
from auxformer.corpora.partitions import Partition
from auxformer.corpora.registry import make_corpus
from auxformer.corruption import CONDITIONS as MEDIA_CONDITIONS
from auxformer.corruption import parse_condition
from auxformer.data.missing import GROUPS, PROTOCOL, conditions_of
from auxformer.data.task import Task
from auxformer.errors import InputError, check_name, suggest

FOLDER = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Suite:
    """A benchmark: what is read from a TOML file.

    Attributes:
        name: Of the file.
        what: One line about it.
        systems: Models and references by name; "mult@mult-published" is a model with the settings of another preset.
        corpus: name, audio, video (extractors); root (folder; puppets are generated when it is absent), binding (share of
            puppet clips out of step).
        task: target, rule, classes, as `Task` takes them.
        protocol: partitions (number of 70/15/15 partitions) or folds (by speaker) or official (the authors' files); seeds
            (number); conditions: names, or the groups of `data.missing.GROUPS`; tests (conditions of the paired tests).
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
        "corpus": ("name", "root", "audio", "video", "binding"),
        "task": ("target", "rule", "classes"),
        "protocol": ("partitions", "folds", "official", "seeds", "conditions", "tests"),
        "settings": ("preset", "change"),
    }

    def __post_init__(self):
        check_name("a suite's name", self.name)
        for section, known in self._KEYS.items():
            _check_keys(f"{self.name}: {section}.", getattr(self, section), known)
        for label, values in self.variant.items():
            _check_keys(f"{self.name}: variant.{label}.", values, ("model", "preset", "change"))
        if not self.systems and not self.variant:
            raise InputError(f"{self.name}: names no systems.")

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
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path}: not a readable suite ({error}).") from error
        _check_keys(f"{path}: ", values, tuple(item.name for item in fields(cls)))
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

    def conditions(self) -> list[str]:
        """Names of the conditions, "complete" first, groups written out.

        Raises:
            InputError: for one that does not exist.
        """
        names = ["complete", *self.protocol.get("conditions", ["basic"])]
        media = [name for name in names if name not in PROTOCOL and name not in GROUPS]
        for name in media:
            try:
                parse_condition(name)
            except InputError as error:
                known = [*PROTOCOL, *GROUPS, *MEDIA_CONDITIONS]
                raise InputError(f"{self.name}: {error}{suggest(name, known)}") from error
        return conditions_of(names, media)

    def configs(self) -> dict[str, Config]:
        """Label -> settings of every system."""
        base = override(preset(self.settings.get("preset", "default")), self.settings.get("change", {}))
        found = {name: config_for(name, base) for name in self.systems}
        for label, values in self.variant.items():
            own = preset(values["preset"]) if "preset" in values else base
            found[label] = override(config_for(values.get("model", "auxformer"), own), values.get("change", {}))
        return found

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
        if protocol.get("official"):
            return task.official(protocol["official"])
        return task, task.partitions(protocol.get("partitions", 1), protocol.get("folds") or 0)


def _check_keys(where: str, values: dict, known: Sequence[str]) -> None:
    for key in values:
        if key not in known:
            raise InputError(f"{where}{key}: unknown key.{suggest(key, known)}")


def list_suites() -> dict[str, str]:
    """Name -> one line, of the suites of the package."""
    return {path.stem: tomllib.loads(path.read_text("utf-8"))["what"] for path in sorted(FOLDER.glob("*.toml"))}
