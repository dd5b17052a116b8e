"""The interval of a contrast's average over datasets, against its closed form."""

import numpy as np
import pytest
from brainalign.analysis.averages import AVERAGE
from brainalign.analysis.pair_means import contrast_rows
from brainalign.analysis.pairs import Members, Pairs
from scipy.stats import t


@pytest.mark.parametrize("sizes", [(6, 6), (6, 6, 6), (5, 9)])
def test_the_average_varies_as_datasets_of_separate_subjects_do(sizes: tuple[int, ...]) -> None:
    """The variances of the datasets' means add up; subjects in common would add covariances."""
    rng = np.random.default_rng(3)
    samples = [np.sort(rng.normal(0.02, 0.05, n)) for n in sizes]

    def pairs(mean: float, units: np.ndarray) -> Pairs:
        return Pairs(
            "b", np.array([mean]), np.zeros(1), np.array([False]), units[None, :, None],
            False, True, [""],
        )  # fmt: skip

    datasets = {f"d{i}": pairs(each.mean(), each) for i, each in enumerate(samples)}
    mean = float(np.mean([each.mean() for each in samples]))
    datasets[AVERAGE] = pairs(mean, np.empty(0))
    members = Members(np.array(["a"]), np.array(["b"]), np.array(["f"]))
    rows = [
        row for row in contrast_rows(members, datasets)
        if row["dataset"] == AVERAGE and row["level"] == "pair"
    ]  # fmt: skip
    variances = np.array([each.var(ddof=1) / len(each) for each in samples])
    freedom = variances.sum() ** 2 / sum(
        v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True)
    )
    half = t.ppf(0.975, freedom) * np.sqrt(variances.sum()) / len(sizes)
    assert rows[0]["low"] == pytest.approx(mean - half)
    assert rows[0]["high"] == pytest.approx(mean + half)
