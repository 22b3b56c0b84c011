"""Curves in time whose acceleration is continuous."""

from __future__ import annotations

import numpy as np

GRAVITY = 9.81
"""Metres a second squared."""
RAMP = 0.35
"""Share of a foot's flight in which it gets to its speed, and in which it comes to rest."""


def ease(u: np.ndarray) -> np.ndarray:
    """Return 0 to 1 over u in [0, 1], with zero velocity and acceleration at both ends."""
    u = np.clip(u, 0, 1)
    return u * u * u * (10 - 15 * u + 6 * u * u)


def glide(u: np.ndarray) -> np.ndarray:
    """Return 0 to 1 over u in [0, 1] as `ease` does, but at an even speed but for a share `RAMP` at each end.

    It is at most 1 / (1 - RAMP) times as fast as the mean; `ease` is 1.875 times as fast.
    """
    u = np.clip(u, 0, 1)
    early, late = np.minimum(u / RAMP, 1), np.minimum((1 - u) / RAMP, 1)
    even = np.clip(u, RAMP, 1 - RAMP) - RAMP

    def ramp(share: np.ndarray) -> np.ndarray:
        """The way through a ramp of the speed 3 share^2 - 2 share^3."""
        way: np.ndarray = RAMP * (share**3 - share**4 / 2)
        return way

    smooth: np.ndarray = (ramp(early) + even + RAMP / 2 - ramp(late)) / (1 - RAMP)
    return smooth


def bump(u: np.ndarray, rise: int = 3, fall: int = 3) -> np.ndarray:
    """Return 0 to 1 and back over u in [0, 1], with zero velocity and acceleration at both ends.

    The peak is at rise / (rise + fall).
    """
    u = np.clip(u, 0, 1)
    peak = rise / (rise + fall)
    return u**rise * (1 - u) ** fall / (peak**rise * (1 - peak) ** fall)


def fade(x: np.ndarray) -> np.ndarray:
    """Return how much of a full-speed movement remains at share `x` of the speed: 0 at 0, about 1 at 1, smooth."""
    return np.tanh(2 * x) / np.tanh(2.0)


def spline(
    knots: np.ndarray, values: np.ndarray, slopes: np.ndarray, bends: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Return the quintic spline (N, T) through given values, first and second derivatives.

    Before the first and after the last knot it keeps their values.

    Args:
        knots: (N, K) ascending seconds.
        values: (N, K).
        slopes: (N, K) per second.
        bends: (N, K) per second squared.
        times: (N, T) seconds.
    """
    left = np.clip((times[..., None] >= knots[:, None]).sum(-1) - 1, 0, knots.shape[1] - 2)

    def at(array: np.ndarray, place: np.ndarray) -> np.ndarray:
        return np.take_along_axis(array, place, 1)

    lasts = at(knots, left + 1) - at(knots, left)
    u = np.clip((times - at(knots, left)) / lasts, 0, 1)
    a, b, c = at(values, left), at(slopes, left) * lasts, at(bends, left) * lasts**2 / 2
    to = at(values, left + 1) - a - b - c
    slope = at(slopes, left + 1) * lasts - b - 2 * c
    bend = at(bends, left + 1) * lasts**2 - 2 * c
    d, e, f = 10 * to - 4 * slope + bend / 2, -15 * to + 7 * slope - bend, 6 * to - 3 * slope + bend / 2
    smooth: np.ndarray = a + u * (b + u * (c + u * (d + u * (e + u * f))))
    return smooth
