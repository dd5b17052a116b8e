"""The tables that answers are made from, as far as a study has them."""

from dataclasses import dataclass, fields, replace

import pandas as pd


@dataclass(frozen=True)
class Tables:
    """Tables of the same names in `tables/`; None where the study measures no such thing."""

    scores: pd.DataFrame | None = None
    contrasts: pd.DataFrame | None = None
    correlations: pd.DataFrame | None = None
    capabilities: pd.DataFrame | None = None
    losses: pd.DataFrame | None = None
    behaviors: pd.DataFrame | None = None
    baselines: pd.DataFrame | None = None
    reading_loss: pd.DataFrame | None = None
    truth: pd.DataFrame | None = None

    @property
    def worlds(self) -> list[bool]:
        """Whether simulated data were measured (True), and whether real ones (False)."""
        measured = (self.scores, self.behaviors, self.capabilities)
        return sorted(
            {bool(one) for table in measured if table is not None for one in table["simulated"]},
            reverse=True,
        )

    @property
    def has_published_models(self) -> bool:
        """Whether a model of the study is one of the published tables."""
        tables = (self.scores, self.behaviors, self.capabilities)
        return any(table is not None and table["published"].notna().any() for table in tables)

    def of_world(self, simulated: bool) -> "Tables":
        """The rows on simulated data alone, or on real data alone."""
        chosen = {}
        for name in (field.name for field in fields(self)):
            table = getattr(self, name)
            if table is not None and "simulated" in table:
                chosen[name] = table[table["simulated"] == simulated]
        return replace(self, **chosen)

    def names(self, table: str, column: str) -> list[str]:
        """What is in a column of a table, each once: datasets, tasks, texts."""
        values: pd.DataFrame | None = getattr(self, table)
        return [] if values is None else list(values[column].unique())
