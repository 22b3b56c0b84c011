"""Published numbers: "A study of transfer learning on data-driven motion synthesis frameworks", KTH, 2022.

Reconstruction errors (mean over the test clips, normalised) are of the entries with a mixture of experts. For the
others only ratios were published.
"""

from __future__ import annotations

from collections.abc import Mapping

from rae_bench.model.regimes import COLD, FINETUNE, FROZEN, FULL

RIGS = ("r2", "r3", "r4", "r5")
_TABLE = """
fe          full      .0270 .0213 .0138 .0220
fe          cold      .0710 .0693 .0464 .0714
fe          frozen    .0389 .0276 .0330 .0337
fe          finetune  .0526 .0272 .0403 .0299
fc-rbf-cat  full      .0231 .0230 .0162 .0147
fc-rbf-cat  cold      .0584 .0662 .0495 .0580
fc-rbf-cat  frozen    .0377 .0310 .0337 .0342
fc-rbf-cat  finetune  .0425 .0399 .0248 .0344
fc-vae-cat  full      .0160 .0241 .0246 .0212
fc-vae-cat  cold      .0653 .0599 .0444 .0534
fc-vae-cat  frozen    .0383 .0314 .0333 .0307
fc-vae-cat  finetune  .0402 .0263 .0230 .0343
fc-dec-cat  full      .0512 .0304 .0339 .0732
fc-dec-cat  cold      .0775 .0748 .0544 .0912
fc-dec-cat  frozen    .0912 .0856 .0687 .0621
fc-dec-cat  finetune  .0605 .0566 .0384 .0484
fs          frozen    .0464 .0370 .0376 .0327
fs          finetune  .0539 .0317 .0368 .0294
"""


def _read(text: str) -> dict[tuple[str, str], dict[str, float]]:
    lines = (line.split() for line in text.strip().splitlines())
    return {(m, regime): dict(zip(RIGS, map(float, errors), strict=True)) for m, regime, *errors in lines}


ERRORS: Mapping[tuple[str, str], Mapping[str, float]] = _read(_TABLE)
"""(model, regime) -> error by rig."""
PUBLISHED_RATIOS: Mapping[tuple[tuple[str, str], tuple[str, str]], float] = {
    (("fc-rbf-in", FROZEN), ("fc-rbf-in", COLD)): 1.04,
    (("fc-rbf-in", FINETUNE), ("fc-rbf-in", COLD)): 1.148,
    (("fc-vae-in", FROZEN), ("fc-vae-in", COLD)): 1.327,
    (("fc-vae-in", FINETUNE), ("fc-vae-in", COLD)): 1.644,
    (("fc-dec-in", FROZEN), ("fc-dec-in", COLD)): 1.028,
    (("fc-dec-in", FINETUNE), ("fc-dec-in", COLD)): 1.187,
    (("fc-rbf-cat", FULL), ("fc-rbf-in", FULL)): 3.978,
    (("fc-vae-cat", FULL), ("fc-vae-in", FULL)): 2.475,
    (("fc-dec-cat", FULL), ("fc-dec-in", FULL)): 1.728,
    (("fe", FULL), ("fe+omg-lstm", FULL)): 1 / 0.319,
}
"""(A, B) -> error of B over error of A, the published mean over rigs and clips, where no table of errors was given."""


def ratio(a: tuple[str, str], b: tuple[str, str], rigs: tuple[str, ...] = RIGS) -> float | None:
    """Return error of B over error of A, the mean over rigs of per-rig ratios as in the thesis; None where unknown."""
    if a in ERRORS and b in ERRORS:
        return sum(ERRORS[b][rig] / ERRORS[a][rig] for rig in rigs) / len(rigs)
    if (a, b) in PUBLISHED_RATIOS:
        return PUBLISHED_RATIOS[a, b]
    return 1 / PUBLISHED_RATIOS[b, a] if (b, a) in PUBLISHED_RATIOS else None
