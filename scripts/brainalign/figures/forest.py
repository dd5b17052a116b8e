"""A small forest plot of one estimate, as SVG that takes its colours from the page."""

from collections.abc import Iterable, Sequence

import numpy as np

WIDTH, HEIGHT, MARGIN = 320, 46, 34  # of the drawing, in its own units
MIDDLE, AXIS = 14, 28  # heights of the estimate and of the axis


def span(values: Iterable[float]) -> tuple[float, float]:
    """The ends of an axis that reaches over `values` (NaN is passed over) and 0."""
    known = [0.0, *(float(value) for value in values if np.isfinite(value))]
    low, high = min(known), max(known)
    if low == high:
        return -1.0, 1.0
    margin = 0.08 * (high - low)
    return low - margin * (low < 0), high + margin * (high > 0)


def forest(effect: float, low: float, high: float, ends: Sequence[float], label: str) -> str:
    """An estimate, its interval if it has one, and 0, on an axis between `ends`.

    Parameters
    ----------
    effect, low, high : the estimate and its interval (NaN: none).
    ends : of the axis (`span`).
    label : what a reader of the screen hears.
    """
    if not np.isfinite(effect):
        return ""

    def x(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (value - ends[0]) / (ends[1] - ends[0])

    ticks = [0.0, *(end for end in (low, high) if np.isfinite(end))]
    ticks = ticks if len(ticks) > 1 else [0.0, effect]
    parts = [
        f'<line class="axis" x1="{x(ends[0]):.1f}" x2="{x(ends[1]):.1f}" y1="{AXIS}" y2="{AXIS}"/>',
        f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="2" y2="{AXIS}"/>',
    ]
    taken: list[float] = []
    for tick in ticks:  # 0 first: the others give way to it
        if all(abs(x(tick) - other) > 40 for other in taken):
            taken.append(x(tick))
            parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - 4}">{_number(tick)}</text>')
    if np.isfinite(low) and np.isfinite(high):
        parts.append(
            f'<line class="interval" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{MIDDLE}" '
            f'y2="{MIDDLE}"/>'
        )
        parts.append(f'<circle class="estimate" cx="{x(effect):.1f}" cy="{MIDDLE}" r="5"/>')
    else:
        parts.append(f'<circle class="alone" cx="{x(effect):.1f}" cy="{MIDDLE}" r="5"/>')
    return (
        f'<svg class="forest" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _number(value: float) -> str:
    """A tick's label: two significant digits, a true minus."""
    text = f"{value:+.2g}" if value else "0"
    if "e" in text:
        text = f"{value:+.5f}".rstrip("0")
    return text.replace("-", "−")
