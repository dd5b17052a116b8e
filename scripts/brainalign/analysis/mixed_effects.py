"""A mixed-effects model of alignment: is tuning worth something, the vanilla model being random?"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy.special import stdtr

from brainalign.analysis.averages import dataset_scores, model_facts
from brainalign.intervals import reach

COLUMNS = (
    "dataset", "mode", "term", "estimate", "se", "t", "df", "p", "low", "high", "n", "n_bases",
    "formula", "random", "converged", "note", "simulated",
)  # fmt: skip
MINIMUM_BASES = 3
FEW = "of {} vanilla models: p is too small, the interval too narrow"
KEEPS_ITS_LEVEL = 24  # vanilla models, for the test of size (docs/methods/analysis.md)


def mixed_effects(scores: pd.DataFrame) -> pd.DataFrame:
    """r ~ tuned + log10 parameters, random over vanilla models; per mode and dataset.

    One value per model (its score on a dataset, or its average), so that a model's own deviation
    is the residual and not counted once per dataset.
    A cluster is a vanilla model with its tuned models. Its intercept and its effect of tuning are
    random; where that does not converge, or has a singular fit, the intercept alone (`random` says
    which). Fitted by REML. With few clusters a normal approximation rejects too often, so t has
    (clusters − 1) degrees of freedom, (clusters − 2) for size, which varies between them only.

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
    if data["parameters"].notna().all() and data["parameters"].nunique() > 1:
        size = np.log10(data["parameters"].astype(float))
        data = data.assign(log10_parameters=size - size.mean())
        formula += " + log10_parameters"
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
        freedom = n_bases - (2 if term == "log10_parameters" else 1)
        half = reach(freedom) * error
        t = estimate / error if error > 0 else np.nan
        few = term == "log10_parameters" and n_bases < KEEPS_ITS_LEVEL
        rows.append(
            {
                **about, "term": term, "estimate": estimate * scale, "se": error * scale, "t": t,
                "df": freedom, "p": float(2 * stdtr(freedom, -abs(t))),
                "low": (estimate - half) * scale,
                "high": (estimate + half) * scale, "formula": formula,
                "random": random, "converged": True,
                "note": FEW.format(n_bases) if few else "",
            }
        )  # fmt: skip
    return rows
