"""Trainings of cells of one model, for tests of the engine."""

from collections.abc import Callable

from rae_bench.model.engine.learn import Lesson

UPDATES, FRAMES = 6, 48
Lessons = Callable[..., list[Lesson]]
