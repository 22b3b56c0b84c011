"""Any codec with any core: names, shapes, gradients, what moves between rigs, the plug-in API."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from rae_bench.baselines.catalogue import find, names, parts
from rae_bench.errors import UserError
from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.registry import list_models, make_model, resolve_model
from rae_bench.model.step import Next
from rae_bench.model.training import sizes_for
from rae_bench.testing import PendingCheck, list_checks

Walk = Callable[..., list[Next]]
RIGS, ROWS = ("r4", "quad"), 6
CODECS = ["raw", "fe", "fs", *(f"fc-{layer}-{use}" for layer in ("rbf", "vae", "dec") for use in ("in", "cat"))]
CORES = sorted(parts("cores"))
SIDES = [f"raw+{core}" for core in CORES] + [f"{codec}+omg-moe" for codec in CODECS if codec != "raw"]
"""Every core and every codec once."""


def network(name: str, rig: str = "quad", domains: dict[str, Domain] | None = None, preset: str = "small") -> nn.Module:
    joints = len(domains[rig].rig) if domains else 31
    torch.manual_seed(0)
    made: nn.Module = make_model(name, {"preset": preset}).network(sizes_for(joints))
    return made


# Names.


def test_names() -> None:
    assert {"fe", "fc", "fs", *CORES} == set(names()) <= set(list_models())
    for name, (codec, core, variants) in {
        "fe": ("fe", "omg-moe", {}),
        "omg-moe": ("raw", "omg-moe", {}),
        "fc": ("fc", "omg-moe", {"layer": "vae", "use": "cat"}),
        "fc-rbf": ("fc", "omg-moe", {"layer": "rbf", "use": "cat"}),
        "fc-in": ("fc", "omg-moe", {"layer": "vae", "use": "in"}),
        "fc-dec-in+omg-moe": ("fc", "omg-moe", {"layer": "dec", "use": "in"}),
    }.items():
        pair = find(name)
        assert pair is not None
        assert (pair.codec.name, pair.core.name, pair.variants) == (codec, core, variants)
        assert resolve_model(name).load().card.name == name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fee", "unknown model 'fee'; did you mean fe"),
        ("fe+omg-mo", "unknown core of model 'fe.omg-mo' 'omg-mo'; did you mean omg-moe"),
        ("fx+omg-moe", "unknown codec of model 'fx.omg-moe' 'fx'"),
        ("fc-cat-vae", "codec 'fc' has no variant 'vae'; fc takes, in this order: layer vae.rbf.dec, use cat.in"),
        ("fe-cat", "codec 'fe' has no variant 'cat'"),
    ],
)
def test_names_of_nothing(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve_model(name).load()


def test_unknown_preset() -> None:
    with pytest.raises(UserError, match="unknown preset of model 'fe' 'papr'; did you mean paper"):
        make_model("fe", {"preset": "papr"})


def test_listing_reads_cores_without_importing_them() -> None:
    code = """import sys, atexit
from rae_bench.cli import main
atexit.register(lambda: print('torch' in sys.modules, 'rae_bench.baselines.cores.omg_moe' in sys.modules))
sys.argv = ['rae-bench', 'list', 'models']
main()"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[:1] == ["fe"])
    end = next(i for i, line in enumerate(lines) if line.split()[:1] == ["feedforward"])
    told = " ".join(" ".join(lines[at:end]).split())
    for words in (
        "feature encoding; objective-driven mixture of experts", "341,637 parameters", "finetune", "KTH, 2022", "MIT",
    ):  # fmt: skip
        assert words in told


@pytest.mark.parametrize("name", names())
def test_cards_say_how_many_parameters(name: str) -> None:
    """On the 31 joints of the thesis' first rig, preset small."""
    assert list_models()[name].about["parameters"] == sum(p.numel() for p in network(name).parameters())


@pytest.mark.parametrize(
    ("name", "options", "length"),
    [
        ("fe", {}, 5), ("mann", {}, 5), ("rtn", {}, 17), ("fe+omg-lstm", {}, 17), ("rtn", {"length": 9}, 9),
        ("omg-lstm", {"mode": "paper"}, 2),
    ],
)  # fmt: skip
def test_a_core_may_need_longer_windows(name: str, options: dict[str, Any], length: int) -> None:
    """Its file says so; a mode and an option come before it, and the resolved options have it."""
    assert make_model(name, options).config.length == length
    assert resolve_model(name).resolved(options)["length"] == length


# Shapes and gradients.


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("codec", CODECS)
def test_shapes(codec: str, core: str, domains: dict[str, Domain], walk: Walk) -> None:
    net = network(f"{codec}+{core}", "quad", domains)
    for made in walk(net, "quad"):
        assert made.change.shape == (ROWS, 4 + 3 * len(domains["quad"].rig))
        assert made.phase.shape == (ROWS, 16)
        assert made.memory is None or made.memory.shape == (ROWS, net.memory)
        for value in (made.change, made.phase, *made.losses.values()):
            assert torch.isfinite(value).all()


@pytest.mark.parametrize("core", CORES)
def test_paper_presets(core: str, domains: dict[str, Domain], walk: Walk) -> None:
    small, paper = (network(core, "quad", domains, preset) for preset in ("small", "paper"))
    assert sum(p.numel() for p in paper.parameters()) > 2 * sum(p.numel() for p in small.parameters())
    assert torch.isfinite(walk(paper, "quad")[-1].change).all()


@pytest.mark.parametrize("name", SIDES)
def test_gradients_reach_every_parameter(name: str, domains: dict[str, Domain], walk: Walk) -> None:
    net = network(name, "quad", domains)
    made = walk(net, "quad", noise=torch.randn(ROWS, net.noise), progress=0.7)
    loss = sum((m.change**2).sum() + (m.phase**2).sum() + sum(m.losses.values()) for m in made)
    loss.backward()  # type: ignore[union-attr]
    without = [k for k, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


@pytest.mark.parametrize("name", SIDES)
def test_rows_do_not_see_each_other(name: str, domains: dict[str, Domain], walk: Walk) -> None:
    net = network(name, "quad", domains).eval()
    noise = torch.randn(ROWS, net.noise)
    whole = walk(net, "quad", noise=noise, taught=False)[-1]
    part = walk(net, "quad", rows=slice(2, 4), noise=noise[2:4], taught=False)[-1]
    torch.testing.assert_close(part.change, whole.change[2:4], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(part.phase, whole.phase[2:4], rtol=1e-4, atol=1e-5)


# What moves between rigs.


@pytest.mark.parametrize("name", SIDES)
def test_moving_a_core_moves_the_core(name: str, domains: dict[str, Domain]) -> None:
    """Between rigs of other joint counts: every tensor under `core.` and none under `codec.`"""
    cls: Any = resolve_model(name).load()
    options = {"windows": 4, "length": 3}
    contexts = [Context(regime, 1.0, Budget(updates, 10**6), 0) for regime, updates in (("pretrain", 2), ("frozen", 0))]
    model, cold = cls(**options), cls(**options)
    model.pretrain(domains[RIGS[0]], contexts[0])
    model.adapt(domains[RIGS[1]], contexts[1])
    cold.adapt(domains[RIGS[1]], Context("cold", 1.0, Budget(0, 0), 0))
    moved, fresh = model._network.state_dict(), cold._network.state_dict()
    assert moved.keys() == fresh.keys()
    assert {k.partition(".")[0] for k in moved} == {"codec", "core"}
    for key, value in moved.items():
        if key.startswith("core."):
            assert torch.equal(value, model._core[key.removeprefix("core.")]), key
        else:
            assert torch.equal(value, fresh[key]), key  # nothing of the source rig's codec is in it
    assert {f"core.{k}" for k in model._core} == {k for k in moved if k.startswith("core.")}
    changed = {k for k in moved if not torch.equal(moved[k], fresh[k])}
    assert changed
    assert all(k.startswith("core.") for k in changed)


@pytest.mark.parametrize("name", SIDES)
def test_a_frozen_core_stays(name: str, domains: dict[str, Domain]) -> None:
    cls: Any = resolve_model(name).load()
    model = cls(windows=4, length=3)
    model.pretrain(domains[RIGS[0]], Context("pretrain", 1.0, Budget(1, 10**6), 0))
    before = {k: v.clone() for k, v in model._core.items()}
    model.adapt(domains[RIGS[1]], Context("frozen", 1.0, Budget(2, 10**6), 0))
    after = {k.removeprefix("core."): v for k, v in model._network.state_dict().items() if k.startswith("core.")}
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


# The plug-in API.


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CORES, "fe", "fs", "fc", "fc-rbf", "fc-dec-in+rtn"])
@pytest.mark.parametrize("check", [check.name for check in list_checks("hold")])
def test_conforms(name: str, check: str) -> None:
    pending(name, check).require()


_CHECKS: dict[str, dict[str, PendingCheck]] = {}


def pending(name: str, check: str) -> PendingCheck:
    """What a model's checks share is made once."""
    if name not in _CHECKS:
        checks = list_checks(name, updates=3, options={"windows": 8})
        _CHECKS[name] = {check.name: check for check in checks}
    return _CHECKS[name][check]
