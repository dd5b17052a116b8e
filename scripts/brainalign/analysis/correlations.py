"""Correlates of alignment across models: size, knowledge, next-word prediction, reading times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.association import (
    Correlation,
    over_clusters,
    partial,
    pearson,
    spearman,
    within_groups,
)
from brainalign.analysis.averages import AVERAGE, dataset_scores, model_facts
from brainalign.analysis.crossed import scope_text
from brainalign.analysis.predictors import LOSS, SIZE, formal_tasks, predictors
from brainalign.analysis.records import TRAINED
from brainalign.behavior.fits import CORRELATIONS, GAIN
from brainalign.intervals import Inference
from brainalign.multiplicity import adjust_within
from brainalign.notes import not_computable

COLUMNS = (
    "x", "y", "mode", "models", "subset", "n", "n_bases", "n_families", "method", "r", "slope", "p",
    "p_adjusted", "p_independent", "p_independent_adjusted", "low", "high", "low_families",
    "high_families", "scope", "controlled_for", "test_family", "note", "simulated",
)  # fmt: skip
FITS = (*CORRELATIONS, GAIN)
GROUPS = ("tuned", "bases", "all")
EVERY = "all"
# One value per model: how it would differ with other stimuli is in no p and no interval.
SCOPE = scope_text(vanilla_models=True, subjects=False, stimuli=False)
WITHIN = "within families"

Row = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """The models of one correlation.

    `bases` [model]: the number of the vanilla model that each is or was tuned from; `families`
    [model]: the family's name.
    """

    name: str
    mode: str
    simulated: bool
    bases: np.ndarray
    families: np.ndarray

    def counts(self, *values: np.ndarray) -> tuple[int, int]:
        """Vanilla models and families among the models that have all `values`."""
        present = ~np.isnan(np.sum(values, axis=0))
        return len(set(self.bases[present])), len(set(self.families[present]))

    def over_bases(
        self,
        x: np.ndarray,
        y: np.ndarray,
        given: Sequence[np.ndarray] = (),
        ranked: bool = False,
    ) -> Inference | None:
        """`over_clusters` of vanilla models, of `x`, `y` and each `given` [model]; None where no
        models share one."""
        if len(set(self.bases)) == len(self.bases):
            return None
        return over_clusters(x, y, self.bases, given, ranked)


def correlations(
    scores: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    capabilities: pd.DataFrame | None = None,
    losses: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Correlations across models, simulated and real models never together.

    y: alignment (average and each dataset) and the fit to reading times. x: log10 of the number of
    parameters, accuracy per task and category, next-word loss (bits per byte of running texts; bits
    per word of the text that readers read), the fit to reading times.

    Models: the tuned ones (as in the paper); one mean of tuned models per vanilla model (`bases`:
    models tuned from the same weights are not independent); vanilla and tuned ones together.
    Untrained models and baselines never.

    Per pair of x and y Pearson and Spearman over all models, for the average also without each
    family and within each family; over one value per vanilla model also around the means of the
    families; partial correlations of accuracy given size and size given accuracy, and
    of formal competence (minimal pairs) given each other task and the other way round, and of both
    given size and next-word loss together.

    Where some models share a vanilla model, p is the jackknife's over vanilla models, each with its
    tuned ones; `p_independent` takes models as independent, as the paper does. Where none do, both
    are the classical test.

    Parameters are the tables of the same names.

    Returns
    -------
    COLUMNS (docs/outputs.md).
    """
    facts = model_facts(scores, behaviors, capabilities)
    outcomes = _outcomes(scores, behaviors)
    formal = formal_tasks(capabilities)
    rows: list[Row] = []
    for (simulated, mode), part in outcomes.groupby(["simulated", "mode"], sort=False):
        y = part.pivot_table(index="model", columns="name", values="value", sort=False)
        y = y.reindex(columns=list(dict.fromkeys(part["name"])))
        known = facts[facts.index.isin(y.index)]
        x, capability = predictors(known, capabilities, behaviors, losses)
        x = _with_fits(x, part)
        for name in GROUPS:
            members, member_x, member_y = _members(name, facts, x, y)
            group = _group(name, str(mode), bool(simulated), members)
            rows += _group_rows(group, member_x, member_y, capability, formal)
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    tested = table["subset"] == EVERY
    for p in ("p", "p_independent"):
        table.loc[tested, f"{p}_adjusted"] = adjust_within(table[tested], "test_family", p)
    return table[list(COLUMNS)]


def _outcomes(scores: pd.DataFrame | None, behaviors: pd.DataFrame | None) -> pd.DataFrame:
    """Long table `model`, `mode`, `simulated`, `name`, `value`; alignment is `brain NAME`."""
    columns = ["model", "mode", "simulated", "name", "value"]
    parts = [pd.DataFrame(columns=columns)]
    if scores is not None:
        alignment = dataset_scores(scores).rename(columns={"r": "value"})
        first = alignment["dataset"] == AVERAGE
        alignment = pd.concat([alignment[first], alignment[~first]])
        parts.append(alignment.assign(name="brain " + alignment["dataset"])[columns])
    if behaviors is not None:
        fits = behaviors[behaviors["measure"].isin(FITS)]
        name = "reading " + fits["dataset"] + " " + fits["measure"]
        parts.append(fits.assign(name=name)[columns])
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def _with_fits(x: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """The predictors, and the fits to reading times that alignment is set against."""
    reading = outcomes[outcomes["name"].str.startswith("reading ")]
    fits = {str(fit): part.set_index("model")["value"] for fit, part in reading.groupby("name")}
    return x.assign(**fits)


def _members(
    name: str, facts: pd.DataFrame, x: pd.DataFrame, y: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Facts, x and y of the models of a group, a row each."""
    roles = TRAINED if name == "all" else ("tuned",)
    members = facts[facts["role"].isin(roles) & facts.index.isin(y.index)]
    x, y = x.reindex(members.index), y.reindex(members.index)
    if name != "bases":
        return members, x, y
    base = members["base"]
    facts = members.groupby(base, sort=False).first().assign(base=None)
    return facts, x.groupby(base, sort=False).mean(), y.groupby(base, sort=False).mean()


def _group(name: str, mode: str, simulated: bool, facts: pd.DataFrame) -> Group:
    families = facts["family"].to_numpy(str)
    # A tuned model and its vanilla partner are one cluster: their scores are not independent.
    names = facts.index.to_series().astype(str)
    bases, _ = pd.factorize(facts["base"].where(facts["base"].notna(), names))
    return Group(name, mode, simulated, bases, families)


def _group_rows(
    group: Group, x: pd.DataFrame, y: pd.DataFrame, capability: list[str], formal: list[str]
) -> Iterator[Row]:
    tasks = [name for name in capability if " " not in name]  # "mmlu", but not "mmlu STEM"
    functional = [name for name in tasks if name not in formal]
    against = [(task, SIZE) for task in tasks] + list(product(formal, functional))
    partials = [pair for one, other in against for pair in ((one, [other]), (other, [one]))]
    losses = [name for name in x.columns if name.startswith(f"{LOSS} ")]
    together = [(task, [SIZE, loss]) for loss in losses for task in (*formal, *functional)]
    for y_name in y.columns:
        outcome = y[y_name].to_numpy(float)
        for x_name in x.columns:
            if x_name == y_name:
                continue
            kind = "capability" if x_name in capability else "size, loss, reading"
            about = _about(group, x_name, y_name, kind)
            values = x[x_name].to_numpy(float)
            yield from _overall_rows(group, about, values, outcome)
            if y_name == f"brain {AVERAGE}":
                yield from _subset_rows(group, about, values, outcome)
        for x_name, fixed in [*partials, *(together if formal else [])]:
            predictor, *held = (x[name].to_numpy(float) for name in (x_name, *fixed))
            kind = "partial" if len(fixed) == 1 else "size and loss held fixed"
            about = _about(group, x_name, y_name, kind)
            correlation = partial(predictor, outcome, held)
            counts = group.counts(predictor, outcome, *held)
            over_bases = group.over_bases(predictor, outcome, given=held)
            row = _row(about, "partial", correlation, counts, over_bases)
            yield {**row, "controlled_for": ", ".join(fixed)}


def _about(group: Group, x: str, y: str, kind: str) -> Row:
    return {
        "x": x,
        "y": y,
        "mode": group.mode,
        "models": group.name,
        "subset": EVERY,
        "controlled_for": "",
        "kind": kind,
        "simulated": group.simulated,
    }


def _row(
    about: Row,
    method: str,
    correlation: Correlation,
    counts: tuple[int, int],
    over_bases: Inference | None = None,
) -> Row:
    """A row; its p is that of `over_bases`, if given, where models share a vanilla model."""
    n_bases, n_families = counts
    p = correlation.p
    note = not_computable(correlation.note)
    if not note and over_bases and n_bases < correlation.n:
        p = over_bases.p
        note = f"no p: jackknife over vanilla models, {over_bases.note}" if over_bases.note else ""
    if not note and 1 < n_families < n_bases and method != WITHIN:
        note = (
            f"p takes vanilla models of {n_families} families as independent: too small where "
            f"families differ, see method {WITHIN!r} of bases"
        )
    parts = [about["y"], about["mode"], about["models"], method, about["kind"]]
    parts.append("simulated" if about["simulated"] else "real")
    return {
        **{key: value for key, value in about.items() if key != "kind"},
        "n": correlation.n,
        "n_bases": n_bases,
        "n_families": n_families,
        "method": method,
        "r": correlation.r,
        "slope": correlation.slope,
        "p": p,
        "p_independent": correlation.p,
        "scope": "" if np.isnan(correlation.r) else SCOPE,
        "test_family": ", ".join(parts),
        "note": note,
    }


def _overall_rows(group: Group, about: Row, x: np.ndarray, y: np.ndarray) -> Iterator[Row]:
    counts = group.counts(x, y)
    correlation = pearson(x, y)
    over_bases = over_clusters(x, y, group.bases)
    row = _row(about, "pearson", correlation, counts, over_bases)
    if not correlation.note:
        over_families = over_clusters(x, y, group.families)
        row |= {"low": over_bases.low, "high": over_bases.high}
        row |= {"low_families": over_families.low, "high_families": over_families.high}
    yield row
    ranked = group.over_bases(x, y, ranked=True)
    yield _row(about, "spearman", spearman(x, y), counts, ranked)
    if group.name == "bases" and counts[1] > 1:
        yield _row(about, WITHIN, within_groups(x, y, group.families), counts)


def _subset_rows(group: Group, about: Row, x: np.ndarray, y: np.ndarray) -> Iterator[Row]:
    """Without each family and within each family."""
    family = group.families
    if len(set(family)) < 2:
        return
    for name in dict.fromkeys(family):
        for subset, inside in (("without", family != name), ("within", family == name)):
            inside_y = np.where(inside, y, np.nan)
            over_bases = group.over_bases(x, inside_y)
            row = _row(
                about, "pearson", pearson(x, inside_y), group.counts(x, inside_y), over_bases
            )
            yield {**row, "subset": f"{subset} {name}"}
