"""Blank2014 by the width of the model: what least squares makes of features that hold time alone.

The published scores on Blank2014 are of least squares on shuffled volumes. Volumes of one story are
alike in time, in the brain and in a model's states, so that features without any language predict
held-out volumes from their neighbours; and the error of least squares has its peak where there are
as many units as training rows (double descent: Belkin et al. 2019, PNAS 116:15849). So r falls with
the width up to 1,185 units and rises beyond.
"""

import numpy as np
import pandas as pd

from brainalign.encoding.benchmark import RegressionBenchmark, of_rows
from brainalign.encoding.features import Features
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.scoring import score_layer
from brainalign.encoding.settings import Ols, Scoring
from brainalign.encoding.splits import Shuffled

# Blank2014 as Brain-Score packages it: 8 stories, volumes of 2 s, 12 regions of 5 listeners.
STORIES = (165, 165, 165, 165, 165, 164, 164, 164)
ROWS, SUBJECTS, REGIONS = sum(STORIES), 5, 12
# A volume's correlation with the one before: of the responses' signal (half of their variance; the
# other half is noise), and of a unit.
SIGNAL, UNIT = 0.9, 0.7
TRAIN = 0.9
SCORING = Scoring(
    regression=Ols(), split=Shuffled(folds=3, train=TRAIN, seed=1), aggregate="median-pooled"
)
COLUMNS = ("width", "units_per_row", "n_models", "published", "time_alone", "simulated")


def double_descent(models: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Published r on Blank2014 beside that of features of time alone, a row per width of a model.

    Parameters
    ----------
    models : resources/published/models.csv (`width`, `blank2014`).

    Returns
    -------
    COLUMNS: `width`, `units_per_row` (units over training rows), `n_models`, `published` (mean r of
    the models of that width), `time_alone` (r of simulated features), `simulated` (False: the
    published side is real).
    """
    means = models.groupby("width")["blank2014"].agg(["size", "mean"])
    widths = [int(width) for width in means.index]
    return pd.DataFrame(
        {
            "width": widths,
            "units_per_row": np.array(widths) / round(TRAIN * ROWS),
            "n_models": means["size"].to_numpy(),
            "published": means["mean"].to_numpy(),
            "time_alone": time_alone(widths, seed),
            "simulated": False,
        }
    )[list(COLUMNS)]


def time_alone(widths: list[int], seed: int = 0) -> list[float]:
    """Median r over targets of the legacy benchmark, for features that know the time alone.

    Responses and features are independent autoregressive series that begin anew in each story.
    """
    rng = np.random.default_rng([seed, 0])
    signal = _series(SUBJECTS * REGIONS, SIGNAL, rng)
    responses = Responses(
        signal + rng.standard_normal(signal.shape),
        Targets(
            np.array([f"t{i}" for i in range(signal.shape[1])]),
            np.repeat([f"s{i}" for i in range(SUBJECTS)], REGIONS),
            np.tile([f"r{i}" for i in range(REGIONS)], SUBJECTS),
        ),
    )
    ids, stories = [f"{i:05d}" for i in range(ROWS)], np.repeat(range(len(STORIES)), STORIES)
    benchmark = of_rows(SCORING, ids, stories, stories)
    assert isinstance(benchmark, RegressionBenchmark)
    result = []
    for width in widths:
        features = _series(width, UNIT, np.random.default_rng([seed, width])).astype(np.float32)
        r = score_layer(Features(features), responses, benchmark, benchmark.splits).r
        result.append(float(np.median(r, axis=1).mean()))
    return result


def _series(n: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """n series of unit variance, float64 [volume, series], each story apart."""
    values = rng.standard_normal((ROWS, n))
    begins = {0, *np.cumsum(STORIES)}
    for row in range(1, ROWS):
        if row not in begins:
            values[row] *= np.sqrt(1 - correlation**2)
            values[row] += correlation * values[row - 1]
    return values
