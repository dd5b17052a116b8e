"""A mixed-effects model of alignment: is tuning worth something, the vanilla model being random?"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy.stats import linregress

from brainalign.analysis.averages import AVERAGE, dataset_scores, model_facts
from brainalign.analysis.crossed import (
    NOTHING,
    Variance,
    held_out_by,
    over_models,
    tested,
    unit_tables,
)
from brainalign.analysis.records import TRAINED
from brainalign.analysis.wording import counted
from brainalign.notes import not_computable

COLUMNS = (
    "dataset", "mode", "term", "estimate", "se", "t", "df", "p", "p_these_stimuli", "low", "high",
    "scope", "n", "n_bases", "formula", "random", "converged", "note", "simulated",
)  # fmt: skip
MINIMUM_BASES = 3
SIZE = "log10_parameters"


def mixed_effects(scores: pd.DataFrame, subjects: pd.DataFrame) -> pd.DataFrame:
    """r ~ tuned + log10 parameters, random over vanilla models; per mode and dataset.

    One value per model (its score on a dataset, or its average), so that a model's own deviation
    is the residual and not counted once per dataset.
    A cluster is a vanilla model with its tuned models. Its intercept and its effect of tuning are
    random; where that does not converge, or gives no standard errors, the intercept alone (`random`
    says which). Fitted by REML. With few clusters a normal approximation rejects too often, so t
    has (clusters − 1) degrees of freedom. Size varies between clusters only: its row is the
    regression over one value per cluster, exact where these are normal and alike in variance.
    All models are scored on the same subjects and stimuli. What their effects therefore share
    (`crossed.over_models`) is added to the squared standard error.

    Parameters
    ----------
    scores, subjects : tables of `scores.collect_scores`.

    Returns
    -------
    COLUMNS (docs/outputs.md); a model that cannot be fitted has one row with a `note`.
    """
    facts = model_facts(scores)
    levels = dataset_scores(scores)
    cells = subjects[(subjects["subject"] != "all") & (subjects["fold"] >= 0)]
    averaged = levels["dataset"].unique()
    rows: list[dict[str, Any]] = []
    for key, part in levels.groupby(["simulated", "mode", "dataset"], sort=False):
        data = part[part["r"].notna()].join(facts, on="model")
        data = data[data["role"].isin(TRAINED)]
        about = dict(zip(("simulated", "mode", "dataset"), key, strict=True))
        of_key = cells[(cells["simulated"] == key[0]) & (cells["mode"] == key[1])]
        of_key = of_key[of_key["dataset"].isin(averaged if key[2] == AVERAGE else [key[2]])]
        rows += [{**about, **row} for row in _fit(_with_partner(data), of_key)]
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def _with_partner(data: pd.DataFrame) -> pd.DataFrame:
    """Clusters that hold a vanilla model and a tuned one."""
    data = data.assign(
        cluster=data["base"].where(data["role"] == "tuned", data["model"]).astype(str),
        tuned=(data["role"] == "tuned").astype(float),
    )
    roles = data.groupby("cluster")["role"].transform("nunique")
    return data[roles == 2].copy()


def _fit(data: pd.DataFrame, cells: pd.DataFrame) -> list[dict[str, Any]]:
    n_bases = data["cluster"].nunique()
    about = {"n": len(data), "n_bases": n_bases}
    if n_bases < MINIMUM_BASES:
        note = not_computable(
            f"{counted(n_bases, 'vanilla model')} with tuned ones, {MINIMUM_BASES} needed"
        )
        return [{**about, "term": "tuned", "note": note}]
    formula = "r ~ tuned"
    vanilla = data["role"] == "vanilla"
    if data["parameters"].notna().all() and data.loc[vanilla, "parameters"].nunique() > 1:
        size = np.log10(data["parameters"].astype(float))
        data = data.assign(**{SIZE: size - size.mean()})
        formula += f" + {SIZE}"
    scale = data["r"].std()
    if not scale > 1e-12 * data["r"].abs().max():
        return [{**about, "term": "tuned", "note": not_computable("all scores are alike")}]
    data = data.assign(r=data["r"] / scale)
    for random in ("intercept and tuned", "intercept"):
        model = smf.mixedlm(
            formula,
            data,
            groups=data["cluster"],
            re_formula="~tuned" if random == "intercept and tuned" else "1",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fit = model.fit(reml=True, method=["lbfgs", "powell"])
            except np.linalg.LinAlgError:
                continue
            errors = np.asarray(fit.bse_fe, float)
        if fit.converged and np.isfinite(errors).all():
            break
    else:
        return [{**about, "term": "tuned", "formula": formula, "converged": False,
                 "note": not_computable("the fit does not converge")}]  # fmt: skip
    rows = []
    clusters = _Clusters(data, cells)
    for term, estimate, error in zip(fit.fe_params.index, fit.fe_params, errors, strict=True):
        if term == SIZE:
            rows.append({**about, "term": SIZE, **_size(data, scale, clusters), "converged": True})
            continue
        rows.append(
            {
                **about, "term": term, "formula": formula, "random": random, "converged": True,
                **clusters.tested(estimate * scale, error * scale, n_bases - 1, term),
            }
        )  # fmt: skip
    return rows


def _size(data: pd.DataFrame, scale: float, clusters: "_Clusters") -> dict[str, Any]:
    """Least squares over clusters: the mean of vanilla and tuned r on that of their log10 sizes.

    The mean over a cluster's tuned models counts as much as its vanilla model, so that the number
    of the former does not bring the effect of tuning in.
    """
    roles = data.groupby(["cluster", "role"])[["r", SIZE]].mean()
    r, size = (roles[name].groupby("cluster").mean() for name in ("r", SIZE))
    line = linregress(size, r)
    deviation = (size - size.mean()).to_numpy()
    weights = deviation / np.sum(deviation**2)
    return {
        **clusters.tested(line.slope * scale, line.stderr * scale, len(r) - 2, SIZE, weights),
        "formula": f"mean of vanilla and tuned r ~ {SIZE}",
        "random": "none: one value per vanilla model",
    }


class _Clusters:
    """The scores of every cluster's vanilla model and (their mean) tuned ones, cell by cell.

    `vanilla`, `tuned`: per dataset [cluster, subject, fold], clusters in sorted order.
    """

    def __init__(self, data: pd.DataFrame, cells: pd.DataFrame) -> None:
        members = [part for _, part in data.groupby("cluster")]
        self.n = len(members)
        self.datasets = []
        for _, of_dataset in cells.groupby("dataset", sort=False):
            tables = unit_tables(of_dataset, data["model"].to_list())
            of_model = dict(zip(data["model"], tables, strict=True))
            vanilla, tuned = (
                np.stack([
                    np.mean([of_model[m] for m in part.loc[part["role"] == role, "model"]], axis=0)
                    for part in members
                ])
                for role in TRAINED
            )  # fmt: skip
            self.datasets.append((vanilla, tuned, held_out_by(of_dataset)))

    def tested(
        self, estimate: float, error: float, freedom: int, term: str,
        weights: np.ndarray | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """An estimate with interval and test; `error` and `freedom` are those over clusters."""
        weights = np.full(self.n, 1 / self.n) if weights is None else weights
        variance, fixed = (
            self._variance(Variance(error**2, freedom), term, weights, stimuli)
            for stimuli in (True, False)
        )
        se = np.sqrt(variance.value)
        row = tested(estimate, variance, fixed, vanilla_models=True)
        del row["test"]
        return {
            "estimate": estimate, "se": se, "t": estimate / se if se > 0 else np.nan,
            "df": variance.freedom, **row,
        }  # fmt: skip

    def _variance(
        self, over_clusters: Variance, term: str, weights: np.ndarray, stimuli: bool
    ) -> Variance:
        datasets = []
        for vanilla, tuned, held_out in self.datasets:
            values = {"tuned": tuned - vanilla, SIZE: (tuned + vanilla) / 2}.get(term, vanilla)
            datasets.append((values, held_out if stimuli else NOTHING, True))
        return over_models(over_clusters, datasets, weights)
