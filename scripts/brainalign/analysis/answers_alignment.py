"""What brain alignment answers: does tuning raise it, do models beat baselines and twins."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pandas as pd

from brainalign.analysis.answers_correlates import correlate_answers
from brainalign.analysis.answers_tuning import gain
from brainalign.analysis.averages import AVERAGE, dataset_scores, over_datasets
from brainalign.analysis.records import MODES, TRAINED
from brainalign.analysis.study_tables import Tables
from brainalign.analysis.verdicts import Answer, Answers, lacking, of_every, of_modes
from brainalign.analysis.wording import counted, r_text
from brainalign.intervals import LEVEL


def alignment_answers(tables: Tables) -> Iterator[tuple[str, Answers]]:
    """What alignment answers to: tuning, baselines, training, and its correlates."""
    scores = tables.scores
    if scores is None or scores.empty:
        return
    facts = scores.drop_duplicates("model").set_index("model")[["role", "family", "parameters"]]
    aligned = dataset_scores(scores).dropna(subset=["r"]).join(facts, on="model")
    yield (
        "Does instruction tuning raise brain alignment?",
        of_modes(partial(gain, tables.contrasts, dict.fromkeys(MODES, "r"), AVERAGE)),
    )
    yield (
        "Do language models beat the baselines without a network?",
        of_modes(partial(_against_baselines, aligned, tables.baselines)),
    )
    yield (
        "Do trained models beat untrained ones?",
        of_modes(partial(_against_untrained, aligned, tables.baselines)),
    )
    if scores["n_significant"].notna().any():
        yield (
            "Do models predict responses better than by chance?",
            of_modes(partial(_beyond_chance, scores)),
        )
    yield from correlate_answers(tables)


def _beyond_chance(scores: pd.DataFrame, mode: str) -> Answer:
    """On every benchmark with draws of chance, how many trained models are above them.

    p is that of the group of subjects, where there are enough, else that of the mean r.
    """
    rows = scores[
        (scores["mode"] == mode) & (scores["region"] == "all") & scores["role"].isin(TRAINED)
    ]
    rows = rows[rows["n_significant"].notna() & ~rows["companion"].astype(bool)]
    if rows.empty:
        return lacking(f"benchmark with draws of chance in {mode} mode")
    above = rows["group_p"].fillna(rows["r_p"]) <= LEVEL
    counts, targets = [], []
    for benchmark, part in rows.groupby("benchmark", sort=False):
        counts.append(f"{int(above[part.index].sum())} of {len(part)} on {benchmark}")
        low, high = (int(end) for end in (part["n_significant"].min(), part["n_significant"].max()))
        share = str(low) if low == high else f"{low} to {high}"
        targets.append(f"{share} of {int(part['n_targets'].max())} targets on {benchmark}")
    models = f"p ≤ .05 for {', '.join(counts)}"
    text = f"{models}; significant one by one: {', '.join(targets)}"
    return Answer(text, of_every(above, pd.Series(False, above.index)), reason=text)


def _against_baselines(
    aligned: pd.DataFrame, differences: pd.DataFrame | None, mode: str
) -> Answer:
    """Every model beside the best baseline, and the mean model: no maximum beside a maximum.

    On single datasets those models are counted whose interval lies above every baseline (an
    intersection-union test: each comparison at its level keeps the level of all).
    """
    of_mode = aligned[aligned["mode"] == mode]
    networks = of_mode[of_mode["role"].isin(TRAINED)]
    best = of_mode[of_mode["role"] == "baseline"].sort_values("r", ascending=False)
    best = best.drop_duplicates("dataset").set_index("dataset")
    means = networks.groupby("dataset")["r"].mean()
    if AVERAGE not in best.index or AVERAGE not in means.index:
        return _missing(
            aligned, mode, {"vanilla or tuned model": TRAINED, "baseline": ["baseline"]}
        )
    levels, names = best["r"].to_dict(), best["model"].to_dict()
    level = levels[AVERAGE]
    averages = networks.loc[networks["dataset"] == AVERAGE, "r"]
    text = (
        f"{int((averages > level).sum())} of {len(averages)} do, {over_datasets(of_mode)}; mean "
        f"model {r_text(means[AVERAGE], 3)}, best baseline {r_text(level, 3)} ({names[AVERAGE]})"
    )
    lost = [
        f"{dataset} ({names[dataset]} {r_text(levels[dataset], 3)}, mean model {r_text(mean, 3)})"
        for dataset, mean in means.to_dict().items()
        if dataset != AVERAGE and levels.get(dataset, -1.0) > mean
    ]
    several = of_mode["dataset"].nunique() > 2  # and their average
    worse = f"; the best baseline beats the mean model on {', '.join(lost)}"
    worse *= bool(lost) and several
    gap = float(means[AVERAGE] - level)
    measure = f"mean model minus the best baseline ({names[AVERAGE]}), in r"
    if differences is None:
        return Answer(text + worse, effect=gap, measure=measure)
    compared = (differences["mode"] == mode) & differences["dataset"].isin(of_mode["dataset"])
    compared &= differences["against_role"] == "baseline"
    counts, above, below = _beside_every_baseline(differences[compared])
    text += f"; intervals above every baseline: {', '.join(counts)}" if counts else ""
    reason = f"above every baseline {', '.join(counts)}" if counts else "no intervals"
    return Answer(text + worse, of_every(above, below), gap, measure=measure, reason=reason)


def _beside_every_baseline(
    differences: pd.DataFrame,
) -> tuple[list[str], pd.Series, pd.Series]:
    """On each benchmark, how many models have intervals above every baseline.

    Returns
    -------
    A count in words per benchmark with intervals; and, a row per benchmark and model, whether its
    interval lies above every baseline, and whether it lies below some baseline.
    """
    counts = []
    known = [
        part
        for _, part in differences.groupby("benchmark", sort=False)
        if part["low"].notna().all()
    ]
    for part in known:
        least = part.groupby("model")["low"].min()
        stimuli = " or ".join(part["scope"].str.rpartition(", ")[2].unique())
        counts.append(
            f"{int((least > 0).sum())} of {len(least)} on {part['benchmark'].iloc[0]} ({stimuli})"
        )
    every = pd.concat(known) if known else differences.iloc[:0]
    ends = every.groupby(["benchmark", "model"])[["low", "high"]].min()
    return counts, ends["low"] > 0, ends["high"] < 0


def _against_untrained(
    aligned: pd.DataFrame, differences: pd.DataFrame | None, mode: str
) -> Answer:
    """Each untrained model beside the trained ones of its family and size: mean, and intervals."""
    of_mode = aligned[aligned["mode"] == mode]
    trained, untrained = (
        of_mode[of_mode["role"].isin(roles)] for roles in (TRAINED, ["untrained"])
    )
    averages = [part.loc[part["dataset"] == AVERAGE, "r"] for part in (trained, untrained)]
    if any(part.empty for part in averages):
        return _missing(
            aligned, mode, {"vanilla or tuned model": TRAINED, "untrained model": ["untrained"]}
        )
    alike = ["dataset", "family", "parameters"]
    partners = trained.dropna(subset=alike).groupby(alike, as_index=False)["r"].mean()
    pairs = untrained.merge(partners, on=alike, suffixes=("", "_trained"))
    overall = pairs[pairs["dataset"] == AVERAGE]
    if overall.empty:
        return Answer(
            f"mean of {len(averages[0])} trained {r_text(averages[0].mean(), 3)}, of "
            f"{len(averages[1])} untrained {r_text(averages[1].mean(), 3)}, "
            f"{over_datasets(of_mode)}; unpaired means (none share family and size), no test",
            reason="no trained and untrained model share family and size",
        )
    better, cases = int((overall["r_trained"] > overall["r"]).sum()), len(overall)
    text = (
        f"trained ones are better in {better} of {counted(cases, 'case')} of one family and size, "
        f"{over_datasets(of_mode)}; mean trained "
        f"{r_text(overall['r_trained'].mean(), 3)}, untrained {r_text(overall['r'].mean(), 3)}"
    )
    means = pairs[pairs["dataset"] != AVERAGE].groupby("dataset")[["r", "r_trained"]].mean()
    lost = [
        f"{dataset} ({r_text(row['r'], 3)}, trained {r_text(row['r_trained'], 3)})"
        for dataset, row in means.iterrows()
        if row["r"] > row["r_trained"]
    ]
    alone = len(averages[1]) - len(overall)
    text += f"; {alone} more have no trained one of their size" if alone else ""
    several = of_mode["dataset"].nunique() > 2  # and their average
    text += f"; untrained ones are better on {', '.join(lost)}" * (bool(lost) and several)
    gap = float((overall["r_trained"] - overall["r"]).mean())
    measure = "trained minus untrained, in r"
    if differences is None:
        return Answer(text, effect=gap, measure=measure)
    twins = _twins(of_mode, differences[differences["mode"] == mode])
    above, below = twins["low"] > 0, twins["high"] < 0
    count = f"intervals above 0 in {above.sum()} of {counted(len(twins), 'comparison')}"
    return Answer(
        f"{text}; {count}, model by model and benchmark by benchmark (baselines.csv)",
        of_every(above, below), gap, measure=measure, reason=count,
    )  # fmt: skip


def _twins(aligned: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of trained models with untrained ones of their family and size."""
    rows = differences[
        (differences["against_role"] == "untrained")
        & differences["dataset"].isin(aligned["dataset"])
    ].dropna(subset=["low"])
    facts = aligned.drop_duplicates("model").set_index("model")[["family", "parameters"]]
    of_model, of_other = (facts.reindex(rows[name]).to_numpy() for name in ("model", "against"))
    return rows[(of_model == of_other).all(axis=1)]


def _missing(aligned: pd.DataFrame, mode: str, needed: Mapping[str, Sequence[str]]) -> Answer:
    """Which of the roles `needed` (name → roles) has no alignment on every dataset of a mode."""
    of_mode = aligned[aligned["mode"] == mode]
    if of_mode.empty:
        return lacking(f"benchmark of alignment in {mode} mode")
    overall = of_mode[of_mode["dataset"] == AVERAGE]
    absent = [name for name, roles in needed.items() if not overall["role"].isin(roles).any()]
    return lacking(f"{' and no '.join(absent)} with an alignment on every dataset")
