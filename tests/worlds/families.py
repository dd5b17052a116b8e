"""Which families of models are tested in which settings."""

from collections.abc import Iterable
from itertools import product
from typing import Any

# Learned positions, rotary ones with a sliding window, ALiBi; the two other architectures.
REPRESENTATIVES = ("gpt2", "mistral", "bloom", "t5", "bert")


def crossed(families: Iterable[str], first: Any, *others: Any) -> list[tuple[str, Any]]:
    """Every family in the first setting, and the representatives among them in the others."""
    families = tuple(families)
    chosen = (family for family in families if family in REPRESENTATIVES)
    return [*((family, first) for family in families), *product(chosen, others)]
