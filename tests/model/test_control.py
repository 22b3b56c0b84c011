"""The named layouts of what objectives ask, of key joints and of states."""

import pytest
import torch

from rae_bench.model import CONTROL, CONTROL_SCALE, CONTROL_SIZE, FLAGS, KEYS, PATH, PATH_SIZE, Layout
from rae_bench.model.control import SCALES
from rae_bench.model.features import SLOTS

ENTRIES = tuple(CONTROL_SCALE)


def covered(layout: object, names: tuple[str, ...], size: int) -> list[int]:
    """The indices that named parts cover, in order."""
    return [i for name in names for i in range(size)[getattr(layout, name)]]


def test_entries_lie_side_by_side() -> None:
    assert covered(CONTROL, ENTRIES, CONTROL.size) == list(range(24))
    assert covered(FLAGS, ("active", "contact", "time", "rate"), 4) == list(range(4))
    assert covered(KEYS, KEYS._fields, 12) == list(range(12))
    assert covered(PATH, PATH._fields, 4) == list(range(4))
    assert CONTROL_SIZE == 24 * SLOTS + PATH_SIZE == 204


def test_parts_of_several_entries() -> None:
    assert covered(CONTROL, ("target",), 24) == covered(CONTROL, ("target_position", "target_rotation"), 24)
    assert covered(CONTROL, ("cost",), 24) == covered(CONTROL, ("position_cost", "rotation_cost"), 24)
    assert covered(FLAGS, ("known",), 4) == covered(FLAGS, ("active", "contact", "time"), 4)


def test_scales_lie_where_their_entries_do() -> None:
    row = [8.0] * 3 + [4.0] * 6 + [8.0] * 3 + [4.0] * 6 + [3.0] * 3 + [1.0] * 2 + [5.0]
    assert torch.equal(SCALES, torch.tensor(row * SLOTS + [2.0] * PATH_SIZE))


@pytest.mark.parametrize("joints", [1, 20])
def test_parts_of_a_state_lie_side_by_side(joints: int) -> None:
    layout = Layout(joints)
    whole = covered(layout, ("origin", "forward", "turn", "rise", "p", "v", "columns"), layout.size)
    assert whole == list(range(10 + 15 * joints))
    assert covered(layout, ("root", "p", "v"), layout.size) == list(range(6, 10 + 6 * joints))
    assert covered(layout, ("body",), layout.size) == covered(layout, ("p", "v", "columns"), layout.size)
    assert len(covered(layout, ("pose",), layout.size)) == layout.size_pose
    assert covered(layout, ("pose",), layout.size)[-1] == whole[-1] - 3 * joints  # all but the third columns
