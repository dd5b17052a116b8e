"""Does instruction tuning help? Tuned minus vanilla, per pair, per family and over all."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores, model_facts
from brainalign.analysis.multiplicity import adjust_within
from brainalign.analysis.proportions import mcnemar_p, paired_interval
from brainalign.analysis.resampling import PairedTests, cluster_weights, paired_tests, sign_flip_p
from brainalign.intervals import Inference, student, welch_satterthwaite

COLUMNS = (
    "level", "tuned", "vanilla", "family", "benchmark", "dataset", "mode", "kind", "measure",
    "absolute", "relative", "relative_by_dataset", "low", "high", "interval", "test", "unit", "n",
    "p", "p_least", "p_permutation", "p_adjusted", "p_independent", "test_family", "note",
    "simulated",
)  # fmt: skip
MEASURED = ["simulated", "mode", "kind", "measure"]
VALUES = [*MEASURED, "dataset", "benchmark", "model", "value", "note"]
UNITS = [*MEASURED, "dataset", "unit", "name", "model", "value"]
EVERY = "all"
FAMILIES = "p speaks for these {} families: too small for others where families respond differently"

Row = dict[str, Any]


@dataclass(frozen=True)
class Pairs:
    """One measure on one dataset: every tuned model beside its vanilla partner.

    `tuned`, `vanilla`: [pair]. `units`: differences [pair, unit] of what a single pair resamples
    (subjects, folds, stories), NaN where a pair lacks a unit; `unit` names them. `notes` [pair]:
    why a value is NaN.
    """

    benchmark: str
    tuned: np.ndarray
    vanilla: np.ndarray
    units: np.ndarray
    unit: str
    notes: list[str]

    @property
    def absolute(self) -> np.ndarray:
        return self.tuned - self.vanilla

    @property
    def relative(self) -> np.ndarray:
        """Difference over the vanilla value; NaN where that is not positive."""
        return self.absolute / np.where(self.vanilla > 0, self.vanilla, np.nan)


@dataclass(frozen=True)
class Drawn:
    """Bootstrapped differences of every pair [samples, pair], its units resampled.

    `freedom` [pair]: degrees of freedom of their spread, 0 where they do not vary.
    """

    means: np.ndarray
    freedom: np.ndarray


@dataclass(frozen=True)
class Members:
    """The tuned models of one measure, an entry per pair.

    `weights` [samples, pair]: the weight of a pair when vanilla models are drawn within their
    families, with all models tuned from them.
    """

    tuned: np.ndarray
    bases: np.ndarray
    families: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, facts: pd.DataFrame, samples: int, seed: int) -> "Members":
        bases, families = facts["base"].to_numpy(str), facts["family"].to_numpy(str)
        rng = np.random.default_rng([seed, 0])
        weights = cluster_weights(list(bases), list(families), samples, rng)
        return cls(facts.index.to_numpy(str), bases, families, weights)

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
    samples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Tuned minus vanilla for every measure that the study has.

    Parameters
    ----------
    scores, subjects : tables of `scores.collect_scores`.
    behaviors, stories : tables of `behaviors.collect_behaviors`.
    capabilities : table of `behaviors.collect_capabilities`.
    samples, seed : of the bootstrap.

    Returns
    -------
    COLUMNS (docs/outputs.md). Level `pair`: one tuned model. Levels `family` and `overall`: means
    over pairs (`unit` pairs), tested against the spread of vanilla models and their units, and in
    the paper's way (`p_independent`, although pairs that share a vanilla model are not
    independent); and over one mean per vanilla model (`unit` bases).
    """
    facts = model_facts(scores, behaviors, capabilities)
    tuned = facts[(facts["role"] == "tuned") & facts["base"].notna()]
    values, units = _alignment(scores, subjects)
    more_values, more_units = _behavior(behaviors, stories)
    values = _stacked(values, more_values)
    units = _stacked(units, more_units)
    rows: list[Row] = []
    for key, part in values.groupby(MEASURED, sort=False):
        about = dict(zip(MEASURED, key, strict=True))
        members = tuned[tuned.index.isin(part["model"])]
        own = units[(units[MEASURED] == list(key)).all(axis=1)]
        if len(members):
            datasets = {
                str(name): _pairs(members, group, own[own["dataset"] == name])
                for name, group in part.groupby("dataset", sort=False)
            }
            group = Members.of(members, samples, seed)
            rows += [{**about, **row} for row in _contrast(group, datasets, samples, seed)]
    if capabilities is not None:
        rows += _capability(tuned, capabilities, samples, seed)
    return _adjusted(pd.DataFrame(rows).reindex(columns=list(COLUMNS)))


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
    """Values per dataset and for the average; units: subjects where there are, else folds."""
    if scores is None or subjects is None:
        return pd.DataFrame(columns=VALUES), pd.DataFrame(columns=UNITS)
    values = dataset_scores(scores).rename(columns={"r": "value"})
    values = values.assign(kind="brain", measure="r")
    whole = scores[scores["region"] == "all"]
    names = whole.groupby("dataset")["benchmark"].nunique()
    single = whole.drop_duplicates("dataset").set_index("dataset")["benchmark"][names == 1]
    values["benchmark"] = [single.get(name, "all") for name in values["dataset"]]

    is_subject = subjects["fold"] == -1
    has_subjects = subjects.assign(s=is_subject).groupby("benchmark")["s"].transform("any")
    used = subjects[is_subject | ~has_subjects]
    unit = np.where(used["fold"] == -1, "subjects", "folds")
    name = np.where(used["fold"] == -1, used["subject"].astype(str), used["fold"].astype(str))
    units = used.assign(unit=unit, name=name, kind="brain", measure="r")
    units = units.rename(columns={"r": "value"})
    # A subject of several benchmarks of one dataset counts once, with its mean.
    key = [name for name in UNITS if name != "value"]
    return values[VALUES], units.groupby(key, sort=False)["value"].mean().reset_index()


def _behavior(
    behaviors: pd.DataFrame | None, stories: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if behaviors is None:
        return pd.DataFrame(columns=VALUES), pd.DataFrame(columns=UNITS)
    values = behaviors.assign(kind="reading-times")[VALUES]
    if stories is None:
        return values, pd.DataFrame(columns=UNITS)
    units = stories[stories["kind"] == "story"].rename(columns={"group": "name"})
    units = units.assign(unit="stories", name=units["name"].astype(str), kind="reading-times")
    return values, units[UNITS]


def _pairs(members: pd.DataFrame, values: pd.DataFrame, units: pd.DataFrame) -> Pairs:
    by_model = values.set_index("model")
    bases = members["base"].to_list()
    notes = []
    for pair in zip(members.index, bases, strict=True):
        absent = [f"not computable: no score of {m}" for m in pair if m not in by_model.index]
        said = [by_model["note"].get(m) for m in pair]
        notes.append(next((n for n in [*absent, *said] if isinstance(n, str) and n), ""))
    table = pd.DataFrame()
    if len(units):
        table = units.pivot_table(index="model", columns="name", values="value")
    difference = table.reindex(members.index).to_numpy(float) - table.reindex(bases).to_numpy(float)
    return Pairs(
        benchmark=str(values["benchmark"].iloc[0]),
        tuned=by_model["value"].reindex(members.index).to_numpy(float),
        vanilla=by_model["value"].reindex(bases).to_numpy(float),
        units=difference,
        unit=str(units["unit"].iloc[0]) if len(units) else "none",
        notes=notes,
    )


def _contrast(
    members: Members, datasets: dict[str, Pairs], samples: int, seed: int
) -> Iterator[Row]:
    """The rows of one measure: every pair, every family, all; dataset by dataset."""
    single = {name: pairs for name, pairs in datasets.items() if name != AVERAGE}
    # A stream for each dataset: what is drawn alike would not be independent.
    streams = (np.random.default_rng([seed, place]) for place in range(1, len(single) + 1))
    drawn = {
        name: _drawn_means(pairs, samples, rng)
        for (name, pairs), rng in zip(single.items(), streams, strict=True)
    }
    if AVERAGE in datasets:
        drawn[AVERAGE] = _drawn_average(datasets[AVERAGE], single, drawn)
        datasets = {**datasets, AVERAGE: _with_all_units(datasets[AVERAGE], list(single.values()))}
    by_dataset = np.mean([pairs.relative for pairs in single.values()], axis=0)
    for name, pairs in datasets.items():
        of_datasets = by_dataset if name == AVERAGE else np.full(len(members.tuned), np.nan)
        tests = _pair_rows(pairs, drawn[name], of_datasets, seed)
        means = _mean_rows(pairs, members, drawn[name], of_datasets, seed)
        for row in (*_of_pairs(members, tests), *means):
            yield {"dataset": name, "benchmark": pairs.benchmark, **row}


def _of_pairs(members: Members, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of single pairs, named."""
    names = zip(members.tuned, members.bases, members.families, strict=True)
    for (tuned, base, family), row in zip(names, rows, strict=True):
        yield {"level": "pair", "tuned": tuned, "vanilla": base, "family": family, **row}


def _with_all_units(average: Pairs, parts: list[Pairs]) -> Pairs:
    """The average's units are those of all datasets side by side."""
    kinds = sorted({part.unit for part in parts})
    units = np.concatenate([part.units for part in parts], axis=1)
    return Pairs(
        average.benchmark, average.tuned, average.vanilla, units, " and ".join(kinds), average.notes
    )


def _drawn_average(average: Pairs, single: dict[str, Pairs], drawn: dict[str, Drawn]) -> Drawn:
    """The bootstrapped differences averaged over datasets, each with units of its own."""
    centred = [drawn[name].means - pairs.absolute for name, pairs in single.items()]
    variances = np.array([part.var(axis=0) for part in centred])
    freedom = welch_satterthwaite(variances, np.array([drawn[name].freedom for name in single]))
    return Drawn(average.absolute + np.mean(centred, axis=0), freedom)


def _drawn_means(pairs: Pairs, samples: int, rng: np.random.Generator) -> Drawn:
    """Bootstrapped differences of every pair, its units resampled.

    All pairs see the same draw of subjects (`cluster_weights`). The spread is the units', the
    centre the score's difference (a median over pooled targets is not the mean of its subjects).
    Without at least two units a difference does not vary.
    """
    units = pairs.units[:, ~np.isnan(pairs.units).all(axis=0)]
    n = units.shape[1]
    if n < 2:
        return Drawn(np.tile(pairs.absolute, (samples, 1)), np.zeros(len(pairs.absolute)))
    weights = cluster_weights([str(unit) for unit in range(n)], None, samples, rng)
    present = ~np.isnan(units)
    counts = weights @ present.T
    with np.errstate(invalid="ignore"):
        means = weights @ np.where(present, units, 0).T / np.where(counts > 0, counts, np.nan)
        centre = np.where(present, units, 0).sum(1) / present.sum(1)
    varies = present.sum(1) > 1
    return Drawn(
        pairs.absolute + np.where(varies, means - centre, 0), (present.sum(1) - 1) * varies
    )


def _pair_rows(pairs: Pairs, drawn: Drawn, by_dataset: np.ndarray, seed: int) -> Iterator[Row]:
    for i, note in enumerate(pairs.notes):
        units = pairs.units[i][~np.isnan(pairs.units[i])]
        varies = not note and drawn.freedom[i] > 0
        error = np.nanstd(drawn.means[:, i]) if varies else np.nan
        own = student(float(pairs.absolute[i]), float(error), drawn.freedom[i])
        tests = paired_tests(units, np.random.default_rng(seed))
        if not note and "folds" in pairs.unit:
            # Folds share training data: their differences are not independent observations.
            tests = PairedTests.none(len(units), "folds are no test units")
        yield {
            "absolute": pairs.absolute[i],
            "relative": pairs.relative[i],
            "relative_by_dataset": by_dataset[i],
            "low": own.low,
            "high": own.high,
            "interval": pairs.unit if varies else "none",
            **_test(tests, pairs.unit, note),
        }


def _mean_rows(
    pairs: Pairs, members: Members, drawn: Drawn, by_dataset: np.ndarray, seed: int
) -> Iterator[Row]:
    """Mean over the pairs of every family and of all, and over one mean per vanilla model.

    Interval and p of the mean over pairs are those of a hierarchical bootstrap: vanilla models
    within family (with all their tuned models) and, inside each pair, subjects within dataset.
    """
    means = ["absolute", "relative", "relative_by_dataset"]
    values = pd.DataFrame(
        {
            "absolute": pairs.absolute,
            "relative": pairs.relative,
            "relative_by_dataset": by_dataset,
            "base": members.bases,
        }
    )
    for level, family, inside in members.groups():
        known = inside & ~np.isnan(pairs.absolute)
        note = _left_out(pairs, inside, known)
        head = {"level": level, "tuned": EVERY, "vanilla": EVERY, "family": family}
        own = values[known]
        by_base = own.groupby("base", sort=False)
        mean, resampled = _hierarchical(pairs, drawn, members, known)
        independent = paired_tests(own["absolute"].to_numpy())
        # Signs are flipped for whole vanilla models, as they are drawn.
        sums = by_base["absolute"].sum().to_numpy()
        flips = len(sums) > 1 and sums.any()
        flipped = sign_flip_p(sums, np.random.default_rng(seed)) if flips else np.nan
        why = independent.note if np.isnan(independent.p_wilcoxon) else mean.note
        of = len(set(members.families[known]))
        families = FAMILIES.format(of) if of > 1 else ""
        yield {
            **head,
            **own[means].mean(),
            "low": mean.low,
            "high": mean.high,
            "interval": resampled,
            "test": "none" if np.isnan(mean.p) else "hierarchical",
            "unit": "pairs",
            "n": len(own),
            "p": mean.p,
            "p_permutation": flipped,
            "p_independent": independent.p_wilcoxon,
            "note": "; ".join(filter(None, (note, why or families))),
        }
        one_each = by_base[means].mean()
        tests = paired_tests(one_each["absolute"].to_numpy(), np.random.default_rng(seed))
        # The interval belongs to the mean over pairs.
        said = (note, "" if np.isnan(tests.p_wilcoxon) else families)
        row = _test(tests, "bases", "; ".join(filter(None, said)))
        yield {**head, **one_each.mean(), "interval": "none", **row}


def _hierarchical(
    pairs: Pairs, drawn: Drawn, members: Members, known: np.ndarray
) -> tuple[Inference, str]:
    """95 % interval and p of the mean over the pairs `known`, and what the interval resamples.

    There is no p where a family has one vanilla model: what such ones differ by cannot be drawn.
    """
    if not known.any():
        return Inference(), "none"
    share = members.weights[:, known]
    total = share.sum(1, keepdims=True)
    share = share / np.where(total > 0, total, np.nan)
    values, means = pairs.absolute[known], drawn.means[:, known]
    # The degrees of freedom of either source of spread, were it the only one.
    in_family = pd.Series(members.bases[known]).groupby(members.families[known]).nunique()
    of_bases = float((in_family - 1).sum())
    varying = drawn.freedom[known][drawn.freedom[known] > 0]
    of_units = float(varying.min()) if len(varying) else 0.0
    both = (means * share).sum(1)
    by_source = np.array([np.nanvar(share @ values), np.nanvar(means.mean(1))])
    freedom = float(welch_satterthwaite(by_source, np.array([of_bases, of_units])))
    alone = ", ".join(in_family.index[in_family == 1])
    lacking = f"no p: one vanilla model of {alone} does not show how much they differ"
    if freedom == 0:
        return Inference(note=lacking if alone else "no p: the differences do not vary"), "none"
    # Drawing both counts what is neither of a vanilla model nor of a subject three times (Owen
    # 2007), each source alone once: twice too often (two-way clusters, Cameron et al. 2011).
    variance = max(2 * by_source.sum() - np.nanvar(both), by_source.max())
    resampled = ["bases"] * (of_bases > 0) + ["units"] * bool(np.ptp(means, axis=0).max() > 0)
    found = student(float(values.mean()), float(np.sqrt(variance)), freedom)
    if alone:
        found = replace(found, p=np.nan, note=lacking)
    return found, " and ".join(resampled)


def _left_out(pairs: Pairs, inside: np.ndarray, known: np.ndarray) -> str:
    """What the mean over `inside` leaves out, and why."""
    if not known.any():
        return "not computable: no pair has both scores"
    notes = []
    missing = [n for n in np.array(pairs.notes)[inside] if n]
    if missing:
        notes.append(f"{len(missing)} of {inside.sum()} pairs left out: {missing[0]}")
    without = int(np.isnan(pairs.relative[known]).sum())
    if without:
        notes.append(
            f"relative leaves out {without} of {known.sum()} pairs, whose vanilla value is not "
            "positive"
        )
    return "; ".join(notes)


def _test(tests: PairedTests, unit: str, note: str) -> Row:
    computed = not np.isnan(tests.p_wilcoxon)
    return {
        "test": "wilcoxon" if computed else "none",
        "unit": unit,
        "n": tests.n,
        "p": tests.p_wilcoxon,
        "p_least": tests.p_least,
        "p_permutation": tests.p_permutation,
        "note": "; ".join(part for part in (note, tests.note) if part),
    }


def _capability(
    tuned: pd.DataFrame, capabilities: pd.DataFrame, samples: int, seed: int
) -> Iterator[Row]:
    """Tuned minus vanilla accuracy of every task and category: pairs, families, all.

    A pair is tested over its questions, as both models answered the same ones; where a task is
    averaged over files the test pools their questions.
    """
    key = ["simulated", "task", "category"]
    for (simulated, task, category), part in capabilities.groupby(key, sort=False):
        facts = tuned[tuned.index.isin(part["model"])]
        if facts.empty:
            continue
        members = Members.of(facts, samples, seed)
        values = part.assign(value=part["accuracy"], benchmark=str(task), note="")
        pairs = _pairs(facts, values, pd.DataFrame())
        about = {
            "benchmark": task, "dataset": category, "kind": "capability", "measure": "accuracy",
            "mode": "legacy" if (part["scoring"] == "legacy").all() else "controlled",
            "simulated": simulated,
        }  # fmt: skip
        drawn = Drawn(np.tile(pairs.absolute, (samples, 1)), np.zeros(len(facts)))
        unknown = np.full(len(facts), np.nan)
        answers = _of_pairs(members, _answer_rows(pairs, members, part.set_index("model")))
        for row in (*answers, *_mean_rows(pairs, members, drawn, unknown, seed)):
            yield {**about, **row}


def _answer_rows(pairs: Pairs, members: Members, answers: pd.DataFrame) -> Iterator[Row]:
    """McNemar's test and Newcombe's interval of every pair, over questions."""
    for i, note in enumerate(pairs.notes):
        row: Row = {
            "absolute": pairs.absolute[i], "relative": pairs.relative[i], "interval": "none",
            "test": "none", "unit": "questions", "note": note,
        }  # fmt: skip
        if not note:
            own, other = (answers.loc[m] for m in (members.tuned[i], members.bases[i]))
            both, gained, lost = (int(own[f"n_{k}"]) for k in ("both", "gained", "lost"))
            p = mcnemar_p(gained, lost)
            ends = [(m["accuracy"], m["low"], m["high"]) for m in (own, other)]
            counts = (both, gained, lost, int(own["n"]) - both - gained - lost)
            row["low"], row["high"] = paired_interval(ends[0], ends[1], counts)
            row |= {"interval": "newcombe", "n": int(own["n"]), "p": p}
            row |= (
                {"note": "both models answer every question alike"} if np.isnan(p)
                else {"test": "mcnemar", "p_least": 0.5 ** (gained + lost)}
            )  # fmt: skip
        yield row
