"""What the `models` section says of each model: its role, its partner, what it is made from."""

from collections.abc import Mapping
from typing import Any

Model = Mapping[str, Any]

MADE_HERE = ("pretrain", "tune", "untrained")
FETCHED = ("hub", "folder", "gguf", "package", "delta")


def role(model: Model) -> str:
    """`truth` (the planted features), `baseline` (no network), `untrained`, `tuned` (has a vanilla
    partner) or `vanilla`."""
    kind = model["source"]["type"]
    if model["source"].get("kind") == "truth":
        return "truth"
    if kind in ("baseline", "untrained"):
        return str(kind)
    return "tuned" if partner(model) else "vanilla"


def partner(model: Model) -> str | None:
    """The vanilla model that a tuned model is compared with, or None."""
    if model.get("base"):
        return str(model["base"])
    return model["source"]["of"] if model["source"]["type"] == "tune" else None


def parent(model: Model) -> str | None:
    """The model that this one is made from in the workflow (tuned or untrained twin), or None."""
    return model["source"].get("of")


def is_simulated(name: str, models: Mapping[str, Model]) -> bool:
    """Whether a model was trained on the simulated world (baselines follow their dataset)."""
    source = models[name]["source"]
    if source["type"] == "pretrain":
        return True
    return "of" in source and is_simulated(source["of"], models)


def narrow(models: Mapping[str, Model], only: list[str]) -> dict[str, Model]:
    """The models named in `only`, in the study's order (all of them when it is empty)."""
    return {name: model for name, model in models.items() if not only or name in only}
