"""Speed of what surrounds the networks, beside plain ways and a published library, one core.

    python -m pytest -m slow -s tests/benchmarks/test_data_speed.py
"""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.race import race
from helpers.walking import as_trajectory, noisy
from pymotion.ops.skeleton import fk
from scipy.spatial.transform import Rotation
from torch import nn

from rae_bench import load_rig
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.kinematics import quat
from rae_bench.metrics import adversarial
from rae_bench.metrics.windows import windows_of
from rae_bench.model.features import Layout, states
from rae_bench.motion.contacts import stance_heights
from rae_bench.motion.motion import Motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, NONE, slot_contacts
from rae_bench.objectives.phases import FREQUENCIES, local_phases
from rae_bench.task.named import load_task
from rae_bench.task.others import other_real_clips
from rae_bench.task.sides import load_sides

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def walking() -> Motion:
    """200 clips of r1, 31 joints."""
    side = load_sides(load_task("biped2quad"))[0][0]
    return side.corpus.motion[np.arange(min(200, len(side.corpus.motion)))]


@pytest.mark.parametrize("count", [300, 20_000])
def test_forward_kinematics(benchmark: Any, count: int) -> None:
    rig, rng = load_rig("r1"), np.random.default_rng(0)
    rotations = quat.normalize(rng.standard_normal((count, len(rig), 4))).astype(np.float32)
    root = rng.standard_normal((count, 3)).astype(np.float32)
    offsets, parents = rig.offsets.copy(), np.maximum(rig.parents, 0)
    offsets[0] = 0

    def joint_by_joint() -> np.ndarray:
        place, turn = np.empty((count, len(rig), 3), np.float32), rotations.copy()
        place[:, 0] = root
        for j, parent in enumerate(rig.parents):
            if parent >= 0:
                place[:, j] = place[:, parent] + quat.rotate(turn[:, parent], rig.offsets[j].astype(np.float32))
                turn[:, j] = quat.mul(turn[:, parent], rotations[:, j])
        return place

    def pymotion() -> Any:
        return fk(rotations, root, offsets, parents)

    def ours() -> Any:
        return rig.forward_kinematics(rotations, root)

    found = race(benchmark, {"ours": ours, "pymotion": pymotion, "joint by joint": joint_by_joint}, rounds=10)
    np.testing.assert_allclose(ours()[0], joint_by_joint(), atol=1e-5)
    print(f"\nforward kinematics, {count} poses of {len(rig)} joints, million a core-second:")
    print("  " + ", ".join(f"{name} {count / seconds / 1e6:.3f}" for name, seconds in found.best.items()))
    assert found.ratio("pymotion", "ours") > 1.5


def test_features(benchmark: Any, walking: Motion) -> None:
    """States of the network's input against pose after pose with scipy's rotations."""
    few, layout = walking[:2], Layout(len(walking.rig))

    def plain() -> np.ndarray:
        out = np.zeros((len(few), few.root_positions.shape[1], 6 * layout.joints))
        for n in range(len(few)):
            for t in range(out.shape[1]):
                back = Rotation.from_euler("y", -few.root.yaw[n, t])
                place = back.apply(few.positions[n, t] - few.root.origin[n, t])
                turns = back * Rotation.from_quat(few.global_rotations[n, t], scalar_first=True)
                out[n, t] = np.concatenate([place.ravel(), turns.as_matrix()[:, :, 0].ravel()])
        return out

    found = race(benchmark, {"ours": lambda: states(walking), "plain": plain}, rounds=3)
    found = found._replace(best={**found.best, "plain": found.best["plain"] * len(walking) / len(few)})
    made, slow = states(few).numpy(), plain()
    np.testing.assert_allclose(made[..., layout.p], slow[..., : 3 * layout.joints], atol=1e-5)
    column = made[..., layout.columns][..., : 3 * layout.joints]
    np.testing.assert_allclose(column, slow[..., 3 * layout.joints :], atol=1e-5)
    _say("features", walking, found.best["ours"], found.ratio("plain", "ours"))


def test_objectives(benchmark: Any, walking: Motion) -> None:
    """Keyframe objectives against looking ahead from every frame of every slot."""
    few, step = walking[:2], round(0.5 * walking.fps)
    feet = np.isin(np.arange(8), few.rig.contact_slots)

    def plain() -> tuple[np.ndarray, np.ndarray]:
        down = slot_contacts(few.contacts, few.rig)
        arrivals = np.zeros(down.shape, np.int32)
        kinds = np.zeros(down.shape, np.int8)
        for n, t, slot in np.ndindex(*down.shape):
            last = few.lengths[n] - 1
            arrivals[n, t, slot], kinds[n, t, slot] = t, NONE
            for ahead in range(t + 1, last + 1 if few.rig.role_mask[slot] else 0):
                touch = bool(feet[slot] and down[n, ahead, slot] and not down[n, ahead - 1, slot])
                if touch or ahead == last or (not feet[slot] and ahead % step == 0):
                    arrivals[n, t, slot], kinds[n, t, slot] = ahead, CONTACT if touch else KEYFRAME
                    break
        return arrivals, kinds

    found = race(benchmark, {"ours": lambda: keyframe_objectives(walking), "plain": plain}, rounds=3)
    made, (arrivals, kinds) = keyframe_objectives(few), plain()
    assert np.array_equal(made.arrivals, arrivals)
    assert np.array_equal(made.kinds, kinds)
    _say("objectives", walking, found.best["ours"], found.ratio("plain", "ours") * len(walking) / len(few))


def test_phases(benchmark: Any, walking: Motion) -> None:
    """Local phases against a least-squares fit per frame, limb and frequency."""
    few = walking[:1]
    contacts = slot_contacts(few.contacts, few.rig)[0].astype(float)
    slots = np.unique(few.rig.contact_slots[few.rig.contact_slots >= 0])
    window = round(few.fps)
    seconds = np.arange(window) / few.fps
    bases = [
        np.stack([np.sin(2 * np.pi * f * seconds), np.cos(2 * np.pi * f * seconds), np.ones(window)], 1)
        for f in FREQUENCIES
    ]

    def plain() -> list[float]:
        best = []
        for t in range(0, len(contacts) - window, 10):
            for slot in slots:
                rest = [np.linalg.lstsq(b, contacts[t : t + window, slot], rcond=None)[1] for b in bases]
                best.append(float(FREQUENCIES[np.argmin([r.sum() for r in rest])]))
        return best

    found = race(benchmark, {"ours": lambda: local_phases(walking), "plain": plain}, rounds=3)
    frames = len(range(0, len(contacts) - window, 10))
    whole = found.best["plain"] * walking.valid.sum() / frames
    _say("phases", walking, found.best["ours"], whole / found.best["ours"])


def test_critic(benchmark: Any) -> None:
    """The adversarial score of a row of `biped2quad`, against training the thesis' discriminator on one fold of it."""
    side = load_sides(load_task("biped2quad"))[1]
    exam = side.held_out_clips(side.split(0).test)
    real = windows_of(exam.truth, stance_heights(exam.truth.positions, exam.truth.rig, exam.truth.lengths))
    others, trajectory = other_real_clips(side, exam, 0), as_trajectory(noisy(exam.truth, 1.0))
    rng = np.random.default_rng(0)
    fake = type(real)(real.frames + 0.1 * rng.standard_normal(real.frames.shape), real.clips)
    images = [torch.from_numpy(w.frames).float()[:, None] for w in (real, fake)]
    width = real.frames.shape[-1] // 4 * (real.frames.shape[1] // 4)

    def discriminator() -> None:
        blocks = [
            layer
            for a, b in ((1, 8), (8, 16))
            for layer in (nn.Conv2d(a, b, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(b), nn.ELU())
        ]
        network = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(16 * width, 1))
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
        for _ in range(20):
            for i in range(0, len(images[0]), 64):
                optimizer.zero_grad()
                loss = (network(images[0][i : i + 64]) - 1).square().mean()
                (loss + network(images[1][i : i + 64]).square().mean()).backward()
                optimizer.step()

    def ours() -> float:
        groups, other_groups = others.held_out_groups, others.groups
        found = adversarial(trajectory, exam.truth, others.motion, groups=groups, other_groups=other_groups)
        return found["adversarial_score"]

    found = race(benchmark, {"ours": ours, "discriminator": discriminator}, rounds=2)
    print(f"\ncritic, {len(exam.truth)} clips, {len(real.clips)} windows: {found.best['ours']:.2f} core-seconds a row")
    print(f"  the thesis' discriminator, one fold and 20 epochs: {found.best['discriminator']:.1f}")


@pytest.mark.parametrize("name", ["r1", "quad", "hexapod"])
def test_locomotion(benchmark: Any, name: str) -> None:
    """480 clips of one rig; at most 15 s were asked for."""
    rig = load_rig(name)
    found = race(benchmark, {"ours": lambda: generate_locomotion(rig, clips=480)}, rounds=2)
    print(f"\n480 clips of {name}: {found.best['ours']:.1f} core-seconds")
    assert found.best["ours"] < 15


def _say(what: str, motion: Motion, seconds: float, ratio: float) -> None:
    frames = int(motion.valid.sum())
    print(f"\n{what}: {frames / seconds / 1000:,.0f} thousand frames a core-second, {ratio:,.0f} times the plain way")
    assert ratio > 2
