"""The paper's statistics, recomputed from the tables that it prints (resources/published)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.association import (
    Correlation,
    correlation_p,
    over_clusters,
    partial,
    pearson,
    spearman,
)
from brainalign.analysis.paired_tests import paired_tests
from brainalign.errors import InputError
from brainalign.multiplicity import benjamini_hochberg
from brainalign.notes import not_computable

BRAIN_DATASETS = ("pereira2018", "blank2014", "wehbe2014")
MEASURES = (*BRAIN_DATASETS, "average", "futrell2018")
TABLES = "Tables 3-5, 7, 9"
NOT_PRINTED = {"source": TABLES, "r": np.nan, "p": np.nan}
WIDEST = 4096  # units up to which more than one family has models
CHECK_COLUMNS = (
    "topic", "quantity", "n", "published", "published_relation", "recomputed", "source", "note",
    "simulated",
)  # fmt: skip

Row = dict[str, object]


def published_models(models: pd.DataFrame) -> pd.DataFrame:
    """The published models, each beside its vanilla partner.

    Adds `log10_parameters` and, for tuned models, `absolute_M` and `relative_M` for every measure
    M: tuned minus vanilla, and that over the vanilla value.

    Raises
    ------
    InputError : a tuned model's base is not in the table.
    """
    table = models.copy()
    table["log10_parameters"] = np.log10(table["parameters"])
    by_name = table.set_index("model")
    bases = table["base"]
    unknown = sorted(set(bases.dropna()) - set(by_name.index))
    if unknown:
        raise InputError(f"published models: base {unknown[0]} is not in the table")
    for measure in MEASURES:
        vanilla = bases.map(by_name[measure])
        table[f"absolute_{measure}"] = table[measure] - vanilla
        table[f"relative_{measure}"] = table[f"absolute_{measure}"] / vanilla
    table["simulated"] = False
    return table


def published_check(
    models: pd.DataFrame,
    ceilings: pd.DataFrame,
    categories: pd.DataFrame,
    correlates: pd.DataFrame,
    improvement: pd.DataFrame,
    similarity: pd.DataFrame,
    widths: pd.DataFrame,
) -> pd.DataFrame:
    """Every statistic that the published tables allow, beside the printed value if there is one.

    Parameters are the tables of resources/published under the same names, and `widths`, the table
    of `double_descent.double_descent`.

    Returns
    -------
    CHECK_COLUMNS (docs/outputs.md).
    """
    table = published_models(models)
    rows = [
        *_improvement(table, improvement),
        *_paired(table),
        *_correlates(table, correlates),
        *_partial(table),
        *_per_base(table),
        *_over_bases(table),
        *_within_family(table),
        *_per_dataset(table),
        *_categories(categories),
        *_behaviour(table, correlates, ceilings),
        *_consistency(table, ceilings, categories),
        *_similarity(similarity),
        *_double_descent(table, widths),
    ]
    check = pd.DataFrame(rows)
    check["published"] = check["published"].astype(float)
    check["simulated"] = False
    return check[list(CHECK_COLUMNS)]


def _row(
    topic: str,
    quantity: str,
    n: int,
    recomputed: float,
    source: str = TABLES,
    published: float = np.nan,
    relation: str = "=",
    note: str = "",
) -> Row:
    return {
        "topic": topic,
        "quantity": quantity,
        "n": n,
        "published": published,
        "published_relation": "" if pd.isna(published) else relation,
        "recomputed": recomputed,
        "source": source,
        "note": note,
    }


def _tuned(table: pd.DataFrame, family: str | None = None) -> pd.DataFrame:
    """The tuned models among the paper's 25, or those of one family."""
    chosen = (table["role"] == "tuned") & (table["part"] == "main")
    return table[chosen & ((table["family"] == family) if family else True)]


def _improvement(table: pd.DataFrame, improvement: pd.DataFrame) -> Iterator[Row]:
    tuned = _tuned(table)
    printed = improvement.set_index("dataset")
    means = {d: tuned[f"relative_{d}"].mean() for d in BRAIN_DATASETS}

    def row(what: str, value: float, dataset: str | None = None) -> Row:
        if dataset is None:
            return _row("improvement", what, len(tuned), value)
        source, relative = printed["source"][dataset], float(printed["relative"][dataset])
        return _row("improvement", what, len(tuned), value, source, relative)

    for dataset in BRAIN_DATASETS:
        yield row(f"mean relative gain, {dataset}", means[dataset], dataset)
    overall = float(np.mean(list(means.values())))
    yield row("mean relative gain over models and datasets", overall, "overall")
    gain = tuned["relative_average"]
    yield row("mean relative gain of the average column", gain.mean())
    vanilla = tuned["average"] - tuned["absolute_average"]
    yield row("relative gain of the group means", tuned["average"].mean() / vanilla.mean() - 1)
    for measure in (*BRAIN_DATASETS, "average"):
        yield row(f"median relative gain, {measure}", tuned[f"relative_{measure}"].median())
    for family in ("T5", "LLaMA"):
        members = _tuned(table, family)
        for dataset in BRAIN_DATASETS:
            yield _row(
                "improvement",
                f"mean relative gain, {dataset}, {family}",
                len(members),
                members[f"relative_{dataset}"].mean(),
            )


def _paired(table: pd.DataFrame) -> Iterator[Row]:
    tuned = _tuned(table)
    change = tuned["absolute_average"].to_numpy()
    tests = paired_tests(change)
    n = len(tuned)
    yield _row("paired", "models whose average gains", n, int((change > 0).sum()))
    yield _row("paired", "Wilcoxon p, tuned against vanilla average", n, tests.p_wilcoxon)
    yield _row("paired", "t-test p, tuned against vanilla average", n, tests.p_t)
    by_base = tuned.groupby("base")["absolute_average"].mean().to_numpy()
    tests = paired_tests(by_base)
    yield _row("paired", "Wilcoxon p, one value per base model", len(by_base), tests.p_wilcoxon)
    yield _row("paired", "t-test p, one value per base model", len(by_base), tests.p_t)
    gpt2 = table[(table["family"] == "GPT-2") & (table["role"] == "tuned")]
    loses = int((gpt2["absolute_average"] < 0).sum())
    yield _row("paired", "GPT-2 models whose average loses", len(gpt2), loses)


def _correlates(table: pd.DataFrame, correlates: pd.DataFrame) -> Iterator[Row]:
    groups = {"tuned": _tuned(table), "all": table[table["part"] == "main"]}
    for line in correlates[correlates["y"] == "average"].to_dict("records"):
        group = groups[line["models"]]
        what = f"average × {line['x']}, {line['models']} models"
        if line["x"] not in group or group[line["x"]].notna().sum() < line["n"]:
            note = not_computable(f"{line['x']} of all models is not published")
            for name in ("r", "p"):
                yield _row(
                    "correlates", f"Pearson {name}, {what}", line["n"], np.nan,
                    line["source"], line[name], note=note,
                )  # fmt: skip
            continue
        correlation = pearson(group[line["x"]].to_numpy(), group["average"].to_numpy())
        rank = spearman(group[line["x"]].to_numpy(), group["average"].to_numpy())
        yield from _pair_rows("correlates", what, correlation, line)
        yield _row("correlates", f"Spearman r, {what}", rank.n, rank.r)


def _pair_rows(
    topic: str, what: str, correlation: Correlation, printed: Mapping[Any, Any] = NOT_PRINTED
) -> Iterator[Row]:
    """r and p of a correlation, beside the `printed` ones and their `source`."""
    for name in ("r", "p"):
        value = getattr(correlation, name)
        quantity = f"Pearson {name}, {what}"
        yield _row(topic, quantity, correlation.n, value, printed["source"], printed[name])


def _partial(table: pd.DataFrame) -> Iterator[Row]:
    tuned = _tuned(table)
    average, mmlu, size = (tuned[c].to_numpy() for c in ("average", "mmlu", "log10_parameters"))
    between = pearson(mmlu, size)
    yield _row("partial", "Pearson r, mmlu × log10_parameters", between.n, between.r)
    for name, x, given, fixed in (
        ("mmlu", mmlu, size, "log10_parameters"),
        ("log10_parameters", size, mmlu, "mmlu"),
    ):
        correlation = partial(x, average, [given])
        yield _row(
            "partial", f"partial r, average × {name} given {fixed}", correlation.n, correlation.r
        )
        yield _row(
            "partial", f"partial p, average × {name} given {fixed}", correlation.n, correlation.p
        )


def _per_base(table: pd.DataFrame) -> Iterator[Row]:
    """The same correlations with one value per vanilla model (pseudo-replication removed)."""
    columns = ["average", "mmlu", "log10_parameters"]
    bases = _tuned(table).groupby("base")[columns].mean()
    for x in ("mmlu", "log10_parameters"):
        correlation = pearson(bases[x].to_numpy(), bases["average"].to_numpy())
        yield from _pair_rows("per base", f"average × {x}, one value per base model", correlation)


def _over_bases(table: pd.DataFrame) -> Iterator[Row]:
    """p of the correlations over all models when vanilla models, not models, are independent."""
    tuned, main = _tuned(table), table[table["part"] == "main"]
    size = "log10_parameters"
    for which, models, x, y, given in (
        ("tuned models", tuned, "mmlu", "average", None),
        ("tuned models", tuned, size, "average", None),
        ("all models", main, size, "average", None),
        ("tuned models", tuned, "mmlu", "average", size),
        ("tuned models", tuned, size, "average", "mmlu"),
        ("tuned models", tuned, "mmlu", "futrell2018", None),
    ):
        bases = models["base"].fillna(models["model"]).to_numpy(str)
        fixed = [] if given is None else [models[given].to_numpy()]
        correlation = over_clusters(models[x].to_numpy(), models[y].to_numpy(), bases, fixed)
        what = f"{y} × {x} given {given}" if given else f"{y} × {x}"
        quantity = f"p over vanilla models, {what}, {which}"
        yield _row(
            "over vanilla models", quantity, len(set(bases)), correlation.p, note=correlation.note
        )


def _within_family(table: pd.DataFrame) -> Iterator[Row]:
    for family in ("T5", "LLaMA"):
        members = _tuned(table, family)
        for x in ("mmlu", "log10_parameters", "next_word_loss"):
            correlation = pearson(members[x].to_numpy(), members["average"].to_numpy())
            yield from _pair_rows("within family", f"average × {x}, {family}", correlation)


def _per_dataset(table: pd.DataFrame) -> Iterator[Row]:
    tuned = _tuned(table)
    for x in ("mmlu", "log10_parameters"):
        for dataset in BRAIN_DATASETS:
            correlation = pearson(tuned[x].to_numpy(), tuned[dataset].to_numpy())
            yield from _pair_rows("per dataset", f"{dataset} × {x}", correlation)


def _categories(categories: pd.DataFrame) -> Iterator[Row]:
    p = [correlation_p(r, n) for r, n in zip(categories["r"], categories["n"], strict=True)]
    for line, adjusted in zip(
        categories.to_dict("records"), benjamini_hochberg(np.array(p)), strict=True
    ):
        yield _row(
            "categories",
            f"adjusted p, average × {line['benchmark']} {line['category']}",
            line["n"],
            float(adjusted),
            line["source"],
            line["p_adjusted"],
            line["p_relation"],
        )


def _behaviour(
    table: pd.DataFrame, correlates: pd.DataFrame, ceilings: pd.DataFrame
) -> Iterator[Row]:
    groups = {
        "tuned": _tuned(table),
        "T5 tuned": _tuned(table, "T5"),
        "LLaMA tuned": _tuned(table, "LLaMA"),
    }
    for line in correlates[correlates["y"] == "futrell2018"].to_dict("records"):
        group = groups[line["models"]]
        correlation = pearson(group[line["x"]].to_numpy(), group["futrell2018"].to_numpy())
        what = f"futrell2018 × {line['x']}, {line['models']} models"
        yield from _pair_rows("behaviour", what, correlation, line)
    llama = groups["LLaMA tuned"]
    correlation = pearson(llama["log10_parameters"].to_numpy(), llama["futrell2018"].to_numpy())
    yield from _pair_rows(
        "behaviour", "futrell2018 × log10_parameters, LLaMA tuned models", correlation
    )
    tuned = groups["tuned"]
    change = tuned["absolute_futrell2018"].to_numpy()
    tests = paired_tests(change)
    yield _row("behaviour", "mean change of futrell2018", len(tuned), change.mean())
    yield _row(
        "behaviour", "Wilcoxon p, tuned against vanilla futrell2018", len(tuned), tests.p_wilcoxon
    )
    for family in ("T5", "LLaMA"):
        lost = groups[f"{family} tuned"]["absolute_futrell2018"] < 0
        yield _row(
            "behaviour", f"{family} models whose futrell2018 loses", len(lost), int(lost.sum())
        )
    ceiling = float(ceilings.set_index("dataset")["ceiling"]["futrell2018"])
    normalised = float(table.set_index("model")["futrell2018"]["gpt2-xl"])
    yield _row("behaviour", "raw |r| of gpt2-xl (printed value × ceiling)", 1, normalised * ceiling)


def _consistency(
    table: pd.DataFrame, ceilings: pd.DataFrame, categories: pd.DataFrame
) -> Iterator[Row]:
    mean = table[list(BRAIN_DATASETS)].mean(axis=1)
    largest = float((mean - table["average"]).abs().max())
    yield _row(
        "consistency", "largest |mean of three datasets − average column|", len(table), largest
    )
    limit = ceilings.set_index("dataset")["ceiling"]
    yield _row(
        "consistency",
        "mean of the three ceilings",
        3,
        limit[list(BRAIN_DATASETS)].mean(),
        "Table 6",
        limit["average"],
    )
    main = table[table["part"] == "main"]
    for dataset in BRAIN_DATASETS:
        above = int((main[dataset] > limit[dataset]).sum())
        yield _row("consistency", f"models above the ceiling, {dataset}", len(main), above)
    tuned = _tuned(table)
    overall = categories[categories["category"] == "overall"].set_index("benchmark")
    for name in ("MMLU", "BBH"):
        line = overall.T.to_dict()[name]
        value = tuned[name.lower()].mean()
        yield _row(
            "consistency", f"mean {name} accuracy of the tuned models",
            len(tuned), value, line["source"], line["accuracy"],
        )  # fmt: skip


def _similarity(similarity: pd.DataFrame) -> Iterator[Row]:
    for measure, group in similarity.groupby("measure", sort=False):
        for what, count in (
            ("gain", (group["tuned"] > group["base"]).sum()),
            ("lose", (group["tuned"] < group["base"]).sum()),
        ):
            quantity = f"Gemma and LLaMA-2 models that {what}, {measure}"
            yield _row("similarity", quantity, len(group), int(count), "Table 8")


def _double_descent(table: pd.DataFrame, widths: pd.DataFrame) -> Iterator[Row]:
    """How far features that hold time alone give the printed scores on Blank2014, by width."""
    topic, source, by_width = "double descent", "Table 5", widths.set_index("width")["time_alone"]

    def row(which: str, printed: pd.Series, note: str = "") -> Row:
        correlation = pearson(by_width.reindex(printed.index).to_numpy(), printed.to_numpy())
        quantity = f"Pearson r over widths, blank2014 × features of time alone, {which}"
        return _row(topic, quantity, correlation.n, correlation.r, source, note=note)

    means = table.groupby("width")["blank2014"].mean()
    yield row(f"up to {WIDEST} units", means[means.index <= WIDEST])
    yield row("all widths", means, "the two widest are of LLaMA alone")
    for family, group in table.groupby("family", sort=False):
        yield row(str(family), group.groupby("width")["blank2014"].mean())
    least, lowest = (float(str(part.idxmin())) for part in (by_width, means))
    yield _row(topic, "width at which features of time alone do worst", len(by_width), least)
    yield _row(topic, "width at which the printed blank2014 is lowest", len(means), lowest)
