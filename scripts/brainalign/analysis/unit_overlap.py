"""Whether tuning leaves language units where they were: the base's units against the tuned one's.

Two sets of k among N units that are drawn at random share a hypergeometric number of them, k²/N on
average; drawn in each layer by itself, the sum of the layers' numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from brainalign.analysis.values_and_units import EVERY
from brainalign.encoding.language_units import choose_units, pools
from brainalign.encoding.settings import Reduction
from brainalign.intervals import TAILS, Inference, student
from brainalign.notes import not_computable

COLUMNS = (
    "level", "tuned", "vanilla", "family", "localizer", "dimensions", "among", "layer", "units",
    "chosen", "shared", "overlap", "chance", "chance_low", "chance_high", "p", "above_chance",
    "low", "high", "n", "note", "simulated",
)  # fmt: skip


def unit_overlap(
    models: Mapping[str, Mapping[str, Any]],
    selectivity: Mapping[tuple[str, str], pd.DataFrame],
    reductions: Sequence[Reduction],
    simulated_datasets: Sequence[str],
) -> pd.DataFrame:
    """How many language units of a tuned model are those of its vanilla partner.

    Parameters
    ----------
    models : name → `base` (None: in no pair), `family`, `simulated`.
    selectivity : model and localizer → `language_units.selectivity`.
    reductions : of method localizer; each has separate rows.

    Returns
    -------
    COLUMNS (docs/outputs.md): a row per pair and layer, per pair over all layers, and the mean of
    these over pairs with its 95 % interval over families.
    """
    rows: list[dict[str, Any]] = []
    for asked in reductions:
        about = {
            "localizer": asked.localizer, "dimensions": str(asked.dimensions), "among": asked.among,
        }  # fmt: skip
        pairs: list[dict[str, Any]] = []
        for name, model in models.items():
            keys = (name, str(asked.localizer)), (str(model["base"]), str(asked.localizer))
            if any(key not in selectivity for key in keys):
                continue
            pair = {
                "level": "pair", "tuned": name, "vanilla": model["base"], "family": model["family"],
                "simulated": model["simulated"] or asked.localizer in simulated_datasets,
            }  # fmt: skip
            tuned, vanilla = (selectivity[key] for key in keys)
            pairs += [about | pair | row for row in _of_pair(tuned, vanilla, asked)]
        rows += pairs
        rows += [about | row for row in _overall(pairs)]
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table["simulated"] = table["simulated"].astype(bool)
    table["note"] = table["note"].fillna("")
    return table


def _of_pair(
    tuned: pd.DataFrame, vanilla: pd.DataFrame, asked: Reduction
) -> Iterator[dict[str, Any]]:
    """A row for all layers, then one per layer where units are chosen in each."""
    widths = {str(n): len(part) for n, part in tuned.groupby("layer", sort=False)}
    others = {str(n): len(part) for n, part in vanilla.groupby("layer", sort=False)}
    if widths != others:
        yield {"layer": EVERY, "note": not_computable("layers of the two differ in units")}
        return
    one, other = (choose_units(widths, asked, t, seed=0) for t in (tuned, vanilla))
    counts = []
    for layers in pools(list(widths), asked.among):
        shared = sum(np.intersect1d(one[name], other[name]).size for name in layers)
        counts.append((sum(widths[n] for n in layers), sum(len(one[n]) for n in layers), shared))
    yield {"layer": EVERY, **_beside_chance(*zip(*counts, strict=True))}
    if asked.among == "layer":
        for name, count in zip(widths, counts, strict=True):
            yield {"layer": name, **_beside_chance(*([number] for number in count))}


def _beside_chance(
    units: Sequence[int], chosen: Sequence[int], shared: Sequence[int]
) -> dict[str, Any]:
    """The units that two sets of `chosen` of `units` share, each drawn in a pool by itself."""
    n, k, both = sum(units), sum(chosen), sum(shared)
    pmf = reduce(
        np.convolve,
        (
            hypergeom.pmf(np.arange(ki + 1), ni, ki, ki)
            for ni, ki in zip(units, chosen, strict=True)
        ),
    )
    cumulative = np.cumsum(pmf)
    chance = float(pmf @ np.arange(pmf.size)) / k
    low, high = (np.searchsorted(cumulative, q) / k for q in TAILS)
    return {
        "units": n, "chosen": k, "shared": both, "overlap": both / k, "chance": chance,
        "chance_low": low, "chance_high": high, "p": min(1.0, float(pmf[both:].sum())),
        "above_chance": both / k - chance, "n": 1,
    }  # fmt: skip


def _overall(pairs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The mean over pairs, and its interval over families' means."""
    table = pd.DataFrame(pairs)
    if table.empty or "overlap" not in table:
        return
    overall = table[(table["layer"] == EVERY) & table["overlap"].notna()]
    for simulated, part in overall.groupby("simulated"):
        families = part.groupby("family")["above_chance"].mean()
        result = Inference(note="one family, 2 are needed for an interval")
        if len(families) > 1:
            error = float(families.std(ddof=1) / np.sqrt(len(families)))
            result = student(float(families.mean()), error, len(families) - 1)
        yield {
            "level": "overall", "tuned": EVERY, "vanilla": EVERY, "family": EVERY, "layer": EVERY,
            "overlap": part["overlap"].mean(), "chance": part["chance"].mean(),
            "above_chance": families.mean(), "low": result.low, "high": result.high,
            "n": len(part), "note": result.note, "simulated": simulated,
        }  # fmt: skip
