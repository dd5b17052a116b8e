"""Does instruction tuning help? Tuned minus vanilla, per pair, per family and over all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores, model_facts
from brainalign.analysis.multiplicity import adjust_within
from brainalign.analysis.resampling import PairedTests, cluster_weights, paired_tests
from brainalign.capability.summary import Z95

COLUMNS = (
    "level", "tuned", "vanilla", "family", "benchmark", "dataset", "mode", "kind", "measure",
    "absolute", "relative", "relative_by_dataset", "low", "high", "interval", "test", "unit", "n",
    "p", "p_permutation", "p_adjusted", "test_family", "note", "simulated",
)  # fmt: skip
MEASURED = ["simulated", "mode", "kind", "measure"]
VALUES = [*MEASURED, "dataset", "benchmark", "model", "value", "note"]
UNITS = [*MEASURED, "dataset", "unit", "name", "model", "value"]
EVERY = "all"

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
    over pairs, tested once over pairs (`unit` pairs, the paper's way, although pairs that share a
    vanilla model are not independent) and once over one mean per vanilla model (`unit` bases).
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
            rows += [{**about, **row} for row in _contrast(members, datasets, samples, seed)]
    rows += _capability(tuned, capabilities)
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
    members: pd.DataFrame, datasets: dict[str, Pairs], samples: int, seed: int
) -> Iterator[Row]:
    """The rows of one measure: every pair, every family, all; dataset by dataset."""
    single = {name: pairs for name, pairs in datasets.items() if name != AVERAGE}
    drawn = {name: _drawn_means(pairs, samples, seed) for name, pairs in single.items()}
    if AVERAGE in datasets:
        centred = [drawn[name] - pairs.absolute for name, pairs in single.items()]
        drawn[AVERAGE] = datasets[AVERAGE].absolute + np.mean(centred, axis=0)
        datasets = {**datasets, AVERAGE: _with_all_units(datasets[AVERAGE], list(single.values()))}
    by_dataset = np.mean([pairs.relative for pairs in single.values()], axis=0)

    families, bases = members["family"].to_numpy(str), members["base"].to_numpy(str)
    rng = np.random.default_rng(seed)
    weights = cluster_weights(list(bases), list(families), samples, rng)
    groups = [("family", f, families == f) for f in dict.fromkeys(families)]
    groups.append(("overall", EVERY, np.ones(len(members), bool)))
    for name, pairs in datasets.items():
        of_datasets = by_dataset if name == AVERAGE else np.full(len(members), np.nan)
        about = {"dataset": name, "benchmark": pairs.benchmark}
        for row, model, base in zip(
            _pair_rows(pairs, drawn[name], of_datasets, seed), members.index, bases, strict=True
        ):
            family = members.loc[model, "family"]
            yield {
                **about, "level": "pair", "tuned": model, "vanilla": base, "family": family, **row
            }  # fmt: skip
        for level, family, inside in groups:
            head = {**about, "level": level, "tuned": EVERY, "vanilla": EVERY, "family": family}
            for row in _mean_rows(
                pairs, inside, drawn[name], weights, bases, families, of_datasets, seed
            ):
                yield {**head, **row}


def _with_all_units(average: Pairs, parts: list[Pairs]) -> Pairs:
    """The average's units are those of all datasets side by side."""
    kinds = sorted({part.unit for part in parts})
    units = np.concatenate([part.units for part in parts], axis=1)
    return Pairs(
        average.benchmark, average.tuned, average.vanilla, units, " and ".join(kinds), average.notes
    )


def _drawn_means(pairs: Pairs, samples: int, seed: int) -> np.ndarray:
    """Bootstrapped difference of every pair [samples, pair], its units resampled.

    All pairs see the same draw of subjects. The spread is the units', the centre the score's
    difference (a median over pooled targets is not the mean of its subjects). Without at least two
    units a difference does not vary.
    """
    units = pairs.units[:, ~np.isnan(pairs.units).all(axis=0)]
    n = units.shape[1]
    if n < 2:
        return np.tile(pairs.absolute, (samples, 1))
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=samples)
    present = ~np.isnan(units)
    counts = weights @ present.T
    with np.errstate(invalid="ignore"):
        means = weights @ np.where(present, units, 0).T / np.where(counts > 0, counts, np.nan)
        centre = np.where(present, units, 0).sum(1) / present.sum(1)
    return pairs.absolute + np.where(present.sum(1) > 1, means - centre, 0)


def _pair_rows(pairs: Pairs, drawn: np.ndarray, by_dataset: np.ndarray, seed: int) -> Iterator[Row]:
    for i, note in enumerate(pairs.notes):
        units = pairs.units[i][~np.isnan(pairs.units[i])]
        varies = not note and len(units) > 1
        low, high = np.nanquantile(drawn[:, i], [0.025, 0.975]) if varies else (np.nan, np.nan)
        tests = paired_tests(units, np.random.default_rng(seed))
        if not note and "folds" in pairs.unit:
            # Folds share training data: their differences are not independent observations.
            tests = PairedTests(len(units), np.nan, np.nan, np.nan, "folds are no test units")
        yield {
            "absolute": pairs.absolute[i],
            "relative": pairs.relative[i],
            "relative_by_dataset": by_dataset[i],
            "low": low,
            "high": high,
            "interval": pairs.unit if varies else "none",
            **_test(tests, pairs.unit, note),
        }


def _mean_rows(
    pairs: Pairs,
    inside: np.ndarray,
    drawn: np.ndarray,
    weights: np.ndarray,
    bases: np.ndarray,
    families: np.ndarray,
    by_dataset: np.ndarray,
    seed: int,
) -> Iterator[Row]:
    """Mean over the pairs `inside`, tested over pairs and over vanilla models.

    The interval is a hierarchical bootstrap: vanilla models within family (with all their tuned
    models) and, inside each pair, subjects within dataset.
    """
    known = inside & ~np.isnan(pairs.absolute)
    note = "" if known.any() else "not computable: no pair has both scores"
    missing = [n for n in np.array(pairs.notes)[inside] if n]
    if known.any() and missing:
        note = f"{len(missing)} of {inside.sum()} pairs left out: {missing[0]}"
    low = high = np.nan
    n_bases = len(set(bases[known]))
    varies = bool(known.any() and (n_bases > 1 or np.ptp(drawn[:, known], axis=0).max() > 0))
    if varies:
        share = weights[:, known]
        total = share.sum(1)
        means = (drawn[:, known] * share).sum(1) / np.where(total > 0, total, np.nan)
        low, high = np.nanquantile(means, [0.025, 0.975])
    for unit in ("pairs", "bases"):
        values = pd.DataFrame(
            {
                "absolute": pairs.absolute[known],
                "relative": pairs.relative[known],
                "by_dataset": by_dataset[known],
                "base": bases[known],
            }
        )
        if unit == "bases":
            values = values.groupby("base", sort=False).mean().reset_index()
        tests = paired_tests(values["absolute"].to_numpy(), np.random.default_rng(seed))
        yield {
            "absolute": values["absolute"].mean(),
            "relative": values["relative"].mean(),
            "relative_by_dataset": values["by_dataset"].mean(),
            # The interval belongs to the mean over pairs.
            "low": low if unit == "pairs" else np.nan,
            "high": high if unit == "pairs" else np.nan,
            "interval": "bases and units" if varies and unit == "pairs" else "none",
            **_test(tests, unit, note),
        }


def _test(tests: PairedTests, unit: str, note: str) -> Row:
    computed = not np.isnan(tests.p_wilcoxon)
    return {
        "test": "wilcoxon" if computed else "none",
        "unit": unit,
        "n": tests.n,
        "p": tests.p_wilcoxon,
        "p_permutation": tests.p_permutation,
        "note": "; ".join(part for part in (note, tests.note) if part),
    }


def _capability(tuned: pd.DataFrame, capabilities: pd.DataFrame | None) -> Iterator[Row]:
    """Tuned minus vanilla accuracy with Newcombe's interval of a difference of proportions.

    Interval and z-test take the two models' answers as independent, although they answer the same
    questions: the table holds accuracies, not single answers. That is conservative where the
    answers agree more than by chance (Newcombe 1998, method 10).
    """
    if capabilities is None:
        return
    from scipy.special import ndtr

    for (task, category), part in capabilities.groupby(["task", "category"], sort=False):
        answers = {row["model"]: row for row in part.to_dict("records")}
        for model, about in tuned.iterrows():
            if model not in answers:
                continue
            t, v = answers[model], answers.get(about["base"])
            head = {
                "level": "pair", "tuned": model, "vanilla": about["base"],
                "family": about["family"], "benchmark": task, "dataset": category,
                "mode": "legacy" if t["scoring"] == "legacy" else "controlled",
                "kind": "capability", "measure": "accuracy", "unit": "questions",
                "simulated": t["simulated"],
            }  # fmt: skip
            if v is None:
                yield {**head, "note": f"not computable: no score of {about['base']}"}
                continue
            difference = t["accuracy"] - v["accuracy"]
            # The width of each score interval, which knows how the accuracy was averaged.
            error = np.hypot(t["high"] - t["low"], v["high"] - v["low"]) / (2 * Z95)
            yield {
                **head,
                "absolute": difference,
                "relative": difference / v["accuracy"] if v["accuracy"] > 0 else np.nan,
                "low": difference - np.hypot(t["accuracy"] - t["low"], v["high"] - v["accuracy"]),
                "high": difference + np.hypot(t["high"] - t["accuracy"], v["accuracy"] - v["low"]),
                "interval": "newcombe",
                "test": "two proportions",
                "n": int(t["n"]),
                "p": float(2 * ndtr(-abs(difference) / error)),
                "note": "",
            }
