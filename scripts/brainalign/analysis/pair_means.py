"""Rows of tables/contrasts.csv: every pair, the mean of every family, the mean of all."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE
from brainalign.analysis.crossed import NOTHING, Variance, averaged, over_models, tested
from brainalign.analysis.paired_tests import wilcoxon_p
from brainalign.analysis.pairs import Members, Pairs
from brainalign.analysis.values_and_units import EVERY
from brainalign.notes import not_computable

FEW_BASES = 5
FAMILIES = "p speaks for these {} families: too small for others where families respond differently"

Row = dict[str, Any]


def contrast_rows(members: Members, datasets: dict[str, Pairs]) -> Iterator[Row]:
    """The rows of one measure: every pair, every family, all; dataset by dataset."""
    single = {name: pairs for name, pairs in datasets.items() if name != AVERAGE}
    by_dataset = np.mean([pairs.relative for pairs in single.values()], axis=0)
    for name, pairs in datasets.items():
        # The average over datasets varies as they do, each with subjects and stimuli of its own.
        parts = list(single.values()) if name == AVERAGE else [pairs]
        of_datasets = by_dataset if name == AVERAGE else np.full(len(members.tuned), np.nan)
        single_pairs = _pair_rows(pairs, parts, of_datasets)
        means = mean_rows(pairs, parts, members, of_datasets)
        for row in (*named_pairs(members, single_pairs), *means):
            yield {"dataset": name, "benchmark": pairs.benchmark, **row}


def named_pairs(members: Members, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of single pairs, named."""
    names = zip(members.tuned, members.bases, members.families, strict=True)
    for (tuned, base, family), row in zip(names, rows, strict=True):
        yield {"level": "pair", "tuned": tuned, "vanilla": base, "family": family, **row}


def _pair_rows(pairs: Pairs, parts: list[Pairs], by_dataset: np.ndarray) -> Iterator[Row]:
    """A row per pair; where a dataset is the average, `parts` are the datasets."""
    for i, note in enumerate(pairs.notes):
        row: Row = {
            "absolute": pairs.absolute[i],
            "relative": pairs.relative[i],
            "relative_by_dataset": by_dataset[i],
            "unit": "subjects",
            "test": "none",
        }
        if note:
            yield {**row, "note": note}
            continue
        variance, fixed = (
            averaged([part.variance(i, stimuli) for part in parts]) for stimuli in (True, False)
        )
        row |= tested(float(pairs.absolute[i]), variance, fixed)
        yield {**row, "unit": "subjects", **_counts(parts, i)}


def _counts(parts: list[Pairs], i: int) -> Row:
    """How many subjects and held-out groups of stimuli a pair's datasets have together."""
    known = [~np.isnan(part.units[i]) for part in parts]
    return {
        "n": sum(int(each.any(axis=1).sum()) for each in known),
        "n_stimuli": sum(
            int(each.any(axis=0).sum()) for each, part in zip(known, parts, strict=True)
            if part.held_out
        ),
    }  # fmt: skip


def mean_rows(
    pairs: Pairs, parts: list[Pairs], members: Members, by_dataset: np.ndarray
) -> Iterator[Row]:
    """Mean over the pairs of every family and of all, and over one mean per vanilla model.

    by_dataset : relative differences averaged over datasets, [pair].
    """
    values = {
        "absolute": pairs.absolute,
        "relative": pairs.relative,
        "relative_by_dataset": by_dataset,
    }
    for level, family, inside in members.groups():
        known = inside & ~np.isnan(pairs.absolute)
        note = _left_out(pairs, inside, known)
        head = {"level": level, "tuned": EVERY, "vanilla": EVERY, "family": family}
        bases, n_pairs = np.unique(members.bases[known], return_inverse=True)
        of = len(set(members.families[known]))
        families = FAMILIES.format(of) if of > 1 else ""
        few = (
            f"{len(bases)} vanilla models: a difference must be large to show"
            if 1 < len(bases) < FEW_BASES
            else ""
        )
        n_stimuli = max(
            (_counts(parts, int(i))["n_stimuli"] for i in np.flatnonzero(known)), default=0
        )
        for unit, strata in (("pairs", members.families[known]), ("bases", None)):
            if unit == "pairs":
                weights = np.full(known.sum(), 1 / max(known.sum(), 1))
            else:
                weights = 1 / np.bincount(n_pairs)[n_pairs] / max(len(bases), 1)
            means = {
                name: float(weights @ each[known]) if known.any() else np.nan
                for name, each in values.items()
            }
            row: Row = {
                **head, **means, "unit": unit, "n_stimuli": n_stimuli,
                "n": int(known.sum()) if unit == "pairs" else len(bases),
            }  # fmt: skip
            if unit == "pairs":
                row["p_independent"] = _independent(pairs.absolute[known])
            alone = _single(members, known) if strata is not None else ""
            why = alone
            if len(bases) < 2 and not why:
                why = f"no p: {len(bases)} vanilla model, 2 are needed" if len(bases) else ""
            if known.any():
                variance, fixed = (
                    _over_models(pairs, parts, known, members.bases[known], strata, weights, s)
                    for s in (True, False)
                )
                row |= tested(means["absolute"], variance, fixed, vanilla_models=len(bases) > 1)
            if why:
                row |= {"p": np.nan, "p_these_stimuli": np.nan, "test": "none"}
            said = (note, why or row.get("note", ""), "" if why else few, "" if why else families)
            yield {**row, "note": "; ".join(filter(None, said))}


def _independent(differences: np.ndarray) -> float:
    """Wilcoxon's p over pairs, as the paper has it."""
    return wilcoxon_p(differences) if len(differences) > 1 and differences.any() else np.nan


def _single(members: Members, known: np.ndarray) -> str:
    """Why families of one vanilla model allow no p of the mean over pairs."""
    counts = pd.Series(members.bases[known]).groupby(members.families[known]).nunique()
    alone = ", ".join(counts.index[counts == 1])
    return f"no p: one vanilla model of {alone} does not show how much they differ" if alone else ""


def _over_models(
    pairs: Pairs,
    parts: list[Pairs],
    known: np.ndarray,
    bases: np.ndarray,
    families: np.ndarray | None,
    weights: np.ndarray,
    stimuli: bool,
) -> Variance:
    """Variance of a weighted mean over pairs, for new vanilla models, subjects and stimuli.

    The spread of vanilla models (with all models tuned from them; within families where these are
    given), plus what they share by being scored on the same subjects and stimuli; not below either
    source alone.
    """
    names, index = np.unique(bases, return_inverse=True)
    share = np.bincount(index, weights)
    mean = np.bincount(index, weights * pairs.absolute[known]) / share
    family = np.zeros(len(names), int)
    if families is not None:
        family = np.unique(families, return_inverse=True)[1][np.unique(index, return_index=True)[1]]
    datasets = []
    for part in parts:
        tables = part.units[known]
        of_base = np.stack([
            np.tensordot(weights[index == b] / share[b], tables[index == b], 1)
            for b in range(len(names))
        ])  # fmt: skip
        datasets.append((of_base, part.held_out if stimuli else NOTHING, part.fitted))
    return over_models(_spread(mean, share, family), datasets, share)


def _spread(mean: np.ndarray, share: np.ndarray, stratum: np.ndarray) -> Variance:
    """Variance of Σ share · mean over clusters drawn within strata [cluster]."""
    value = freedom = 0.0
    for name in np.unique(stratum):
        means, weight = mean[stratum == name], share[stratum == name]
        n = len(means)
        if n > 1:
            centre = (weight @ means) / weight.sum()
            value += n / (n - 1) * float(np.sum((weight * (means - centre)) ** 2))
            freedom += n - 1
    return Variance(value, freedom)


def _left_out(pairs: Pairs, inside: np.ndarray, known: np.ndarray) -> str:
    """What the mean over `inside` leaves out, and why there is no relative change."""
    if not known.any():
        return not_computable("no pair has both scores")
    notes = []
    missing = [n for n in np.array(pairs.notes)[inside] if n]
    if missing:
        notes.append(f"{len(missing)} of {inside.sum()} pairs left out: {missing[0]}")
    without = int((~pairs.positive[known]).sum())
    if without:
        notes.append(
            f"no relative change: {without} of {known.sum()} pairs have a vanilla value whose "
            "interval is not above 0"
        )
    return "; ".join(notes)
