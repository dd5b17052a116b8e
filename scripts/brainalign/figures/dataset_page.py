"""One page per dataset: what the responses look like before any model is compared with them."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainalign.analysis.wording import r_text
from brainalign.figures.style import INK, MUTED, PAGE, absent, heading, panel, sheet
from brainalign.formats.datasets import UNITS_UNKNOWN, is_timed
from brainalign.natural_order import natural

LAGS = 10
SHOWN = 40  # up to so many subjects, each has its own bar of missing values
MOST_REGIONS = 15  # up to so many, each has a column
FILL = "#B8B8B8"
BLOCK = 1000  # targets correlated at a time: whole scans of many voxels would fill the memory
DRAWN = 1 << 24  # responses: of a whole brain, whose copies would fill the memory, some targets
LINE = 0.15  # inches: one line of the text above the panels


def dataset_page(
    stimuli: pd.DataFrame, responses: xr.Dataset, card: Mapping[str, Any], name: str | None = None
) -> Figure:
    """Draw a prepared dataset (docs/architecture.md, "Files"), `responses` [stimulus or volume,
    target], headed `name` or else as its card.

    Four panels: distribution of the responses, missing values, autocorrelation within a context
    group (or run), and how well one subject's mean response of a region goes with the others'.
    """
    simulated = bool(responses.attrs["simulated"])
    timed = is_timed(responses)
    groups = responses["run"].values if timed else stimuli["context_group"].to_numpy()
    facts = _facts(stimuli, responses, card)
    step = 1 + (responses["responses"].size - 1) // DRAWN
    if step > 1:
        facts += f"\nThe panels are of one target in {step}."
        responses = responses.isel(target=slice(None, None, step))
    values = responses["responses"].values
    above = 0.1 + LINE * (facts.count("\n") + 1)
    figure = sheet(PAGE, 0.3 + above + 2 * 2.45, simulated)
    heading(figure, f"Dataset: {name or card['dataset']}")
    top, middle, bottom = figure.subplots(3, 2, height_ratios=[above, 2.45, 2.45])
    for axes in top:
        axes.set_axis_off()
    top[0].text(0, 1, facts, va="top", transform=top[0].transAxes, in_layout=False)
    mark = ", simulated" * simulated
    units = str(responses.attrs["units"])
    _distribution(middle[0], values[:, _in_units(responses, units)], units, mark)
    _missing(middle[1], values, responses["subject"].values.astype(str), mark)
    _autocorrelation(bottom[0], values, groups, "run" if timed else "context group", mark)
    _intersubject(bottom[1], values, responses, mark)
    return figure


def autocorrelation(values: np.ndarray, groups: np.ndarray, lags: int) -> np.ndarray:
    """Pearson correlation of every target with itself `lag` rows later inside the same group.

    Parameters
    ----------
    values : float [row, target], NaN where missing.
    groups : [row]; pairs never cross from one group into another.
    lags : largest lag.

    Returns
    -------
    float [lag, target] for lags 1 … `lags`, NaN with fewer than 3 pairs or no variance.
    """
    r = np.full((lags, values.shape[1]), np.nan)
    for start in range(0, values.shape[1], BLOCK):
        block = values[:, start : start + BLOCK].astype(float)
        for lag in range(1, min(lags, len(values) - 1) + 1):
            same = groups[lag:] == groups[:-lag]
            r[lag - 1, start : start + BLOCK] = _columnwise(block[:-lag][same], block[lag:][same])
    return r


def intersubject(values: np.ndarray, subjects: np.ndarray, regions: np.ndarray) -> pd.DataFrame:
    """Correlation of each subject's mean response of a region with the mean of the other subjects.

    Parameters
    ----------
    values : float [row, target], NaN where missing.
    subjects, regions : [target].

    Returns
    -------
    `region`, `subject`, `r` (NaN where fewer than 3 rows are shared); empty with one subject.
    """
    rows = []
    for region in sorted(set(regions), key=natural):
        inside = regions == region
        names = list(dict.fromkeys(subjects[inside]))
        courses = np.column_stack([_mean(values[:, inside & (subjects == n)]) for n in names])
        for column, name in enumerate(names) if len(names) > 1 else ():
            others = _mean(np.delete(courses, column, axis=1))
            r = _columnwise(courses[:, [column]], others[:, None])[0]
            rows.append({"region": region, "subject": name, "r": r})
    return pd.DataFrame(rows, columns=["region", "subject", "r"])


def _mean(columns: np.ndarray) -> np.ndarray:
    """Row means that leave out NaN; NaN where a row has nothing else."""
    present = ~np.isnan(columns)
    count = present.sum(axis=1)
    return np.where(present, columns, 0).sum(axis=1, dtype=float) / np.where(
        count > 0, count, np.nan
    )


def _columnwise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson r of each column of x with that of y over the rows that both have.

    (`encoding.correlation` takes columns without gaps, so that sums of all are matrix products.)
    """
    both = ~(np.isnan(x) | np.isnan(y))
    n = np.where(both.sum(0) > 2, both.sum(0), np.nan)
    x, y = np.where(both, x, 0), np.where(both, y, 0)
    x = np.where(both, x - x.sum(0) / n, 0)
    y = np.where(both, y - y.sum(0) / n, 0)
    norms = np.sqrt((x * x).sum(0) * (y * y).sum(0))
    return np.where(np.isnan(n), np.nan, (x * y).sum(0) / np.where(norms > 0, norms, np.nan))


def _facts(stimuli: pd.DataFrame, responses: xr.Dataset, card: Mapping[str, Any]) -> str:
    """What the dataset is and what was left out of it, in lines as wide as the page."""
    shape = responses["responses"].shape
    rows, targets = (
        f"{shape[0]} {responses['responses'].dims[0]} rows",
        f"{shape[1]} target" + "s" * (shape[1] > 1),
    )
    n_subjects = len(set(responses["subject"].values.tolist()))
    n_regions = len(set(responses["region"].values.tolist()))
    whose = f"{n_subjects} subjects in {n_regions} regions"
    if responses.attrs["kind"] == "reading-times":
        whose = f"{n_subjects} readers" + f", {n_regions} measures" * (n_regions > 1)
        if set(responses["subject"].values.tolist()) == {"mean"}:
            whose = "the mean over readers"
    words = sum(len(text.split()) for text in stimuli["text"])
    lines = [
        f"{len(stimuli)} stimuli ({words} words) in {stimuli['context_group'].nunique()} context "
        f"groups and {stimuli['split_group'].nunique()} split groups; responses: {rows} × {targets}"
        f" of {whose}.",
        f"Source: {responses.attrs['source']}. Licence: {responses.attrs['licence']}.",
    ]
    lines += [f"Left out: {e['n']} {e['what']} ({e['why']})." for e in card.get("dropped", [])]
    return "\n".join(fill(line, 112) for line in lines)


def _in_units(responses: xr.Dataset, units: str) -> np.ndarray:
    """Which targets are measured in `units`: all, unless each names its own."""
    if "target_units" not in responses.coords:
        return np.ones(responses.sizes["target"], bool)
    return responses["target_units"].values.astype(str) == units


def _distribution(axes: Axes, values: np.ndarray, units: str, mark: str) -> None:
    present = values[~np.isnan(values)]
    known = units != UNITS_UNKNOWN
    low, high = np.quantile(present, [0.001, 0.999])
    outside = int(((present < low) | (present > high)).sum())
    panel(
        axes, "Distribution",
        f"N = {present.size} responses{f' in {units}' * known}{mark}; {outside} outside the axis\n"
        f"mean {present.mean(dtype=float):.3g}, SD {present.std(dtype=float):.3g}",
    )  # fmt: skip
    axes.hist(present, bins=60, range=(low, high if high > low else low + 1), color=FILL)
    axes.axvline(present.mean(dtype=float), color=INK, linewidth=0.9)
    axes.set_xlabel("response" + f" ({units})" * known)
    axes.set_ylabel("count")


def _missing(axes: Axes, values: np.ndarray, subjects: np.ndarray, mark: str) -> None:
    missing = np.isnan(values)
    panel(
        axes, "Missing values",
        f"{100 * missing.mean():.1f} % of N = {values.size} responses{mark}\n"
        f"in {missing.any(axis=0).sum()} of {values.shape[1]} targets",
    )  # fmt: skip
    share = pd.Series(missing.mean(axis=0)).groupby(subjects).mean()
    share = share[sorted(share.index, key=natural)]
    if not missing.any():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.text(0.5, 0.5, "none", ha="center", va="center", color=MUTED)
    elif len(share) <= SHOWN:
        axes.bar(range(len(share)), 100 * share, color=FILL)
        many = len(share) > 10
        axes.set_xticks(range(len(share)), list(share.index), rotation=90 if many else 0)
        axes.set_ylabel("missing (%)")
    else:
        axes.hist(100 * share, bins=30, color=FILL)
        axes.set(xlabel="missing (% of a subject's responses)", ylabel="subjects")


def _autocorrelation(
    axes: Axes, values: np.ndarray, groups: np.ndarray, unit: str, mark: str
) -> None:
    r = autocorrelation(values, np.asarray(groups), LAGS)
    defined = ~np.isnan(r).all(axis=1)
    panel(
        axes, "Autocorrelation",
        f"Pearson, within a {unit}{mark}, N = {values.shape[1]} targets\n"
        "line: median target, band: 10-90 % of targets",
    )  # fmt: skip
    if not defined.any():
        absent(axes, f"no {unit} has enough rows")
        return
    lags = np.arange(1, LAGS + 1)[defined]
    low, middle, high = np.nanquantile(r[defined], [0.1, 0.5, 0.9], axis=1)
    axes.fill_between(lags, low, high, color=FILL, alpha=0.6, linewidth=0)
    axes.plot(lags, middle, color=INK, marker="o", markersize=3)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.set_xticks(lags)
    axes.set(xlabel="lag (rows)", ylabel="correlation with itself")


def _intersubject(axes: Axes, values: np.ndarray, responses: xr.Dataset, mark: str) -> None:
    subjects, regions = (responses[name].values.astype(str) for name in ("subject", "region"))
    table = intersubject(values, subjects, regions).dropna()
    panel(
        axes, "Inter-subject correlation",
        f"Pearson, one subject with the mean of the others{mark}\n"
        f"N = {table['subject'].nunique()} subjects; line and number: their mean",
    )  # fmt: skip
    if table.empty:
        absent(axes, "it needs the same responses of two subjects")
        return
    names = list(table["region"].unique())
    if len(names) > MOST_REGIONS:
        axes.hist(table.groupby("region")["r"].mean(), bins=20, color=FILL)
        axes.set(xlabel="correlation with the others, mean of a region", ylabel="regions")
        return
    for row, (_, part) in enumerate(table.groupby("region", sort=False)):
        shift = np.linspace(-0.25, 0.25, len(part)) if len(part) > 1 else [0]
        axes.plot(row + np.asarray(shift), part["r"], "o", color=FILL, markersize=2.5)
        axes.plot(row, part["r"].mean(), "_", color=INK, markersize=14, markeredgewidth=1.4)
        axes.annotate(
            r_text(part["r"].mean()), (row, part["r"].max()), (0, 4),
            textcoords="offset points", ha="center",
        )  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.margins(y=0.15)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylabel("correlation with the others")
