"""`--set section.key=value`, and the names that the authors' script and our earlier versions gave to options."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import NoneType

import typer

from auxformer.errors import InputError, suggest
from auxformer.files import read_toml

AUTHORS = {
    "attn-dropout": "model.attn_dropout", "relu-dropout": "model.relu_dropout", "res-dropout": "model.res_dropout",
    "embed-dropout": "model.embed_dropout", "out-dropout": "model.out_dropout", "layers": "model.layers",
    "heads": "model.heads", "num-heads": "model.heads", "attn-mask": "model.attn_mask",
    "batch-size": "training.batch_size", "clip": "training.clip", "lr": "training.learning_rate",
    "optim": "training.optimizer", "epochs": "training.epochs", "num-epochs": "training.epochs",
    "decay": "training.decay", "device": "training.device", "seed": "training.seed",
}  # fmt: skip
"""Arguments of the authors' script -> our setting. They work as options, with - or _ between words."""

MOVED = {
    "published": "--official",
    "accumulate": "--set training.accumulate=...",
    "precision": "--set training.precision=...",
}
"""Options that are gone -> what to say instead. This table goes in 0.3."""

EPILOG = (
    "The authors' arguments are short for --set and take - or _: "
    + ", ".join(f"--{name}" for name in AUTHORS)
    + ". For example --layers 3 is --set model.layers=3."
)


class SettingsCommand(typer.core.TyperCommand):
    """A command with `--set`, which also takes the authors' arguments, and names what became of removed options."""

    def parse_args(self, ctx, args):
        options = {name for item in self.get_params(ctx) for name in (*item.opts, *item.secondary_opts)}
        authors = AUTHORS if "--set" in options else {}
        words = in_our_words(args, authors)
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            if option not in options and option != "--":
                known = [*options, *(f"--{name}" for name in authors)]
                raise InputError(f"there is no option {option}.{suggest(option, known)}")
        return super().parse_args(ctx, words)


def in_our_words(words: Sequence[str], authors: dict[str, str] = AUTHORS) -> list[str]:
    """The words of a command line with the authors' arguments written out as settings.

    >>> in_our_words(["--layers", "3", "--batch_size=8", "--attn-mask", "--name", "mine"])
    ['--set', 'model.layers=3', '--set', 'training.batch_size=8', '--set', 'model.attn_mask=true', '--name', 'mine']

    Raises:
        InputError: an option that is gone, with its new name; an argument without its value.
    """
    written, rest = [], iter(words)
    for word in rest:
        name, sign, value = word.partition("=")
        name = name.removeprefix("--").replace("_", "-") if name.startswith("--") else ""
        if name in MOVED:
            raise InputError(f"--{name} is now {MOVED[name]} (the old name goes in 0.3).")
        if name == "no-attn-mask" and not sign:
            name, sign, value = "attn-mask", "=", "false"
        if name not in authors:
            written.append(word)
            continue
        if not sign:
            value = "true" if name == "attn-mask" else next(rest, None)
            if value is None:
                raise InputError(f"--{name}: its value is missing, such as --{name} 3.")
        written += ["--set", f"{authors[name]}={value}"]
    return written


def read_settings(preset_name: str, file: Path | None = None, pairs: Sequence[str] = (), training: dict | None = None):
    """The `Config` of a preset, a TOML file over it, `section.key=value` pairs over both, and `training` over all.

    Raises:
        InputError: an unknown preset, section or key, with the nearest one; a value of the wrong type; a bad file.
    """
    from auxformer.config import override, preset

    settings = preset(preset_name)
    known = asdict(settings)
    changes = _read_file(file) if file else {}  # all in one, for width and heads, say, are checked together
    for section, values in (*(_setting(pair, known) for pair in pairs), ("training", training or {})):
        before = changes.get(section)
        if not values:
            continue
        if not isinstance(before, (dict, NoneType)):
            break  # a section that is none, as `override` will say
        changes[section] = {**(before or {}), **values}
    return override(settings, changes)


def _read_file(file: Path) -> dict:
    values = read_toml(file)
    if "data" in values:
        raise InputError(f"{file}: [data] says what is learned; that is now --target, --rule and --classes.")
    return values


def _setting(pair: str, known: dict) -> tuple[str, dict]:
    """("model", {"layers": 3}) of "model.layers=3"."""
    name, sign, text = pair.partition("=")
    section, _, key = name.strip().partition(".")
    names = [f"{section}.{key}" for section, values in known.items() for key in values]
    if not sign:
        raise InputError(f'--set {pair}: expected SECTION.KEY=VALUE, such as "model.layers=3".')
    if f"{section}.{key}" not in names:
        by_key = {full.partition(".")[2]: full for full in names}
        near = suggest(name, names) if key or name not in by_key else f' Did you mean "{by_key[name]}"?'
        raise InputError(f'--set {pair}: unknown setting "{name}".{near}')
    value = parse_value(text)
    if isinstance(known[section][key], str) and not isinstance(value, str):
        value = text  # a label that looks like a number
    return section, {key: value}


def parse_pairs(pairs: Sequence[str], option: str) -> dict:
    """{"epochs": 4} of ["epochs=4"]. `option` is what the message about a pair without "=" calls it."""
    values = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise InputError(f'{option} {pair}: expected NAME=VALUE, such as "epochs=4".')
        values[name] = parse_value(text)
    return values


def parse_value(text: str):
    """The value as TOML reads it, else the text itself.

    >>> parse_value("3"), parse_value("[128, 64]"), parse_value("adam"), parse_value(".5")
    (3, [128, 64], 'adam', 0.5)
    """
    written = f"0{text}" if text.startswith(".") else text  # TOML wants a digit before the point
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return text
