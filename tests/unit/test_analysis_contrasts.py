"""The interval of a contrast's average over datasets, against its closed form."""

import numpy as np
import pytest
from brainalign.analysis.contrasts import AVERAGE, Members, Pairs, _contrast
from scipy.stats import t


@pytest.mark.parametrize("sizes", [(6, 6), (6, 6, 6), (5, 9)])
def test_units_of_equally_many_are_drawn_for_each_dataset_alone(sizes: tuple[int, ...]) -> None:
    """The variances of the datasets' means add up; a draw in common would add covariances."""
    rng = np.random.default_rng(3)
    # The same differences in every dataset: drawn alike, their covariances equal the variances.
    samples = [np.sort(rng.normal(0.02, 0.05, n)) for n in sizes]
    datasets = {
        f"d{i}": Pairs("b", np.array([each.mean()]), np.zeros(1), each[None], "subjects", [""])
        for i, each in enumerate(samples)
    }
    mean = float(np.mean([each.mean() for each in samples]))
    datasets[AVERAGE] = Pairs("all", np.array([mean]), np.zeros(1), np.empty((1, 0)), "none", [""])
    members = Members(np.array(["a"]), np.array(["b"]), np.array(["f"]), np.ones((20_000, 1)))
    rows = [
        row for row in _contrast(members, datasets, 20_000, 1)
        if row["dataset"] == AVERAGE and row["level"] == "pair"
    ]  # fmt: skip
    variances = np.array([each.var(ddof=1) / len(each) for each in samples])
    freedom = variances.sum() ** 2 / sum(
        v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True)
    )
    half = t.ppf(0.975, freedom) * np.sqrt(variances.sum()) / len(sizes)
    assert rows[0]["low"] == pytest.approx(mean - half, abs=0.03 * half)
    assert rows[0]["high"] == pytest.approx(mean + half, abs=0.03 * half)
