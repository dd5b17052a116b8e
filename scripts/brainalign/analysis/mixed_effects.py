"""A mixed-effects model of alignment: is tuning worth something, the vanilla model being random?"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy.special import stdtr
from scipy.stats import linregress

from brainalign.analysis.averages import dataset_scores, model_facts
from brainalign.intervals import reach

COLUMNS = (
    "dataset", "mode", "term", "estimate", "se", "t", "df", "p", "low", "high", "n", "n_bases",
    "formula", "random", "converged", "note", "simulated",
)  # fmt: skip
MINIMUM_BASES = 3
SIZE = "log10_parameters"


def mixed_effects(scores: pd.DataFrame) -> pd.DataFrame:
    """r ~ tuned + log10 parameters, random over vanilla models; per mode and dataset.

    One value per model (its score on a dataset, or its average), so that a model's own deviation
    is the residual and not counted once per dataset.
    A cluster is a vanilla model with its tuned models. Its intercept and its effect of tuning are
    random; where that does not converge, or gives no standard errors, the intercept alone (`random`
    says which). Fitted by REML. With few clusters a normal approximation rejects too often, so t
    has (clusters − 1) degrees of freedom. Size varies between clusters only: its row is the
    regression over one value per cluster, exact where these are normal and alike in variance.


    Parameters
    ----------
    scores : the table `scores`.

    Returns
    -------
    COLUMNS (docs/outputs.md); a model that cannot be fitted has one row with a `note`.
    """
    facts = model_facts(scores)
    levels = dataset_scores(scores)
    rows: list[dict[str, Any]] = []
    for key, part in levels.groupby(["simulated", "mode", "dataset"], sort=False):
        data = part[part["r"].notna()].join(facts, on="model")
        data = data[data["role"].isin(("vanilla", "tuned"))]
        about = dict(zip(("simulated", "mode", "dataset"), key, strict=True))
        rows += [{**about, **row} for row in _fit(_with_partner(data))]
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def _with_partner(data: pd.DataFrame) -> pd.DataFrame:
    """Clusters that hold a vanilla model and a tuned one."""
    data = data.assign(
        cluster=data["base"].where(data["role"] == "tuned", data["model"]).astype(str),
        tuned=(data["role"] == "tuned").astype(float),
    )
    roles = data.groupby("cluster")["role"].transform("nunique")
    return data[roles == 2].copy()


def _fit(data: pd.DataFrame) -> list[dict[str, Any]]:
    n_bases = data["cluster"].nunique()
    about = {"n": len(data), "n_bases": n_bases}
    if n_bases < MINIMUM_BASES:
        note = f"not computable: {n_bases} vanilla models with tuned ones, {MINIMUM_BASES} needed"
        return [{**about, "term": "tuned", "note": note}]
    formula = "r ~ tuned"
    vanilla = data["role"] == "vanilla"
    if data["parameters"].notna().all() and data.loc[vanilla, "parameters"].nunique() > 1:
        size = np.log10(data["parameters"].astype(float))
        data = data.assign(**{SIZE: size - size.mean()})
        formula += f" + {SIZE}"
    scale = data["r"].std()
    if not scale > 1e-12 * data["r"].abs().max():
        return [{**about, "term": "tuned", "note": "not computable: all scores are alike"}]
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
                found = model.fit(reml=True, method=["lbfgs", "powell"])
            except np.linalg.LinAlgError:
                continue
            errors = np.asarray(found.bse_fe, float)
        if found.converged and np.isfinite(errors).all():
            break
    else:
        return [{**about, "term": "tuned", "formula": formula, "converged": False,
                 "note": "not computable: the fit does not converge"}]  # fmt: skip
    rows = []
    for term, estimate, error in zip(found.fe_params.index, found.fe_params, errors, strict=True):
        if term == SIZE:
            rows.append({**about, "term": SIZE, **_size(data, scale), "converged": True})
            continue
        tested = _tested(estimate * scale, error * scale, n_bases - 1)
        rows.append({**about, "term": term, **tested, "formula": formula, "random": random,
                     "converged": True})  # fmt: skip
    return rows


def _size(data: pd.DataFrame, scale: float) -> dict[str, Any]:
    """Least squares over clusters: the mean of vanilla and tuned r on that of their log10 sizes.

    The mean over a cluster's tuned models counts as much as its vanilla model, so that the number
    of the former does not bring the effect of tuning in.
    """
    roles = data.groupby(["cluster", "role"])[["r", SIZE]].mean()
    r, size = (roles[name].groupby("cluster").mean() for name in ("r", SIZE))
    line = linregress(size, r)
    return {
        **_tested(line.slope * scale, line.stderr * scale, len(r) - 2),
        "formula": f"mean of vanilla and tuned r ~ {SIZE}",
        "random": "none: one value per vanilla model",
    }


def _tested(estimate: float, error: float, freedom: int) -> dict[str, Any]:
    """An estimate with Student's t test and 95 % interval."""
    t = estimate / error if error > 0 else np.nan
    half = reach(freedom) * error
    return {
        "estimate": estimate, "se": error, "t": t, "df": freedom,
        "p": float(2 * stdtr(freedom, -abs(t))), "low": estimate - half, "high": estimate + half,
        "note": "",
    }  # fmt: skip
