"""Two domains of the generator, and clips to continue."""

import pytest
from helpers.tiny_model import side

from rae_bench.model import Domain, Prompt
from rae_bench.task.sides import Side


@pytest.fixture(scope="module")
def source() -> Domain:
    biped = side("r4")
    return biped.domain(biped.split(0).train)


@pytest.fixture(scope="module")
def target_side() -> Side:
    return side("quad")


@pytest.fixture(scope="module")
def target(target_side: Side) -> Domain:
    return target_side.domain(target_side.split(0).train)


@pytest.fixture(scope="module")
def prompt(target_side: Side) -> Prompt:
    return target_side.held_out_clips(target_side.split(0).test).prompt
