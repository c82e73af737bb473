"""Sums that keep what rounding loses."""

from __future__ import annotations

from vedette_specs import Floats


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a + b as the nearest float and what it lacks. Source: Knuth, TAOCP 2, section 4.2.2, theorem B."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
