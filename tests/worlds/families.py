"""Which families of models are tested in which settings, and which of them by `make test`."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from _pytest.mark import ParameterSet

# Learned positions, rotary ones with a sliding window, ALiBi; the two other architectures.
REPRESENTATIVES = ("gpt2", "mistral", "bloom", "t5", "bert")


def every(families: Iterable[str], *setting: Any) -> list[ParameterSet]:
    """Every family (in a setting); those that are no representatives take `make test-all`."""
    return [
        pytest.param(
            family, *setting, marks=() if family in REPRESENTATIVES else pytest.mark.long
        )
        for family in families
    ]  # fmt: skip


def crossed(families: Iterable[str], first: Any, *others: Any) -> list[Any]:
    """Every family in the first setting, and the representatives among them in the others."""
    families = tuple(families)
    chosen = (family for family in families if family in REPRESENTATIVES)
    return [*every(families, first), *product(chosen, others)]
