"""Checks of the exercises: each goes from the shape over an isolated mechanism to the whole, and says what is likely wrong.

A check raises `CheckFailed`; a check that only prints would let a wrong notebook pass. Inputs are chosen so that a wrong
answer differs: no two sizes alike, no symmetric matrices, no weights that happen to be one.
"""

import inspect
from collections.abc import Callable
from functools import wraps

import numpy as np


class CheckFailed(AssertionError):
    """An exercise's answer is not right yet; the message says what is likely wrong."""

    def _render_traceback_(self) -> list[str]:  # IPython shows this in place of a stack of frames
        return [f"not yet: {self}"]


def run_stages(name: str, answer: Callable, **stages: Callable) -> None:
    """Run the stages of a check in order; the first that fails raises. So does an answer that edits what it is given.

    Args:
        name: Name of the exercise.
        answer: What the learner wrote.
        stages: Stage name -> function of the answer that raises `CheckFailed`.

    Raises:
        CheckFailed: the answer is wrong, unfinished, or stops with an error of its own.
    """
    if not callable(answer):
        raise CheckFailed(f"{name}: got {type(answer).__name__}, expected the function itself: {name}({name}).")
    for stage, test in stages.items():
        try:
            test(_leaving_arguments_alone(answer))
        except CheckFailed as error:
            raise CheckFailed(f"{name}, {stage}: {error}") from None
        except NotImplementedError:
            raise CheckFailed(f"{name}: nothing there yet; replace the line `raise NotImplementedError`.") from None
        except Exception as error:  # whatever the learner's code raises becomes a diagnosis
            raise CheckFailed(f"{name}, {stage}: your code stopped with {type(error).__name__}: {error}") from error
    print(f"{name}: {', '.join(stages)} right.")


def _leaving_arguments_alone(answer: Callable) -> Callable:
    """`answer`, but an array that it edits in place is put right again (others use it too) and named in a `CheckFailed`."""

    @wraps(answer)
    def careful(*arguments, **named):
        given = inspect.signature(answer).bind(*arguments, **named).arguments
        arrays = [(name, array, array.copy()) for name, value in given.items() for array in _arrays_in(value)]
        edited = None
        try:
            result = answer(*arguments, **named)
        finally:
            for name, array, before in arrays:
                if not np.array_equal(array, before):
                    edited, array[...] = name, before
        expect(edited is None, f"`{edited}` was edited in place; the caller still needs it, so work on a copy.")
        return result

    return careful


def _arrays_in(value) -> list[np.ndarray]:
    """The arrays of an argument, tensors as arrays over the same memory: itself, or those of a tuple or list."""
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in _arrays_in(part)]
    value = value.detach().numpy() if hasattr(value, "detach") else value
    return [value] if isinstance(value, np.ndarray) else []


def expect(condition: bool, message: str) -> None:
    """Raise `CheckFailed(message)` unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


def expect_shape(value, shape: tuple[int, ...], what: str = "the answer") -> None:
    """Raise unless `value` is an array (or tensor, or table) of this shape without NaN."""
    expect(value is not None, "the function returns None; did you forget `return`?")
    found = tuple(getattr(value, "shape", np.shape(value)))
    expect(found == tuple(shape), f"{what} has shape {found}, expected {tuple(shape)}.")
    expect(bool(np.isfinite(_array(value)).all()), f"{what} holds values that are not finite numbers.")


def expect_close(
    value, expected, suspects: dict | None = None, what: str = "the answer", tolerance: float = 1e-5
) -> None:
    """Raise unless `value` is `expected` within `tolerance` (absolute), naming the mistake when the value gives it away.

    Args:
        value: Number, array or tensor.
        expected: What is right, of the same shape.
        suspects: What a likely mistake leads to, by its diagnosis: diagnosis -> value.
        what: What is compared, for the message.
        tolerance: Largest difference that passes.
    """
    value, expected = _array(value), _array(expected)

    def is_close(other: np.ndarray) -> bool:
        return value.shape == other.shape and np.allclose(value, other, rtol=0, atol=tolerance)

    if is_close(expected):
        return
    for diagnosis, wrong in (suspects or {}).items():
        expect(not is_close(_array(wrong)), diagnosis)
    expect_shape(value, expected.shape, what)
    worst = float(np.abs(value - expected).max())
    raise CheckFailed(f"{what} is off by up to {worst:.3g}: got {_brief(value)}, expected {_brief(expected)}.")


def _array(value) -> np.ndarray:
    value = value.detach() if hasattr(value, "detach") else value
    return np.asarray(value, dtype=float)


def _brief(value: np.ndarray) -> str:
    flat = np.ravel(value)
    text = ", ".join(f"{number:.3f}" for number in flat[:4])
    return f"[{text}{', ...' if flat.size > 4 else ''}]" if value.ndim else text
