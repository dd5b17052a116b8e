"""The least span of an axis per measure: values that hardly differ shall not fill a panel."""

from typing import Literal

from matplotlib.axes import Axes

from brainalign.analysis.predictors import LOSS, SIZE
from brainalign.behavior.fits import ABS_R, GAIN, READ_LOSS

# Measure → what an axis spans at least, in its units.
LEAST = {
    "r": 0.02,
    ABS_R: 0.02,
    "delta_r2": 0.005,
    "accuracy": 0.02,
    GAIN: 0.001,  # nats per word
    READ_LOSS: 0.2,  # bits per word
    LOSS: 0.02,  # bits per byte
    "bits_per_token": 0.05,
    "nats_per_label": 0.02,
    SIZE: 0.5,  # log10
}


def at_least(low: float, high: float, measure: str) -> tuple[float, float]:
    """The ends of an axis, moved apart about their middle where they are too close for `measure`.

    Measures that LEAST does not have keep their ends.
    """
    lacking = max(0.0, LEAST.get(measure, 0.0) - (high - low))
    return low - lacking / 2, high + lacking / 2


def measure_of(predictor: str) -> str:
    """What a predictor of alignment (analysis/predictors.py) measures: size, a loss, accuracy."""
    measure = predictor.split(" ")[0]
    return measure if measure in (SIZE, READ_LOSS, LOSS) else "accuracy"


def widen(axes: Axes, measure: str, axis: Literal["x", "y"] = "y") -> None:
    """Give an axis of a drawn panel the least span of its measure, in its units."""
    if axis == "y":
        axes.set_ylim(at_least(*axes.get_ylim(), measure))
    else:
        axes.set_xlim(at_least(*axes.get_xlim(), measure))
