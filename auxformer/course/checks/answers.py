"""A learner's function, called with care: what it edits is put right again, where it stops is told from its own lines."""

import ast
import inspect
import linecache
import textwrap
import traceback
from collections.abc import Callable
from functools import wraps

import numpy as np


class AnswerStopped(Exception):
    """A learner's function raised; `unfinished` when it is still the stub."""

    def __init__(self, error: Exception, answer: Callable):
        self.unfinished = isinstance(error, NotImplementedError) and str(error) in ("", "your turn")
        super().__init__(f"your code stopped with {type(error).__name__}: {error}{_stopped_line(error, answer)}")


def guarded(answer: Callable, failure: type[Exception]) -> Callable:
    """`answer`, but an array that it edits in place is put right again (others use it too) and named in a `failure`.

    Raises:
        AnswerStopped: the answer raised, whatever it raised.
    """

    @wraps(answer)
    def careful(*arguments, **named):
        given = _by_name(answer, arguments, named, failure)
        arrays = [(name, array, array.copy()) for name, value in given.items() for array in _arrays_in(value)]
        edited = None
        try:
            result = answer(*arguments, **named)
        except failure:  # from something the check handed over, such as a function to ask
            raise
        except (Exception, SystemExit) as error:
            raise AnswerStopped(error, answer) from error
        finally:
            for name, array, before in arrays:
                if not np.array_equal(array, before):
                    edited, array[...] = name, before
        if edited is not None:
            raise failure(f"`{edited}` was edited in place; the caller still needs it, so work on a copy.")
        return result

    return careful


def own_line(answer: Callable) -> str:
    """The line of the learner's function that made what it returned, with its number in the cell; "" where none can be read.

    >>> own_line(len)
    ''
    """
    try:
        lines, first = inspect.getsourcelines(answer)
        (function,) = ast.parse(textwrap.dedent("".join(lines))).body
        last = _last_return(function)
    except (OSError, TypeError, ValueError, SyntaxError):  # a lambda inside a line, a function of C
        return ""
    return f"\n  your line {max(first, 1) + last - 1}: {lines[last - 1].strip()}" if last else ""


def _last_return(function) -> int:
    """Line of the last `return`; where it only names a variable, of the last line that gave it a value."""
    own = [node for statement in getattr(function, "body", []) for node in _walk_own(statement)]
    returns = [node for node in own if isinstance(node, ast.Return)]
    if not returns:
        return 0
    value, line = returns[-1].value, returns[-1].lineno
    if isinstance(value, ast.Name):
        made = [
            node.lineno for node in own if isinstance(node, (ast.Assign, ast.AugAssign)) and value.id in _targets(node)
        ]
        line = max([place for place in made if place <= line], default=line)
    return line


def _walk_own(node):
    """A statement and what is in it, but not what stands in a function inside."""
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _walk_own(child)


def _targets(node) -> set[str]:
    """Names that an assignment gives a value, or an entry a value."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def _stopped_line(error: Exception, answer: Callable) -> str:
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    numbers = [number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    text = linecache.getline(file, numbers[-1]).strip() if file and numbers else ""
    return f"\n  your line {numbers[-1]}: {text}" if text else ""


def _by_name(answer: Callable, arguments: tuple, named: dict, failure: type[Exception]) -> dict:
    try:
        return inspect.signature(answer).bind(*arguments, **named).arguments
    except ValueError:  # a function of C has no signature
        return {f"argument {number}": value for number, value in enumerate(arguments, start=1)} | named
    except TypeError as error:
        raise failure(f"the check calls it with the arguments of the exercise's first line, but: {error}.") from error


def _arrays_in(value) -> list[np.ndarray]:
    """The arrays of an argument, tensors as arrays over the same memory: itself, or those of a tuple or list."""
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in _arrays_in(part)]
    value = value.detach().numpy() if hasattr(value, "detach") else value
    return [value] if isinstance(value, np.ndarray) else []
