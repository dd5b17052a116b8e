"""Is it tuning, or a worse language model? Contrasts of reading times at equal next-word loss.

Fit to reading times changes with next-word loss across models, and tuning changes the loss. So
every difference of a tuned and its vanilla model stands three times: as it is; minus what vanilla
models of the same families predict for the change in loss; and against the vanilla model of the
family whose loss is closest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.crossed import STIMULI, Variance, over_models, tested
from brainalign.analysis.predictors import LOSS
from brainalign.analysis.records import TRAINED
from brainalign.behavior.fits import ABS_R, CORRELATIONS, GAINS, READ_LOSS, R
from brainalign.intervals import jackknife, welch_satterthwaite
from brainalign.multiplicity import adjust_within
from brainalign.notes import not_computable

METHODS = ("as it is", "given loss", "closest in loss")
MEASURES = (*CORRELATIONS, *GAINS)
COLUMNS = (
    "dataset", "mode", "measure", "loss", "method", "model", "base", "against", "difference", "low",
    "high", "unit", "n", "scope", "test", "p", "p_adjusted", "p_these_stimuli", "low_stories",
    "high_stories", "loss_difference", "slope", "slope_error", "n_vanilla", "extrapolated", "note",
    "simulated",
)  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True)
class Slope:
    """How much fit changes with loss among vanilla models: b of score = family + b · loss.

    `weights` [model]: b is their product with the models' scores. `freedom` of the residuals.
    """

    weights: np.ndarray
    used: np.ndarray
    freedom: int

    def fit(self, scores: np.ndarray, losses: np.ndarray, families: np.ndarray) -> tuple:
        """b and its standard error, from scores, losses and families [model]."""
        b = float(self.weights @ scores)
        x, y = _centred(losses, families, self.used), _centred(scores, families, self.used)
        if self.freedom < 1:
            return b, np.nan
        rest = ((y - b * x) ** 2)[self.used].sum() / self.freedom
        return b, float(np.sqrt(rest / (x[self.used] ** 2).sum()))


def reading_loss(
    behaviors: pd.DataFrame, stories: pd.DataFrame, losses: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Differences of tuned and vanilla models in fit to reading times, with and without their loss.

    Parameters
    ----------
    behaviors, stories : tables of `collect.collect_behaviors`. A model's loss is its mean
        surprisal on the very words (`mean_bits`).
    losses : table of next-word losses, whose `bits_per_byte` is a second loss where all models of a
        benchmark have it.

    Returns
    -------
    COLUMNS (docs/outputs.md): a row per pair and, with model `all`, the mean over vanilla models.
    """
    rows: list[Row] = []
    keys = ["dataset", "benchmark", "mode"]
    for (dataset, benchmark, mode), part in behaviors.groupby(keys, sort=False):
        facts = part.drop_duplicates("model").set_index("model")
        facts = facts[facts["role"].isin(TRAINED)]
        parts = stories[(stories["benchmark"] == benchmark) & (stories["kind"] == "story")]
        for name, loss in _losses(part, losses):
            had = set(part["measure"])
            # The paper's |r| and r are one measure.
            for measure in [m for m in MEASURES if not (m == R and ABS_R in had)]:
                values = part[part["measure"] == measure].set_index("model")["value"]
                table = facts.assign(score=values, loss=loss).dropna(subset=["score", "loss"])
                of_stories = parts[parts["measure"] == measure] if measure in GAINS else None
                about = {"dataset": dataset, "mode": mode, "measure": measure, "loss": name}
                rows += [{**about, **row} for row in _rows(table, of_stories)]
    result = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    if result.empty:
        return result
    # One family of tests: all measures and data, of one mode, loss and method, over all pairs.
    family = result["mode"] + " " + result["loss"] + " " + result["method"]
    overall = result["model"] == "all"
    adjusted = adjust_within(result[overall].assign(family=family[overall]), "family")
    result["p_adjusted"] = adjusted.reindex(result.index)
    return result


def _losses(part: pd.DataFrame, losses: pd.DataFrame | None) -> Iterator[tuple[str, pd.Series]]:
    """The name and the values of each loss, indexed by model."""
    yield READ_LOSS, part[part["measure"] == READ_LOSS].set_index("model")["value"]
    if losses is not None:
        for text, rows in losses.groupby("text", sort=False):
            yield f"{LOSS} {text}", rows.set_index("model")["bits_per_byte"]


def _rows(table: pd.DataFrame, of_stories: pd.DataFrame | None) -> Iterator[Row]:
    """The rows of one measure and loss; `table` has a row per model with score and loss."""
    tuned = table[(table["role"] == "tuned") & table["base"].isin(table.index)]
    if tuned.empty:
        return
    index = {name: i for i, name in enumerate(table.index)}
    families = table["family"].to_numpy(object)
    scores, loss = table["score"].to_numpy(float), table["loss"].to_numpy(float)
    vanilla = (table["role"] == "vanilla").to_numpy()
    slope = loss_slope(loss, families, vanilla)
    b, b_error = slope.fit(scores, loss, families)
    sums = _story_sums(of_stories, list(table.index))
    for method in METHODS:
        pairs = []
        for name, model in tuned.iterrows():
            of, against = index[name], index[model["base"]]
            if method == "closest in loss":
                same = np.flatnonzero(vanilla & (families == families[of]))
                if not len(same):
                    continue
                against = same[np.argmin(np.abs(loss[same] - loss[of]))]
            weights = np.zeros(len(table))
            weights[of] += 1
            weights[against] -= 1
            change = loss[of] - loss[against]
            if method == "given loss":
                weights = weights - change * slope.weights
            reach = loss[vanilla & (families == families[of])]
            outside = len(reach) == 0 or not reach.min() <= loss[of] <= reach.max()
            pairs.append(
                {
                    "method": method, "model": name, "base": model["base"],
                    "against": table.index[against], "difference": float(weights @ scores),
                    "loss_difference": change, "extrapolated": outside, "n": 1, "unit": "stories",
                    "weights": weights, "simulated": bool(model["simulated"]),
                }
            )  # fmt: skip
        if not pairs:
            continue
        about: Row = {}
        if method == "given loss":
            about = {"slope": b, "slope_error": b_error, "n_vanilla": int(slope.used.sum())}
            if not slope.used.any():
                why = not_computable("no family has two vanilla models")
                yield from ({**_shown(pair), "difference": np.nan, "note": why} for pair in pairs)
                yield {
                    "method": method,
                    "model": "all",
                    "note": why,
                    "simulated": pairs[0]["simulated"],
                }
                continue
        yield from (
            {**_shown(pair), **about, **_over_stories(pair["weights"], sums)} for pair in pairs
        )
        yield {**_mean(pairs, method, b_error, slope.freedom, sums), **about}


def loss_slope(loss: np.ndarray, families: np.ndarray, vanilla: np.ndarray) -> Slope:
    """The slope on loss that vanilla models share, each family with its level.

    Parameters
    ----------
    loss, families, vanilla (bool) : [model].

    Returns
    -------
    Least squares; only families with two vanilla models or more count.
    """
    names, index = np.unique(families.astype(str), return_inverse=True)
    counts = np.bincount(index, vanilla, minlength=len(names))
    used = vanilla & (counts[index] > 1)
    x = _centred(loss, families, used)
    squares = (x[used] ** 2).sum()
    if not used.any() or squares <= 0:
        return Slope(np.zeros(len(loss)), np.zeros(len(loss), bool), 0)
    weights = np.where(used, x / squares, 0.0)
    return Slope(weights, used, int(used.sum() - (counts > 1).sum() - 1))


def _centred(values: np.ndarray, families: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Values around the mean of the used models of their family; 0 where none is used."""
    result = np.zeros(len(values))
    for family in set(families[used]):
        members = families == family
        result[members] = values[members] - values[members & used].mean()
    return result


def _mean(
    pairs: list[Row], method: str, slope_error: float, freedom: int, sums: np.ndarray | None
) -> Row:
    """The mean over vanilla models of the differences of their tuned models.

    Its variance over new vanilla models is their spread and, given loss, the uncertainty of the
    slope times the mean change in loss (Welch and Satterthwaite's degrees of freedom); new stories
    are reckoned with as in contrasts of alignment (`crossed.over_models`), where the measure is a
    mean over words. The closest model has another loss still, so that its mean has no test (at a
    true difference of 0 one would reject in .13 to .20).
    """
    table = pd.DataFrame([_shown(pair) for pair in pairs]).groupby("base", sort=False)
    means = table[["difference", "loss_difference"]].mean()
    value, change = means.mean()
    m = len(means)
    by_base = pd.DataFrame([p["weights"] for p in pairs])
    weights = by_base.groupby([pair["base"] for pair in pairs], sort=False).mean().to_numpy()
    row: Row = {
        "method": method, "model": "all", "difference": value, "loss_difference": change,
        "unit": "vanilla models", "n": m, "simulated": pairs[0]["simulated"],
        **_over_stories(weights.mean(0), sums, ("low_stories", "high_stories")),
    }  # fmt: skip
    notes = []
    outside = sum(pair["extrapolated"] for pair in pairs)
    if outside and method == "given loss":
        notes.append(
            f"{outside} of {len(pairs)} beyond the losses of their family's vanilla models"
        )
    if method == "closest in loss":
        note = f"no test: their losses still differ by {change:+.2f} bits on average"
        return {**row, "note": note}
    if m < 2:
        return {**row, "note": "; ".join(notes)}
    variances = np.array([means["difference"].var(ddof=1) / m, 0.0])
    free = np.array([m - 1, 0])
    if method == "given loss":
        if np.isnan(slope_error):
            return {**row, "note": "no interval: the slope has no residual degree of freedom"}
        variances[1], free[1] = (change * slope_error) ** 2, freedom
    models = Variance(float(variances.sum()), float(welch_satterthwaite(variances, free)))
    datasets = [] if sums is None else [(_by_story(weights, sums), STIMULI, True)]
    variance = over_models(models, datasets, np.full(m, 1 / m))
    result = tested(float(value), variance, models, vanilla_models=True)
    if sums is None:
        result["note"] = "no p for new stories: the measure is no mean over words"
    return {**row, **result, "note": "; ".join([*notes, *filter(None, [result["note"]])])}


def _by_story(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Weighted sums of scores [row, 1, story], from weights [row, model]: a story's deviation from
    a model's score counts by the story's share of words, so that the mean is the score itself."""
    totals, counts = sums[:, 0], sums[:, 1]
    score = totals.sum(0) / counts.sum(0)
    units = score + (totals - counts * score) / counts.mean(0)
    return np.asarray((weights @ units.T)[:, None, :])


def _shown(pair: Row) -> Row:
    return {key: value for key, value in pair.items() if key != "weights"}


def _story_sums(of_stories: pd.DataFrame | None, models: list[str]) -> np.ndarray | None:
    """Sums and counts [story, 2, model] of an additive measure; None where any is missing."""
    if of_stories is None or of_stories.empty:
        return None
    counts = of_stories.pivot_table(index="group", columns="model", values="n")
    values = of_stories.pivot_table(index="group", columns="model", values="value")
    if not set(models) <= set(values.columns) or values[models].isna().any(axis=None):
        return None
    n = counts[models].to_numpy(float)
    return np.stack([n * values[models].to_numpy(float), n], axis=1)


def _over_stories(
    weights: np.ndarray, sums: np.ndarray | None, names: tuple[str, str] = ("low", "high")
) -> Row:
    """The 95 % interval of a weighted sum of scores, leaving out one story after another."""
    if sums is None:
        return dict.fromkeys(names, np.nan)
    k = len(weights)
    result = jackknife(sums.reshape(len(sums), 2 * k), lambda s: (s[:, :k] / s[:, k:]) @ weights)
    return dict(zip(names, (result.low, result.high), strict=True))
