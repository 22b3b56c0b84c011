"""A rig with all that is asked of it, and cells of one model with different data and seeds."""

from collections.abc import Sequence
from typing import Any

import pytest
from helpers.lessons import FRAMES, UPDATES, Lessons
from helpers.tiny_model import side

from rae_bench.model import Budget, Context, Domain, Prompt
from rae_bench.model.engine.learn import Lesson
from rae_bench.model.lightning import LightningModel
from rae_bench.model.registry import make_model
from rae_bench.task.held_out import cut_clips
from rae_bench.task.sides import Side


@pytest.fixture(scope="session")
def quad() -> Side:
    return side("quad")


@pytest.fixture(scope="session")
def domains(quad: Side) -> list[Domain]:
    """A domain for each of fifteen cells: five folds, three fractions."""
    return [quad.domain(quad.fraction(seed, share)) for share in (0.3, 0.6, 1.0) for seed in range(5)]


@pytest.fixture(scope="session")
def prompt(domains: list[Domain]) -> Prompt:
    """Three clips of 30 frames to go on with."""
    domain = domains[10]
    names = (list(domain.ids[:3]), list(domain.groups[:3]), ["a", "b", "c"])
    return cut_clips(domain.motion[:3].cut(0, 60), 30, *names, domain.objectives[:3].cut(0, 60)).prompt


@pytest.fixture(scope="session")
def lessons(domains: list[Domain]) -> Lessons:
    """lessons(name or class, cells, options): trainings of these cells that are asked for."""

    def make(model: str | type[LightningModel], cells: Sequence[int], **options: Any) -> list[Lesson]:
        found = []
        for cell in cells:
            made: Any = make_model(model, options) if isinstance(model, str) else model(**options)
            ctx = Context("cold", 1.0, Budget(UPDATES, UPDATES * FRAMES), cell % 5)
            found.append(Lesson(made, (domains[cell],), ctx))
        return found

    return make
