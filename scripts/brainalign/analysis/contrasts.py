"""Does instruction tuning help? Tuned minus vanilla, per pair, per family and over all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores, model_facts
from brainalign.analysis.crossed import (
    NOTHING,
    STIMULI,
    Variance,
    averaged,
    held_out_by,
    of_pair,
    over_models,
    scope_text,
    tested,
    unit_tables,
)
from brainalign.analysis.multiplicity import adjust_within
from brainalign.analysis.proportions import mcnemar_p, paired_interval
from brainalign.analysis.resampling import wilcoxon_p

COLUMNS = (
    "level", "tuned", "vanilla", "family", "benchmark", "dataset", "mode", "kind", "measure",
    "absolute", "relative", "relative_by_dataset", "low", "high", "scope", "test", "unit", "n",
    "n_stimuli", "p", "p_adjusted", "p_these_stimuli", "p_independent", "test_family", "note",
    "simulated",
)  # fmt: skip
MEASURED = ["simulated", "mode", "kind", "measure"]
VALUES = [*MEASURED, "dataset", "benchmark", "model", "value", "low", "note"]
UNITS = [
    *MEASURED, "dataset", "benchmark", "subject", "fold", "held_out", "fitted", "model", "value",
]  # fmt: skip
EVERY = "all"
UNFITTED = ("r", "abs_r")  # measures of reading times whose stories share no fit
FEW_BASES = 5
FAMILIES = "p speaks for these {} families: too small for others where families respond differently"

Row = dict[str, Any]


@dataclass(frozen=True)
class Pairs:
    """One measure on one dataset: every tuned model beside its vanilla partner.

    `tuned`, `vanilla`: [pair]. `units`: differences [pair, subject, group of stimuli], NaN where a
    pair lacks one; `held_out`: what the folds hold out (`crossed`), `fitted`: whether they share
    training rows. `positive` [pair]: the vanilla value's interval lies above 0. `notes`
    [pair]: why a value is NaN.
    """

    benchmark: str
    tuned: np.ndarray
    vanilla: np.ndarray
    positive: np.ndarray
    units: np.ndarray
    held_out: str
    fitted: bool
    notes: list[str]

    @property
    def absolute(self) -> np.ndarray:
        return self.tuned - self.vanilla

    @property
    def relative(self) -> np.ndarray:
        """Difference over the vanilla value; NaN where that is not clearly above 0."""
        return self.absolute / np.where(self.positive, self.vanilla, np.nan)

    def variance(self, i: int, stimuli: bool = True) -> Variance:
        """Of the difference of one pair; `stimuli`: over new stimuli where there are groups."""
        return of_pair(self.units[i], self.held_out if stimuli else NOTHING, self.fitted)


@dataclass(frozen=True)
class Members:
    """The tuned models of one measure, an entry per pair."""

    tuned: np.ndarray
    bases: np.ndarray
    families: np.ndarray

    @classmethod
    def of(cls, facts: pd.DataFrame) -> "Members":
        return cls(
            facts.index.to_numpy(str), facts["base"].to_numpy(str), facts["family"].to_numpy(str)
        )

    def groups(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Level, name and members [pair] of every family, and of all."""
        for family in dict.fromkeys(self.families):
            yield "family", str(family), self.families == family
        yield "overall", EVERY, np.ones(len(self.tuned), bool)


def contrasts(
    scores: pd.DataFrame | None = None,
    subjects: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    stories: pd.DataFrame | None = None,
    capabilities: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Tuned minus vanilla for every measure that the study has.

    Parameters
    ----------
    scores, subjects : tables of `scores.collect_scores`.
    behaviors, stories : tables of `collect.collect_behaviors`.
    capabilities : table of `collect.collect_capabilities`.

    Returns
    -------
    COLUMNS (docs/outputs.md). Level `pair`: one tuned model. Levels `family` and `overall`: means
    over pairs (`unit` pairs), vanilla models varying within family, and in the paper's way
    (`p_independent`, although pairs that share a vanilla model are not independent); and over one
    mean per vanilla model (`unit` bases). Interval and p of a row belong to its `absolute`.
    """
    facts = model_facts(scores, behaviors, capabilities)
    tuned = facts[(facts["role"] == "tuned") & facts["base"].notna()]
    rows = list(paired(tuned, *values_and_units(scores, subjects, behaviors, stories)))
    if capabilities is not None:
        rows += _capability(tuned, capabilities)
    return _adjusted(pd.DataFrame(rows).reindex(columns=list(COLUMNS)))


def values_and_units(
    scores: pd.DataFrame | None,
    subjects: pd.DataFrame | None,
    behaviors: pd.DataFrame | None,
    stories: pd.DataFrame | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every measured value of every model (VALUES), and what each is a mean of (UNITS)."""
    values, units = _alignment(scores, subjects)
    more_values, more_units = _behavior(behaviors, stories)
    return _stacked(values, more_values), _stacked(units, more_units)


def paired(members: pd.DataFrame, values: pd.DataFrame, units: pd.DataFrame) -> Iterator[Row]:
    """Model minus partner for every measure that both have: per pair, per family, over all.

    Parameters
    ----------
    members : `base` (the partner) and `family`, a row per model, indexed by it.
    values, units : of `values_and_units`.
    """
    for key, part in values.groupby(MEASURED, sort=False):
        about = dict(zip(MEASURED, key, strict=True))
        present = members[members.index.isin(part["model"])]
        own = units[(units[MEASURED] == list(key)).all(axis=1)]
        if len(present):
            datasets = {
                str(name): _pairs(present, group, own[own["dataset"] == name])
                for name, group in part.groupby("dataset", sort=False)
            }
            for row in _contrast(Members.of(present), datasets):
                yield {**about, **row}


def _stacked(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Both tables' rows (an empty table's columns would decide the types)."""
    filled = [table for table in (one, other) if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else one


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """p adjusted within the tests that ask one question of several models or datasets."""
    table["simulated"] = table["simulated"].astype(bool)
    columns = ["mode", "kind", "measure", "level", "unit"]
    world = np.where(table["simulated"], "simulated", "real")
    table["test_family"] = [
        ", ".join(map(str, key))
        for key in zip(*(table[name] for name in columns), world, strict=True)
    ]
    table["p_adjusted"] = adjust_within(table, "test_family")
    table["note"] = table["note"].fillna("")
    return table


def _alignment(
    scores: pd.DataFrame | None, subjects: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values per dataset and for the average; units: every subject in every fold."""
    if scores is None or subjects is None:
        return pd.DataFrame(columns=VALUES), pd.DataFrame(columns=UNITS)
    values = dataset_scores(scores).rename(columns={"r": "value"})
    values = values.assign(kind="brain", measure="r")
    whole = scores[scores["region"] == "all"]
    names = whole.groupby("dataset")["benchmark"].nunique()
    single = whole.drop_duplicates("dataset").set_index("dataset")["benchmark"][names == 1]
    values["benchmark"] = [single.get(name, "all") for name in values["dataset"]]
    cells = subjects[(subjects["subject"] != "all") & (subjects["fold"] >= 0)]
    units = cells.rename(columns={"r": "value"}).assign(kind="brain", measure="r", fitted=True)
    return values[VALUES], units[UNITS]


def _behavior(
    behaviors: pd.DataFrame | None, stories: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values, and stories as the units, of all readers together."""
    if behaviors is None:
        return pd.DataFrame(columns=VALUES), pd.DataFrame(columns=UNITS)
    values = behaviors.assign(kind="reading-times")[VALUES]
    if stories is None:
        return values, pd.DataFrame(columns=UNITS)
    units = stories[stories["kind"] == "story"].rename(columns={"group": "fold"})
    units = units.assign(
        subject=EVERY, fold=units["fold"].astype(str), kind="reading-times", held_out=STIMULI,
        fitted=~units["measure"].isin(UNFITTED),
    )  # fmt: skip
    return values, units[UNITS]


def _pairs(members: pd.DataFrame, values: pd.DataFrame, units: pd.DataFrame) -> Pairs:
    by_model = values.set_index("model")
    bases = members["base"].to_list()
    notes = []
    for pair in zip(members.index, bases, strict=True):
        absent = [f"not computable: no score of {m}" for m in pair if m not in by_model.index]
        said = [by_model["note"].get(m) for m in pair]
        notes.append(next((n for n in [*absent, *said] if isinstance(n, str) and n), ""))
    tables = unit_tables(units, [*members.index, *bases], "value")
    vanilla = by_model.reindex(bases)
    tuned = by_model["value"].reindex(members.index).to_numpy(float)
    # A value may have a note of another kind, that its dataset has no ceiling.
    undefined = np.isnan(tuned - vanilla["value"].to_numpy(float))
    notes = [note if no else "" for note, no in zip(notes, undefined, strict=True)]
    return Pairs(
        benchmark=str(values["benchmark"].iloc[0]),
        tuned=tuned,
        vanilla=vanilla["value"].to_numpy(float),
        positive=np.asarray((vanilla[["low", "value"]].to_numpy(float) > 0).all(axis=1)),
        units=tables[: len(bases)] - tables[len(bases) :],
        held_out=held_out_by(units) if len(units) else NOTHING,
        fitted=not len(units) or bool(units["fitted"].all()),
        notes=notes,
    )


def _contrast(members: Members, datasets: dict[str, Pairs]) -> Iterator[Row]:
    """The rows of one measure: every pair, every family, all; dataset by dataset."""
    single = {name: pairs for name, pairs in datasets.items() if name != AVERAGE}
    by_dataset = np.mean([pairs.relative for pairs in single.values()], axis=0)
    for name, pairs in datasets.items():
        # The average over datasets varies as they do, each with subjects and stimuli of its own.
        parts = list(single.values()) if name == AVERAGE else [pairs]
        of_datasets = by_dataset if name == AVERAGE else np.full(len(members.tuned), np.nan)
        single_pairs = _pair_rows(pairs, parts, of_datasets)
        means = _mean_rows(pairs, parts, members, of_datasets)
        for row in (*_of_pairs(members, single_pairs), *means):
            yield {"dataset": name, "benchmark": pairs.benchmark, **row}


def _of_pairs(members: Members, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of single pairs, named."""
    names = zip(members.tuned, members.bases, members.families, strict=True)
    for (tuned, base, family), row in zip(names, rows, strict=True):
        yield {"level": "pair", "tuned": tuned, "vanilla": base, "family": family, **row}


def _pair_rows(pairs: Pairs, parts: list[Pairs], by_dataset: np.ndarray) -> Iterator[Row]:
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


def _mean_rows(
    pairs: Pairs, parts: list[Pairs], members: Members, by_dataset: np.ndarray
) -> Iterator[Row]:
    """Mean over the pairs of every family and of all, and over one mean per vanilla model."""
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
            f"{len(bases)} vanilla models: a difference must be large to be found"
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
        own, weight = mean[stratum == name], share[stratum == name]
        n = len(own)
        if n > 1:
            centre = (weight @ own) / weight.sum()
            value += n / (n - 1) * float(np.sum((weight * (own - centre)) ** 2))
            freedom += n - 1
    return Variance(value, freedom)


def _left_out(pairs: Pairs, inside: np.ndarray, known: np.ndarray) -> str:
    """What the mean over `inside` leaves out, and why there is no relative change."""
    if not known.any():
        return "not computable: no pair has both scores"
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


def _capability(tuned: pd.DataFrame, capabilities: pd.DataFrame) -> Iterator[Row]:
    """Tuned minus vanilla accuracy of every task and category: pairs, families, all.

    A pair is tested over its questions, as both models answered the same ones; where a task is
    averaged over files the test pools their questions.
    """
    key = ["simulated", "task", "category"]
    for (simulated, task, category), part in capabilities.groupby(key, sort=False):
        facts = tuned[tuned.index.isin(part["model"])]
        if facts.empty:
            continue
        members = Members.of(facts)
        values = part.assign(value=part["accuracy"], benchmark=str(task), note="")
        pairs = _pairs(facts, values, pd.DataFrame())
        about = {
            "benchmark": task, "dataset": category, "kind": "capability", "measure": "accuracy",
            "mode": "legacy" if (part["scoring"] == "legacy").all() else "controlled",
            "simulated": simulated,
        }  # fmt: skip
        unknown = np.full(len(facts), np.nan)
        answers = _of_pairs(members, _answer_rows(pairs, members, part.set_index("model")))
        means = _mean_rows(pairs, [pairs], members, unknown)
        for row in (*answers, *({**row, **_these_questions(row)} for row in means)):
            yield {**about, **row}


def _these_questions(row: Row) -> Row:
    """Accuracy over vanilla models: new models, but the questions at hand."""
    new = not np.isnan(row.get("p_these_stimuli", np.nan))
    return {"scope": scope_text(vanilla_models=new, questions=False), "n_stimuli": 0}


def _answer_rows(pairs: Pairs, members: Members, answers: pd.DataFrame) -> Iterator[Row]:
    """McNemar's test and Newcombe's interval of every pair, over questions."""
    for i, note in enumerate(pairs.notes):
        row: Row = {
            "absolute": pairs.absolute[i], "relative": pairs.relative[i], "test": "none",
            "unit": "questions", "scope": scope_text(questions=not note), "note": note,
        }  # fmt: skip
        if not note:
            own, other = (answers.loc[m] for m in (members.tuned[i], members.bases[i]))
            both, gained, lost = (int(own[f"n_{k}"]) for k in ("both", "gained", "lost"))
            p = mcnemar_p(gained, lost)
            ends = [(m["accuracy"], m["low"], m["high"]) for m in (own, other)]
            counts = (both, gained, lost, int(own["n"]) - both - gained - lost)
            row["low"], row["high"] = paired_interval(ends[0], ends[1], counts)
            row |= {"n": int(own["n"]), "p": p}
            row |= (
                {"note": "both models answer every question alike"} if np.isnan(p)
                else {"test": "mcnemar"}
            )  # fmt: skip
        yield row
