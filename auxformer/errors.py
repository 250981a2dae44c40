"""The two ways in which things go wrong for a user, as exceptions that carry one sentence."""

import difflib
import numbers
import re


class InputError(ValueError):
    """A file, table or option is not what it should be.

    The message names the thing, what is wrong with it, what was expected and what to do. The command line prints it
    without a traceback and exits with 2.
    """


class MediaError(InputError):
    """A media file cannot be decoded; extraction may skip the clip and count it."""


class TrainingError(RuntimeError):
    """Training cannot go on (a loss that is not a number, say); the message names the step and the clips."""


def suggest(name: str, known) -> str:
    """' Did you mean "x"?' when one of the known names is near, else the list of known names."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f' Did you mean "{near[0]}"?' if near else f" Known: {', '.join(sorted(known))}."


def check_choice(name: str, value, allowed) -> None:
    """Raise InputError unless `value` is one of `allowed`."""
    if value not in allowed:
        raise InputError(f'{name} is "{value}", expected one of {", ".join(map(str, allowed))}.')


def check_range(name: str, value, low, high) -> None:
    """Raise InputError unless `value` is a number and low <= value <= high."""
    if not isinstance(value, numbers.Real) or not low <= value <= high:
        raise InputError(f"{name} is {value}, expected a number from {low} to {high}.")


def check_name(what: str, name: str) -> None:
    """Raise InputError unless `name` can name a file or folder: letters, digits, spaces and _.@+-, no dot at its beginning."""
    if not re.fullmatch(r"[\w@+-][\w.@+ -]*", name):
        raise InputError(f'{what} is "{name}", expected letters, digits, spaces and _.@+-, and no dot at its beginning.')
