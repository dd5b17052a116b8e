"""Pools of subjects as features: their responses side by side, fold by fold."""

import logging
from collections.abc import Sequence

import numpy as np

from brainalign.encoding.operators import Design
from brainalign.encoding.responses import Responses
from brainalign.encoding.splits import Split
from brainalign.errors import InputError

LOG = logging.getLogger("brainalign")


def measured_subjects(responses: Responses, method: str) -> dict[str, np.ndarray]:
    """Subjects with measured targets, in order: name → which targets [target] are theirs.

    Raises
    ------
    InputError : fewer than three, for `method`.
    """
    everyone = np.unique(responses.targets.subjects).tolist()
    of_subject = {s: responses.targets.subjects == s for s in everyone}
    subjects = {s: who for s, who in of_subject.items() if responses.measured[who].any()}
    if lost := sorted(set(everyone) - set(subjects)):
        LOG.warning("left out, no target is measured: %s", ", ".join(lost))
    if len(subjects) < 3:
        raise InputError(
            f"ceiling.method: {method} needs 3 or more subjects with measured targets, there "
            f"are {len(subjects)}"
        )
    return subjects


class Space:
    """One subject's responses as features in one fold: training rows first, then test rows."""

    def __init__(self, responses: Responses, split: Split) -> None:
        units = np.concatenate(responses.fold(split, slice(None)))
        self.units = units[:, responses.measured].astype(np.float64)
        self.rows = Split(
            np.arange(split.train.size), split.train.size + np.arange(split.test.size)
        )
        self._gram: np.ndarray | None = None

    @property
    def gram(self) -> np.ndarray:
        """The products [row, row] of the rows' responses, float64."""
        if self._gram is None:
            self._gram = self.units @ self.units.T
        return self._gram


def joint(spaces: Sequence[Space], intercept: bool) -> Design:
    """Feature spaces side by side: their Gram matrices add up."""
    n_rows = len(spaces[0].units)
    if sum(space.units.shape[1] for space in spaces) < n_rows:
        return Design.of_features(np.concatenate([s.units for s in spaces], axis=1), intercept)
    return Design.of_gram(sum((s.gram for s in spaces), np.zeros((n_rows, n_rows))), intercept)
