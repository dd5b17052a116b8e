"""Variance of a mean over new subjects, new stimuli and new models: crossed random factors.

Scores of held-out groups of stimuli (the folds of a benchmark) and of subjects make a table. The
variance of its mean comes from the mean squares of both (Clark 1973, J Verbal Learning Verbal Behav
12:335; Searle, Casella & McCulloch 1992, Variance Components, chapter 4). Folds share training
stimuli, so what all subjects have in common in a fold is multiplied by 1 + G / (G − 1) (Nadeau &
Bengio 2003, Machine Learning 52:239, section 4: 1 / G + test / train rows for G folds).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainalign.intervals import Inference, student

MINIMUM_GROUPS = 4
# What each fold holds out: a mixture of sentences, so no stimuli that the others do not have; whole
# topics, stories or runs; or stretches of texts that the others have too.
NOTHING, STIMULI, BLOCKS = "", "stimuli", "blocks"
FILLING_STEPS = 200


@dataclass(frozen=True)
class Variance:
    """Variance of a mean, its degrees of freedom, and whom it speaks for.

    `subjects`: whether new ones are reckoned with, `stimuli`: which new ones are (`NOTHING`: none,
    `STIMULI` or `BLOCKS`); the others are taken as they are.
    """

    value: float = 0.0
    freedom: float = 0.0
    subjects: bool = False
    stimuli: str = NOTHING

    @property
    def scope(self) -> str:
        """new subjects, new stimuli; new subjects, new blocks; these subjects, these stimuli; …"""
        return scope_text(subjects=self.subjects, stimuli=self.stimuli)

    def of(self, value: float) -> Inference:
        """Interval and p of `value`; neither where nothing varies."""
        if self.freedom <= 0:
            return Inference(note="no p: nothing varies that it could be over")
        return student(value, float(np.sqrt(self.value)), self.freedom)


def scope_text(**known: bool | str) -> str:
    """`new` or `these` before each name, in the order given; a text is what is new."""
    return ", ".join(
        f"new {new}" if new and isinstance(new, str)
        else f"{'new' if new else 'these'} {name.replace('_', ' ')}"
        for name, new in known.items()
    )  # fmt: skip


def held_out_by(units: pd.DataFrame) -> str:
    """What the folds of all `units` hold out: nothing where one benchmark's hold out nothing."""
    return common(units["held_out"].fillna(NOTHING).unique().tolist())


def common(kinds: Iterable[str]) -> str:
    """What can be said of all kinds together: nothing where one of them is nothing."""
    every = set(kinds)
    if not every or NOTHING in every:
        return NOTHING
    return every.pop() if len(every) == 1 else f"{STIMULI} or {BLOCKS}"


def unit_tables(units: pd.DataFrame, models: Sequence[str], value: str = "r") -> np.ndarray:
    """Scores of rows of single subjects and folds, float64 [model, subject, group of stimuli], or
    NaN.

    `units`: `model`, `subject`, `benchmark`, `fold` and `value`. Folds of several benchmarks that
    are reported as one dataset stand side by side.
    """
    if not len(units):
        return np.full((len(models), 0, 0), np.nan)
    groups = pd.MultiIndex.from_frame(units[["benchmark", "fold"]])
    positions = [pd.factorize(each, sort=True) for each in (units["subject"], groups)]
    (subject, subjects), (group, names) = positions
    rows = pd.Index(models).unique()
    model = rows.get_indexer(pd.Index(units["model"]))
    known = model >= 0
    tables = np.full((len(rows), len(subjects), len(names)), np.nan)
    tables[model[known], subject[known], group[known]] = units[value].to_numpy(float)[known]
    return tables[rows.get_indexer(pd.Index(models))]


def complete(tables: np.ndarray) -> np.ndarray:
    """Tables, float64 [model, subject, group], whose missing cells (NaN) are filled additively.

    A missing cell becomes row mean + column mean − mean of its table, until that holds (Yates 1933,
    Empire J Exp Agric 1:129), and so adds nothing to the residual. Subjects and groups of which a
    table has nothing are left out of all tables.
    """
    present = ~np.isnan(tables)
    rows, columns = (present.any(axis=axis).all(axis=0) for axis in (-1, -2))
    tables = tables[:, rows][:, :, columns]
    missing = np.isnan(tables)
    if not missing.any() or not tables.size:
        return tables
    filled = np.where(missing, np.nanmean(tables, axis=(-2, -1), keepdims=True), tables)
    for _ in range(FILLING_STEPS):
        additive = (
            filled.mean(-1, keepdims=True)
            + filled.mean(-2, keepdims=True)
            - filled.mean((-2, -1), keepdims=True)
        )
        filled = np.where(missing, additive, tables)
    return filled


def of_pair(table: np.ndarray, held_out: str, fitted: bool = True) -> Variance:
    """`over_units` of a table [subject, group] that may lack cells or be empty."""
    return over_units(complete(table[None])[0], held_out, fitted)


def tested(value: float, variance: Variance, fixed: Variance, **models: bool) -> dict[str, Any]:
    """`low`, `high`, `scope`, `test`, `p`, `p_these_stimuli` of a mean, and a `note` without any.

    Parameters
    ----------
    variance : over new stimuli as far as there are groups of them; interval and `p` are its own.
        Where it takes the stimuli as they are there is no `p`.
    fixed : for the stimuli at hand.
    models : what else varies (`vanilla_models`, `seeds`), and whether new ones are reckoned with.
    """
    result, for_these = variance.of(value), fixed.of(value)
    scope = scope_text(**models, subjects=variance.subjects, stimuli=variance.stimuli)
    p = result.p if variance.stimuli else np.nan
    speaks = fixed.subjects or any(models.values())
    return {
        "low": result.low, "high": result.high, "scope": scope, "p": p,
        "p_these_stimuli": for_these.p if speaks else np.nan,
        "test": "none" if np.isnan(p) else "crossed",
        "note": _why(variance) if np.isnan(p) else "",
    }  # fmt: skip


def _why(variance: Variance) -> str:
    """Why there is no p for new stimuli."""
    if variance.stimuli:
        return "no p: the differences do not vary"
    return (
        f"no p for new stimuli: needs {MINIMUM_GROUPS} or more folds that hold out groups of them"
    )


def over_units(table: np.ndarray, held_out: str, fitted: bool = True) -> Variance:
    """Variance of the mean of a complete table [subject, group].

    (MS_subjects + (1 + G / (G − 1)) (MS_groups − MS_residual)) / (S G), never below MS_subjects or
    MS_groups alone (which has G − 1 degrees of freedom), with Satterthwaite's, never fewer than
    those of the smaller factor.

    Parameters
    ----------
    held_out : what each fold holds out, so that folds stand for new ones. With `NOTHING`, or with
        fewer than 4 groups, subjects alone vary; a single subject is taken as it is.
    fitted : the groups are folds, which share training rows; else they are independent.
    """
    s, g = table.shape
    if not _by_group(table, held_out):
        if s < 2:
            return Variance()
        return Variance(float(table.mean(1).var(ddof=1) / s), s - 1, subjects=True)
    shared = _shared(g, fitted)
    if s < 2:
        value = shared * table.mean(0).var(ddof=1) / g
        return Variance(float(value), g - 1, stimuli=held_out)
    subjects, groups, residual = mean_squares(table)
    excess = shared * max(groups - residual, 0.0)
    value = subjects + excess
    if groups >= value:
        return Variance(float(groups / table.size), g - 1, subjects=True, stimuli=held_out)
    terms = subjects**2 / (s - 1)
    if excess:
        terms += shared**2 * (groups**2 / (g - 1) + residual**2 / ((s - 1) * (g - 1)))
    freedom = max(value**2 / terms, min(s, g) - 1)
    return Variance(float(value / table.size), freedom, subjects=True, stimuli=held_out)


def _by_group(table: np.ndarray, held_out: str) -> bool:
    return held_out != NOTHING and table.shape[1] >= MINIMUM_GROUPS


def _shared(groups: int, fitted: bool) -> float:
    """How much more the mean of folds varies than that of independent groups."""
    return 1 + fitted * groups / (groups - 1)


def mean_squares(table: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of subjects, groups and residual of a table [subject, group]."""
    s, g = table.shape
    mean, row, column = table.mean(), table.mean(1), table.mean(0)
    residual = table - row[:, None] - column + mean
    return (
        float(g * np.sum((row - mean) ** 2) / (s - 1)),
        float(s * np.sum((column - mean) ** 2) / (g - 1)),
        float(np.sum(residual**2) / ((s - 1) * (g - 1))),
    )


def together(parts: Sequence[Variance]) -> Variance:
    """Variance of the sum of independent means; it speaks for what each of them speaks for.

    Satterthwaite's degrees of freedom; those of a part that does not vary do not count.
    """
    value = sum((part.value for part in parts), 0.0)
    terms = sum(part.value**2 / part.freedom for part in parts if part.freedom > 0)
    return Variance(
        value,
        value**2 / terms if terms else 0.0,
        subjects=all(part.subjects for part in parts),
        stimuli=common(part.stimuli for part in parts),
    )


def shared_by_models(
    tables: np.ndarray, weights: np.ndarray, held_out: str, fitted: bool = True
) -> Variance:
    """The part of a weighted sum's variance that its models share, being scored on one dataset.

    Of Σ w X over models the variance over subjects and groups, less Σ w² times that of a single
    model's own deviations from the mean model: these the spread over models already holds.

    Parameters
    ----------
    tables : [model, subject, group], complete.
    weights : [model].
    """
    total = over_units(np.tensordot(weights, tables, 1), held_out, fitted)
    if len(tables) < 2:
        return total
    deviations = tables - tables.mean(0)
    # Degrees of freedom lost to the mean model.
    inflated = deviations * np.sqrt(len(tables) / (len(tables) - 1))
    unfloored = float(np.mean([_unfloored(part, held_out, fitted) for part in inflated]))
    value = max(total.value - float(np.sum(weights**2)) * unfloored, 0.0)
    return Variance(value, total.freedom, total.subjects, total.stimuli)


def over_models(
    models: Variance, datasets: Sequence[tuple[np.ndarray, str, bool]], weights: np.ndarray
) -> Variance:
    """Variance of a weighted mean over models that are scored on the same subjects and stimuli.

    The spread of models plus what they share, but not below either of the spread and of the
    variance over subjects and groups alone.

    Parameters
    ----------
    models : the spread of models alone.
    datasets : of each dataset over which scores are averaged the table [model, subject, group],
        what its folds hold out, and whether they are folds of a fit; `over_units`.
    weights : [model].
    """
    shared, totals = [], []
    for tables, held_out, fitted in datasets:
        filled = complete(tables)
        if filled.size:
            shared.append(shared_by_models(filled, weights, held_out, fitted))
            totals.append(over_units(np.tensordot(weights, filled, 1), held_out, fitted))
        else:
            shared.append(Variance())
            totals.append(Variance())
    of_units, alone = averaged(shared), averaged(totals)
    spread = Variance(models.value, models.freedom, of_units.subjects, of_units.stimuli)
    possible = (together([spread, of_units]), spread, alone)
    return max(possible, key=lambda result: (result.value, result.freedom))


def averaged(parts: Sequence[Variance]) -> Variance:
    """The variance of a mean over datasets, from those of the datasets."""
    shares = [Variance(p.value / len(parts) ** 2, p.freedom, p.subjects, p.stimuli) for p in parts]
    return together(shares) if shares else Variance()


def _unfloored(table: np.ndarray, held_out: str, fitted: bool) -> float:
    """As `over_units`, but without bounds: unbiased, so that it may be subtracted."""
    s, g = table.shape
    if not _by_group(table, held_out) or s < 2:
        return over_units(table, held_out, fitted).value
    subjects, groups, residual = mean_squares(table)
    return (subjects + _shared(g, fitted) * (groups - residual)) / table.size
