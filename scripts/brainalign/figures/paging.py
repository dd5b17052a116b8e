"""Pages of the figures that have a row per model: a study of many models has several of each."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainalign.figures.style import save


@dataclass(frozen=True)
class Page:
    """One page: its number, of how many, and the models that have a row on it (None: all).

    What a page states (N, intervals, ranks) is of all models, and its scales are.
    """

    number: int = 1
    of: int = 1
    models: frozenset[str] | None = None

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Those rows of a table with a column `model` that are on the page, numbered from 0."""
        if self.models is None:
            return table
        return table[table["model"].isin(self.models)].reset_index(drop=True)

    def title(self, text: str) -> str:
        """The figure's title, with the page's number where there are several."""
        return text if self.of == 1 else f"{text}, page {self.number} of {self.of}"

    def markers(self, markers: Mapping[str, str], order: pd.DataFrame) -> dict[str, str]:
        """Those markers whose families (column `family` of `order`) are on the page."""
        return {
            name: m for name, m in markers.items() if self.of == 1 or name in set(order["family"])
        }

    def span(self, axes: Axes, values: pd.DataFrame, vertical: bool = False) -> None:
        """Let an axis reach over `values` of all models, so that the scale is that of all pages."""
        known = values.to_numpy(dtype=float)
        if self.of == 1 or np.isnan(known).all():
            return
        ends = float(np.nanmin(known)), float(np.nanmax(known))
        points = [(0.0, end) if vertical else (end, 0.0) for end in ends]
        axes.update_datalim(points, updatex=not vertical, updatey=vertical)
        axes.autoscale_view(scalex=not vertical, scaley=vertical)


ONE_PAGE = Page()


def save_pages(
    draw: Callable[..., Figure],
    pages: Sequence[Sequence[str]],
    svg: Sequence[str | Path],
    png: Sequence[str | Path],
) -> None:
    """Draw and write every page; files of another number of pages are removed.

    Parameters
    ----------
    draw : gives the figure of a `page`.
    pages : names of the models of each page (`study.figure_pages`); a single page is of all.
    svg, png : a path per page.
    """
    for paths in (svg, png):
        _remove_others(list(map(Path, paths)))
    for number, (names, *paths) in enumerate(zip(pages, svg, png, strict=True), start=1):
        several = len(pages) > 1
        page = Page(number, len(pages), frozenset(names)) if several else ONE_PAGE
        save(draw(page=page), *paths)


def _remove_others(paths: Sequence[Path]) -> None:
    """Remove what the figure had with another number of pages: NAME.svg, NAME-1.svg, …"""
    name = paths[0].stem.removesuffix("-1") if len(paths) > 1 else paths[0].stem
    for old in paths[0].parent.glob(f"{name}*{paths[0].suffix}"):
        if old not in paths and re.fullmatch(rf"{re.escape(name)}(-\d+)?", old.stem):
            old.unlink()
