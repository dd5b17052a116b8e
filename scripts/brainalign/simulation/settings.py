"""Size and truth of the simulated world: the study's `simulation` section."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from brainalign.errors import InputError


@dataclass(frozen=True)
class Settings:
    """What can be set; the defaults are the default study's.

    Attributes
    ----------
    things_per_domain : size of the world: 12 domains × this (even) × 3 facts.
    documents : pre-training documents.
    instructions : samples of instruction data.
    items_per_task : reasoning items per task.
    features : dimensions of the planted semantic state.
    knowledge : share, 0 to 1, of what is known of a thing (its facts) in the concept of the thing;
        the rest is a vector of its own that nothing but the thing's name tells.
    half_life : words after which half of a word's concept is left in the state.
    drift, subject_noise, voxel_noise : standard deviations in units of each target's signal.
    """

    things_per_domain: int = 6
    documents: int = 12000
    instructions: int = 6000
    items_per_task: int = 25
    features: int = 12
    knowledge: float = 1.0
    half_life: float = 8.0
    drift: float = 1.0
    subject_noise: float = 0.3
    voxel_noise: float = 0.8

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "Settings":
        """The section with defaults filled in.

        Raises
        ------
        InputError : an unknown key, or a value out of its range.
        """
        known = {field.name for field in fields(cls)}
        for key in section:
            if key not in known:
                raise InputError(f"simulation.{key}: unknown key, expected one of {sorted(known)}")
        settings = cls(**section)
        if settings.things_per_domain < 4 or settings.things_per_domain % 2:
            raise InputError(
                f"simulation.things_per_domain: {settings.things_per_domain}, expected an even "
                "number of at least 4"
            )
        if not 0 <= settings.knowledge <= 1:
            raise InputError(f"simulation.knowledge: {settings.knowledge}, expected 0 to 1")
        for key in known - {"knowledge", "drift", "subject_noise", "voxel_noise"}:
            if getattr(settings, key) <= 0:
                raise InputError(
                    f"simulation.{key}: {getattr(settings, key)}, expected a positive number"
                )
        for key in ("drift", "subject_noise", "voxel_noise"):
            if getattr(settings, key) < 0:
                raise InputError(f"simulation.{key}: {getattr(settings, key)}, expected 0 or more")
        return settings
