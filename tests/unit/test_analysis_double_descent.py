"""Features of time alone against scikit-learn's least squares, and against the printed column."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis import double_descent as module
from brainalign.analysis.double_descent import double_descent, time_alone
from figure_tables import PUBLISHED, widths
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import ShuffleSplit


# Of many units the minimum-norm solution is the limit of ridge (scikit-learn's SVD takes a minute).
@pytest.mark.parametrize(
    ("width", "model"), [(300, LinearRegression()), (1600, Ridge(1e-3, solver="cholesky"))]
)
def test_scores_are_those_of_scikit_learn_on_the_same_series(width: int, model) -> None:
    """Brain-Score's path: ShuffleSplit, least squares, Pearson r, medians."""
    rng = np.random.default_rng([0, 0])
    signal = module._series(60, module.SIGNAL, rng)
    y = signal + rng.standard_normal(signal.shape)
    x = module._series(width, module.UNIT, np.random.default_rng([0, width])).astype(np.float32)
    medians = []
    for train, test in ShuffleSplit(3, train_size=0.9, random_state=1).split(y):
        guess = model.fit(x[train].astype(float), y[train]).predict(x[test])
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(guess.T, y[test].T, strict=True)]
        medians.append(np.median(r))
    assert time_alone([width]) == pytest.approx([np.mean(medians)], abs=2e-3)


def test_series_are_autoregressive_inside_stories_only() -> None:
    x = module._series(400, 0.9, np.random.default_rng(1))
    begins = np.cumsum(module.STORIES)[:-1]
    assert x.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(x[begins].ravel(), x[begins - 1].ravel())[0, 1] == pytest.approx(0, abs=0.08)
    inside = [np.corrcoef(x[t], x[t - 1])[0, 1] for t in range(10, 160)]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.01)
    assert len(x) == 1317


def test_the_printed_column_follows_the_widths() -> None:
    """The means of Table 5 by width, by hand; r over the widths up to 4,096 and over all."""
    table = widths().set_index("width")
    by_hand = {512: 0.173, 768: 0.1578, 1024: 0.0946, 1280: 0.0755, 1600: 0.1395, 2048: 0.2063}
    assert table["published"][list(by_hand)].tolist() == pytest.approx(
        list(by_hand.values()), abs=1e-3
    )
    some = table[table.index <= 4096]
    assert len(some) == 7
    assert np.corrcoef(some["published"], some["time_alone"])[0, 1] == pytest.approx(
        0.97, abs=0.015
    )
    assert np.corrcoef(table["published"], table["time_alone"])[0, 1] == pytest.approx(
        0.70, abs=0.03
    )
    assert table["time_alone"].idxmin() == table["published"].idxmin() == 1280
    assert table["n_models"].sum() == 33
    assert table["units_per_row"][1280] == 1280 / 1185


def test_another_draw_of_noise_says_the_same() -> None:
    models = pd.read_csv(PUBLISHED / "models.csv")
    other = double_descent(models[models["width"] <= 4096], seed=5)
    assert np.corrcoef(other["published"], other["time_alone"])[0, 1] > 0.94
