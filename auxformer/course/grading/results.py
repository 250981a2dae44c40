"""What grading found out: a row per exercise of every notebook, the predictions, the models of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from auxformer.course.grading.cells import Prediction
from auxformer.course.lessons import Exercise, Lesson

STATES = {
    "passed": "passed", "failed": "does not pass", "too long": "endless, or far too slow", "crashed": "ended its process",
    "refused": "not run", "no Python": "does not parse", "untouched": "still the stub", "missing": "not in the notebook",
    "unreadable": "not read",
}  # fmt: skip
"""What can become of an answer, the best first, in words."""


@dataclass(frozen=True)
class Result:
    """One exercise of one notebook, or a notebook of which nothing can be said: then `exercise` is "" and `lesson` None.

    Attributes:
        state: One of `STATES`.
        stage: Of the check, the one that a failed answer does not pass: shape, mechanism or whole.
        message: What the check says, or why there was nothing to check.
        remarks: What a teacher may want to look at: cells that are gone, names that are other.
        where: The notebook's place in what was collected.
    """

    learner: str
    lesson: int | None
    exercise: str
    state: str
    stage: str = ""
    message: str = ""
    remarks: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Class:
    """All that was found out about a class.

    Attributes:
        lessons: The lessons there are.
        results: In the order of the notebooks.
        predictions: (learner, number of the lesson, prediction).
        models: (learner, name, macro-F1 complete, without audio, without video, parameters), as printed.
    """

    lessons: Sequence[Lesson]
    results: list[Result]
    predictions: list[tuple[str, int, Prediction]] = field(default_factory=list)
    models: list[tuple] = field(default_factory=list)

    @property
    def learners(self) -> list[str]:
        """In the order of their names."""
        return sorted({result.learner for result in self.results}, key=str.casefold)

    @property
    def taken(self) -> list[Lesson]:
        """The lessons of which somebody handed something in."""
        numbers = {result.lesson for result in self.results}
        return [lesson for lesson in self.lessons if lesson.number in numbers]

    @property
    def exercises(self) -> list[tuple[Lesson, Exercise]]:
        """Those of the lessons taken, in their order."""
        return [(lesson, exercise) for lesson in self.taken for exercise in lesson.exercises]

    @cached_property
    def _best(self) -> dict[tuple[str, str], Result]:
        order, found = list(STATES), {}
        for result in self.results:
            key = result.learner, result.exercise
            if key not in found or order.index(result.state) < order.index(found[key].state):
                found[key] = result
        return found

    def best(self, learner: str, exercise: Exercise) -> Result | None:
        """A learner's result in an exercise: the best, where several notebooks were handed in; None where there is none."""
        return self._best.get((learner, exercise.name))

    def points(self, learner: str) -> float:
        """Share of what could be reached, 0..1: exercises weighted by their importance, half of it for failing at the whole."""
        reached = 0.0
        for _, exercise in self.exercises:
            result = self.best(learner, exercise)
            share = (
                {("passed", ""): 1.0, ("failed", "whole"): 0.5}.get((result.state, result.stage), 0.0)
                if result
                else 0.0
            )
            reached += share * exercise.importance
        return reached / max(1, sum(exercise.importance for _, exercise in self.exercises))

    def passed(self, learner: str) -> int:
        """How many exercises somebody passed."""
        found = (self.best(learner, exercise) for _, exercise in self.exercises)
        return sum(result is not None and result.state == "passed" for result in found)
