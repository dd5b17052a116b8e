"""What an alignment table says of the chosen layer alone: unique variance, null distributions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainalign.encoding.banded import Nuisance
from brainalign.encoding.chance import Null, p_values
from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.features import Features
from brainalign.encoding.layer_choice import overall
from brainalign.encoding.summary import mean_of_defined, with_mean


def add_unique(
    result: pd.DataFrame, nuisance: Nuisance, chosen: Sequence[Features], aggregate: Aggregate
) -> None:
    """Unique variance of the layer `chosen` in each fold, in its rows of the table."""
    unique = {key: with_mean(values) for key, values in aggregate(nuisance.unique(chosen)).items()}
    rows = result["chosen"]
    cells = result.loc[rows, ["subject", "region", "fold"]].itertuples(index=False)
    result.loc[rows, "unique_r2"] = [unique[who, where][fold + 1] for who, where, fold in cells]
    result.loc[rows, "beyond"] = " ".join(nuisance.names)
    if nuisance.shifts:
        shifted = (aggregate(values)["all", "all"] for values in nuisance.null(chosen))
        drawn = np.array([mean_of_defined(values) for values in shifted])
        add_null(result, "unique_r2", ("unique_null", "unique_p"), drawn)


def add_null(result: pd.DataFrame, column: str, into: tuple[str, str], drawn: np.ndarray) -> None:
    """The mean of a null distribution `drawn` [draw], and the p of a value so large, beside the
    value over all folds."""
    row = overall(result[result["chosen"]]).index[0]
    value = result.loc[row, column]
    if not np.isnan(value) and not np.isnan(drawn).any():
        result.loc[row, list(into)] = drawn.mean(), float(p_values(np.append(value, drawn)))


def add_chance(result: pd.DataFrame, null: Null, aggregate: Aggregate, level: float) -> None:
    """p of the chosen layer over all folds, the group's p, and how many targets are significant.

    Targets are significant where q is not above `level`.
    """
    significant = null.q <= level
    for row in result.index[result["chosen"] & (result["fold"] == -1)]:
        key = subject, region = tuple(result.loc[row, ["subject", "region"]])
        result.loc[row, ["r_null", "r_p", "n_significant"]] = (
            null.means[key][1:].mean(), null.p_of(key), significant[aggregate.targets(*key)].sum(),
        )  # fmt: skip
        if subject == "all":
            result.loc[row, "group_p"] = null.group_p(region)
