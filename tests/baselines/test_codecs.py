"""Clustering layers against their formulas; what feature selection sees."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rae_bench.baselines.codecs.fc import Centres, Dec, Rbf, Vae, divergence_from_target, square_distances
from rae_bench.baselines.codecs.fs import FeatureSelection
from rae_bench.model.api import Domain
from rae_bench.model.control import control_targets
from rae_bench.model.features import make_skeleton, states
from rae_bench.model.step import Carry, Draws, Frame
from rae_bench.model.streams import statistics
from rae_bench.model.training import sizes_for


def test_distances_as_one_product() -> None:
    x, centres = torch.randn(7, 5), torch.randn(4, 5)
    torch.testing.assert_close(square_distances(x, centres), torch.cdist(x, centres) ** 2, rtol=1e-4, atol=1e-5)
    assert square_distances(centres, centres).min() >= 0


def grouped(count: int = 60) -> Tensor:
    """Embeddings far from the origin, in three groups."""
    torch.manual_seed(1)
    return 5 + torch.randn(3, 8).repeat(count // 3, 1) + 0.1 * torch.randn(count, 8)


def drawn() -> Draws:
    return Draws(torch.Generator().manual_seed(0))


def test_rbf_says_something_from_the_start() -> None:
    """Drawn from N(0, 1) with width 100, every activation is .97; placed, the median is exp(-1) and they differ."""
    x, layer = grouped(), Rbf(8, 12)
    phi, _ = layer(x, drawn())
    assert layer.centres.placed
    torch.testing.assert_close(phi.median(0).values, torch.full((12,), 0.3679), rtol=0, atol=0.02)
    assert phi.std(0).min() > 0.05
    distance = (x[:, None] - layer.centres.centres).norm(dim=-1)
    torch.testing.assert_close(phi, torch.exp(-((distance / layer.centres.log_width.exp()) ** 2)), atol=1e-4, rtol=1e-3)


def test_rbf_loss() -> None:
    layer = Rbf(3, 2).eval()
    with torch.no_grad():
        layer.centres.centres.copy_(torch.tensor([[2.0, 0, 0], [0, 5, 0]]))
    # At right angles, whatever their lengths.
    assert float(layer(torch.zeros(1, 3), None)[1].detach()) == pytest.approx(0)
    with torch.no_grad():
        layer.centres.centres.copy_(torch.tensor([[2.0, 0, 0], [3, 0, 0]]))
    assert float(layer(torch.zeros(1, 3), None)[1].detach()) == pytest.approx(0.1 * 2 / 4)  # two of four entries are 1


def test_centres_are_placed_once_and_only_in_training() -> None:
    x, layer = grouped(), Centres(8, 12, 1)
    layer(x, None)
    assert not layer.placed
    layer(x, drawn())
    first = layer.centres.detach().clone()
    layer(x + 100, drawn())
    assert torch.equal(first, layer.centres)
    other = Centres(8, 12, 1)
    other.load_state_dict(layer.state_dict())
    other(x + 100, drawn())
    assert torch.equal(first, other.centres)  # carried over to another rig, they stay where the source put them


@pytest.mark.parametrize("rows", [1, 5, 100])
def test_centres_of_few_embeddings(rows: int) -> None:
    torch.manual_seed(0)
    layer = Centres(8, 12, 12)
    assert torch.isfinite(layer(torch.randn(rows, 8), drawn())).all()


def test_vae_loss_is_the_divergence() -> None:
    layer, x = Vae(6, 4).eval(), torch.randn(5, 6)
    latent, loss = layer(x, None)
    mean, std = layer.mean(x), torch.exp(0.5 * layer.log_variance(x))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, std), normal(0.0, 1.0)).mean()
    torch.testing.assert_close(loss, 0.2 * expected)
    torch.testing.assert_close(latent, mean)
    draws = drawn()
    made = torch.stack([layer(x, draws)[0] for _ in range(2000)])
    torch.testing.assert_close(made.std(0), std, rtol=0.1, atol=0)


def test_dec_is_soft_assignment() -> None:
    layer, x = Dec(3, 4), torch.randn(6, 3)
    got, loss = layer(x, drawn())
    width = float(layer.centres.log_width.exp().detach())
    weight = [[1 / (1 + float(((h - c) ** 2).sum()) / width**2) for c in layer.centres.centres.detach()] for h in x]
    q = torch.tensor([[w / sum(row) for w in row] for row in weight])
    torch.testing.assert_close(got.detach(), q, rtol=1e-4, atol=1e-5)
    sharp = q**2 / q.sum(0)
    p = sharp / sharp.sum(1, keepdim=True)
    torch.testing.assert_close(loss.detach(), (p * (p / q).log()).sum(1).mean(), rtol=1e-3, atol=1e-6)


def test_dec_loss_by_hand() -> None:
    """Rows (3/4, 1/4) and (1/4, 3/4): sums are 1, p ~ (9, 1) / 10, KL = .9 ln(.9/.75) + .1 ln(.1/.25)."""
    q = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    assert float(divergence_from_target(q)) == pytest.approx(0.9 * 0.182322 - 0.1 * 0.916291, abs=1e-5)


def read(domain: Domain, change: Callable[[Any, Tensor], None]) -> Tensor:
    """What feature selection makes of a frame after `change(layout, state)`."""
    skeleton = make_skeleton(domain.rig, domain.motion.fps)
    state = states(domain.motion)[:3, 40].clone()
    change(skeleton.layout, state)
    carry = Carry(state, torch.zeros(3, 16), torch.zeros(3, 0), torch.zeros(3, 0))
    frame = Frame(carry, control_targets(domain.objectives, domain.motion.fps).at(40), skeleton, statistics(domain))
    torch.manual_seed(0)
    return FeatureSelection(sizes_for(len(domain.rig)), 16, 8).read(frame)


def test_feature_selection_sees_key_joints_alone(domains: dict[str, Domain]) -> None:
    domain = domains["r4"]
    rig = domain.rig
    selected = set(rig.key_joints[:6].tolist())

    def moved(joint: int, part: str) -> Callable[[Any, Tensor], None]:
        def change(layout: Any, state: Tensor) -> None:
            state[:, getattr(layout, part)][:, 3 * joint : 3 * joint + 3] += 0.3

        return change

    plain = read(domain, lambda layout, state: None)
    for joint in {*range(0, len(rig), 4), *selected}:
        for part in ("p", "v", "columns"):
            same = torch.allclose(read(domain, moved(joint, part)), plain, atol=1e-6)
            assert same == (joint not in selected), (rig.joint_names[joint], part)
