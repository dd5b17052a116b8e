"""Tuned models beside their vanilla partners: what each pair scored, and the units behind it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainalign.analysis.crossed import NOTHING, Variance, held_out_by, of_pair, unit_tables
from brainalign.analysis.values_and_units import EVERY
from brainalign.notes import not_computable


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
        """Tuned minus vanilla, float64 [pair]."""
        return self.tuned - self.vanilla

    @property
    def relative(self) -> np.ndarray:
        """Difference over the vanilla value, float64 [pair]; NaN where that is not clearly above
        0."""
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
        """The models of a table that is indexed by tuned model, with `base` and `family`."""
        return cls(
            facts.index.to_numpy(str), facts["base"].to_numpy(str), facts["family"].to_numpy(str)
        )

    def groups(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Level, name and members, bool [pair], of every family, and of all."""
        for family in dict.fromkeys(self.families):
            yield "family", str(family), self.families == family
        yield "overall", EVERY, np.ones(len(self.tuned), bool)


def pairs_of(members: pd.DataFrame, values: pd.DataFrame, units: pd.DataFrame) -> Pairs:
    """The pairs of one measure on one dataset.

    Parameters
    ----------
    members : `base` (the partner), indexed by tuned model.
    values, units : rows of the measure on the dataset (`units.VALUES`, `units.UNITS`).
    """
    by_model = values.set_index("model")
    bases = members["base"].to_list()
    notes = []
    for pair in zip(members.index, bases, strict=True):
        absent = [not_computable(f"no score of {m}") for m in pair if m not in by_model.index]
        said = [by_model["note"].get(m) for m in pair]
        notes.append(next((n for n in [*absent, *said] if isinstance(n, str) and n), ""))
    tables = unit_tables(units, [*members.index, *bases], "value")
    vanilla = by_model.reindex(bases)
    tuned = by_model["value"].reindex(members.index).to_numpy(float)
    # A value may have a note of another kind, that its dataset has no ceiling.
    undefined = np.isnan(tuned - vanilla["value"].to_numpy(float))
    notes = [note if nan else "" for note, nan in zip(notes, undefined, strict=True)]
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
