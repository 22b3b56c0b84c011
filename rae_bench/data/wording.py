"""Words for people: lengths in the unit that suits them, lists cut short, numbers in ranges."""

from __future__ import annotations

from collections.abc import Sequence


def as_length(metres: float) -> str:
    """Return a length in words, in metres, centimetres or millimetres by its size."""
    size = abs(metres)
    if size >= 1:
        return f"{metres:.3g} m"
    return f"{100 * metres:.3g} cm" if size >= 0.01 else f"{1000 * metres:.2g} mm"


def first_few(names: Sequence[str], count: int = 6, separator: str = ", ") -> str:
    """Return the first names in words, and how many more there are."""
    return separator.join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def in_ranges(numbers: Sequence[int]) -> str:
    """Return whole numbers in rising order, neighbours as a range: 0, 3-4."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
