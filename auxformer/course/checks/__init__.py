"""Checks of the exercises: each goes from the shape over an isolated mechanism to the whole, and says what is likely wrong.

A check raises `CheckFailed`; a check that only prints would let a wrong notebook pass. Inputs are chosen so that a wrong
answer differs: no two sizes alike, no symmetric matrices, no weights that happen to be one, no number that rounding spares.
What passes can be used by the cells below it: an array where they calculate, the batch's own dtype where a network follows.
"""

from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np

from auxformer.course.checks.answers import AnswerStopped, guarded, own_line


class CheckFailed(AssertionError):
    """An exercise's answer is not right yet; the message says what is likely wrong. `stage` is the stage that it failed."""

    stage = "shape"

    def _render_traceback_(self) -> list[str]:  # IPython shows this in place of a stack of frames
        return [f"not yet: {self}"]


def run_stages(name: str, answer: Callable, **stages: Callable) -> None:
    """Run the stages of a check in order; the first that fails raises. So does an answer that edits what it is given.

    Args:
        name: Name of the exercise.
        answer: What the learner wrote.
        stages: Stage name -> function of the answer that raises `CheckFailed`.

    Raises:
        CheckFailed: the answer is wrong, unfinished, or stops with an error of its own; the learner's line stands below it.
    """
    if not callable(answer):
        raise CheckFailed(f"{name}: got {type(answer).__name__}, expected the function itself: {name}({name}).")
    for stage, test in stages.items():
        try:
            test(guarded(answer, CheckFailed))
        except CheckFailed as error:
            raise _failed(stage, f"{name}, {stage}: {error}{own_line(answer)}") from None
        except AnswerStopped as stop:
            if stop.unfinished:
                raise _failed(
                    stage, f"{name}: nothing there yet; replace the line `raise NotImplementedError`."
                ) from None
            raise _failed(stage, f"{name}, {stage}: {stop}") from stop.__cause__
        except Exception as error:  # the answer is of a kind that the comparison cannot handle
            what = f"what it returns cannot be compared ({type(error).__name__}: {error})"
            raise _failed(stage, f"{name}, {stage}: {what}.{own_line(answer)}") from error
    print(f"{name}: {', '.join(stages)} right.")


def _failed(stage: str, message: str) -> CheckFailed:
    error = CheckFailed(message)
    error.stage = stage
    return error


def expect(condition: bool, message: str) -> None:
    """Raise `CheckFailed(message)` unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


def expect_shape(value, shape: tuple[int, ...], what: str = "the answer") -> None:
    """Raise unless `value` is an array (or tensor, list, table) of this shape without NaN."""
    expect_something(value)
    found = tuple(getattr(value, "shape", None) or _array(value, what).shape)
    expect(found == tuple(shape), f"{what} has shape {found}, expected {tuple(shape)}.")
    expect(bool(np.isfinite(_array(value, what)).all()), f"{what} holds values that are not finite numbers.")


def expect_something(value) -> None:
    """Raise when a function returned nothing, or the dots of a stub."""
    expect(value is not None, "the function returns None; did you forget `return`?")
    expect(value is not ..., "the function returns `...`; put your own line in its place.")


def expect_array(value, what: str = "the answer", lists: bool = False) -> None:
    """Raise unless `value` is a NumPy array; `lists` where the cells below it can do with a list, too."""
    expect_something(value)
    if isinstance(value, np.ndarray) or (lists and isinstance(value, Sequence) and not isinstance(value, str)):
        return
    kind = type(value).__name__
    how = {"list": " `np.array(...)` makes one of a list.", "Tensor": " `.numpy()` makes one of a tensor."}.get(
        kind, ""
    )
    raise CheckFailed(f"{what} is a {kind}; the cells below calculate with it and need an array.{how}")


def expect_number(value, what: str = "the answer", otherwise: str = "") -> None:
    """Raise unless `value` is one number: of Python, of NumPy, or an array without axes; `otherwise` says how to get one."""
    expect_something(value)
    dims = value.ndim if isinstance(value, np.ndarray) else len(value) and 1 if isinstance(value, (list, tuple)) else 0
    expect(dims == 0, f"{what} has {dims} dimension{'s' * (dims > 1)}, expected one number{otherwise}.")
    kind = type(value).__name__
    how = " `.item()` makes one of a tensor." if kind == "Tensor" else ""
    number = isinstance(value, (Real, np.ndarray, np.generic)) and not isinstance(value, (bool, np.bool_, np.str_))
    expect(number, f"{what} is a {kind}, expected a number.{how}")
    expect(bool(np.isfinite(_array(value, what))), f"{what} is {value}, expected a finite number.")


def expect_tensor(value, dtype=None, what: str = "the answer") -> None:
    """Raise unless `value` is a tensor, of this dtype if one is given."""
    import torch

    expect_something(value)
    kind = type(value).__name__
    how = " `torch.stack` joins tensors, `torch.from_numpy` takes an array." if kind in ("list", "ndarray") else ""
    expect(isinstance(value, torch.Tensor), f"{what} is of type {kind}, expected a tensor.{how}")
    if dtype is not None:
        wanted, found = (str(name).removeprefix("torch.") for name in (dtype, value.dtype))
        why = "one True or False each" if dtype == torch.bool else "the network below calculates in no other"
        expect(wanted == found, f"{what} is of {found}, expected {wanted}: {why}.")


def expect_close(
    value, expected, suspects: dict | None = None, what: str = "the answer", tolerance: float = 1e-5
) -> None:
    """Raise unless `value` is `expected` within `tolerance` (absolute), naming the mistake when the value gives it away.

    Args:
        value: Number, array, tensor or list of numbers.
        expected: What is right, of the same shape.
        suspects: What a likely mistake leads to, by its diagnosis: diagnosis -> value.
        what: What is compared, for the message.
        tolerance: Largest difference that passes.
    """
    expect_something(value)
    value, expected = _array(value, what), _array(expected, what)

    def is_close(other: np.ndarray) -> bool:
        return value.shape == other.shape and np.allclose(value, other, rtol=0, atol=tolerance)

    if is_close(expected):
        return
    for diagnosis, wrong in (suspects or {}).items():
        expect(not is_close(_array(wrong, what)), diagnosis)
    expect_shape(value, expected.shape, what)
    raise CheckFailed(f"{what}: {_worst(value, expected, tolerance)}")


def _worst(value: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    """The entry that is furthest off, and how many are off at all."""
    gaps = np.abs(value - expected)
    place = tuple(int(index) for index in np.unravel_index(gaps.argmax(), gaps.shape))
    digits = next((digits for digits in (6, 12) if f"{value[place]:.{digits}g}" != f"{expected[place]:.{digits}g}"), 17)
    pair = f"got {value[place]:.{digits}g}, expected {expected[place]:.{digits}g}."
    if not value.ndim:
        return pair
    off = int((gaps > tolerance).sum())
    return f"{off} of {gaps.size} entries are off, most [{', '.join(map(str, place))}]: {pair}"


def _array(value, what: str = "the answer") -> np.ndarray:
    if isinstance(value, (list, tuple)):
        value = [_array(part, what) for part in value]
        expect(len({part.shape for part in value}) < 2, f"{what} has rows of different lengths.")
    value = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise CheckFailed(f"{what} is of type {type(value).__name__}, expected numbers.") from error
