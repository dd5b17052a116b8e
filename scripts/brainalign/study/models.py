"""What the `models` section says of each model: its role, its partner, what it is made from."""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

Model = Mapping[str, Any]

FETCHED = ("hub", "folder", "gguf", "package", "delta")
# Published instruction data by the name that a `tune` source gives them → their source.
INSTRUCTIONS = {
    "alpaca": {"type": "alpaca", "release": "full"},
    "alpaca-subset2000": {"type": "alpaca", "release": "subset2000"},
}

# What a checkpoint has from its base: how it is read and how large it is.
READING = (
    "parameters", "dtype", "max_context", "chat", "bos", "decoder_input", "surprisal",
    "trust_remote_code",
)  # fmt: skip
# Arm → the keys of an experiment that say what the arm is trained on.
DATA_OF = {
    "instruction": ("instructions",),
    "no-instruction": ("instructions",),
    "shuffled": ("instructions",),
    "continued": ("instructions", "text"),
}

# A fetched model whose size is neither declared nor in its name: with torch, 8 GB in float32.
UNKNOWN_PARAMETERS = 1e9
TRAINING_BYTES = 16  # of a parameter: float32 weight, gradient and AdamW's two moments
GPU_FROM = 1e8  # parameters above which a model is not read or tuned on CPUs (docs/scaling.md)
SHARD_BYTES = 40e9  # that one GPU holds of a model sharded over several
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([mb])(?![a-z0-9])", re.IGNORECASE)


def all_models(config: Mapping[str, Any]) -> dict[str, Model]:
    """The study's models: its entries and the checkpoints of its tuning experiments.

    A checkpoint is called BASE-ARM-sSEED-SAMPLES and is read as its base is. The last one of arm
    instruction is the base's tuned partner; the others have the role `checkpoint`.
    """
    models = dict(config["models"])
    for name, experiment in config.get("tuning", {}).items():
        base = experiment["base"]
        read = {key: models.get(base, {})[key] for key in READING if key in models.get(base, {})}
        for arm, seed, seen in checkpoints(experiment):
            tuned = arm == "instruction" and seen == max(experiment["checkpoints"])
            source = {
                "type": "tune", "of": base, "arm": arm, "seed": seed, "checkpoint": seen,
                **{key: experiment[key] for key in DATA_OF[arm] if key in experiment},
                **experiment.get("recipe", {}),
            }  # fmt: skip
            models[checkpoint_name(base, arm, seed, seen)] = {
                **read,
                "source": source,
                "family": models.get(base, {}).get("family", base),
                "experiment": name,
                "role": "tuned" if tuned else "checkpoint",
            }
    return models


def checkpoints(experiment: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Arm, seed and samples seen of every checkpoint of a tuning experiment."""
    return product(
        experiment["arms"], experiment.get("seeds", [1]), sorted(experiment["checkpoints"])
    )


def checkpoint_name(base: str, arm: str, seed: int, seen: int) -> str:
    """What a checkpoint is called in the study."""
    return f"{base}-{arm}-s{seed}-{seen}"


def previous_checkpoint(name: str, models: Mapping[str, Model]) -> str | None:
    """The checkpoint that a tuned model is continued from, or None: it starts from its base."""
    model = models[name]
    seen = model["source"].get("checkpoint", 0)
    run = _run(model)
    earlier = {
        other["source"]["checkpoint"]: other_name
        for other_name, other in models.items()
        if other.get("experiment") and _run(other) == run and other["source"]["checkpoint"] < seen
    }
    return earlier[max(earlier)] if earlier else None


def _run(model: Model) -> tuple[Any, ...]:
    source = model["source"]
    return model.get("experiment"), source.get("arm"), source.get("seed")


def role(model: Model) -> str:
    """`truth` (the planted features), `baseline` (no network), `untrained`, `tuned` (has a vanilla
    partner, or says so), `checkpoint` (of a tuning experiment, on the way or of an ablation) or
    `vanilla`."""
    if "role" in model:
        return str(model["role"])
    kind = model["source"]["type"]
    if model["source"].get("kind") == "truth":
        return "truth"
    if kind in ("baseline", "untrained"):
        return str(kind)
    return "tuned" if partner(model) or model.get("tuned") else "vanilla"


def partner(model: Model) -> str | None:
    """The vanilla model that a tuned model is compared with, or None."""
    if model.get("base"):
        return str(model["base"])
    return model["source"]["of"] if model["source"]["type"] == "tune" else None


def parent(model: Model) -> str | None:
    """The model that this one is made from in the workflow (tuned or untrained twin), or None."""
    return model["source"].get("of")


def lineage(name: str, models: Mapping[str, Model]) -> Iterator[str]:
    """A model's name and those of the models that it is made from in the workflow."""
    made_from: str | None = name
    while made_from is not None:
        yield made_from
        made_from = parent(models[made_from])


def is_simulated(name: str, models: Mapping[str, Model]) -> bool:
    """Whether a model was trained on the simulated world (baselines follow their dataset)."""
    source = models[name]["source"]
    if source["type"] == "pretrain" or source.get("instructions") == "simulated":
        return True
    return "of" in source and is_simulated(source["of"], models)


def instruction_data(name: str, models: Mapping[str, Model]) -> str | None:
    """What a `tune` model is tuned on: `simulated`, a key of `INSTRUCTIONS` or a path.

    Where its source does not say, a simulated model is tuned on the simulated instructions; for a
    real one there is no default (None).
    """
    source = models[name]["source"]
    default = "simulated" if is_simulated(source["of"], models) else None
    return source.get("instructions", default)


def narrow(models: Mapping[str, Model], only: list[str]) -> dict[str, Model]:
    """The models named in `only`, in the study's order (all of them when it is empty)."""
    return {name: model for name, model in models.items() if not only or name in only}


def parameter_count(name: str, models: Mapping[str, Model]) -> float:
    """Parameters of a model before it is there: declared, its parent's, read from the names in its
    source (`SmolLM2-135M`: 135e6), else `UNKNOWN_PARAMETERS`; 0 for baselines and models that are
    pre-trained here, which are small."""
    model = models[name]
    if "parameters" in model:
        return float(model["parameters"])
    if parent(model) in models:
        return parameter_count(str(parent(model)), models)
    if model["source"]["type"] not in FETCHED:
        return 0.0
    sizes = [size for text in (name, *_names(model["source"])) for size in named_sizes(text)]
    return max(sizes, default=UNKNOWN_PARAMETERS)


def named_sizes(text: str) -> list[float]:
    """Parameter counts in a model's name: `pythia-410m`, `Qwen2.5-0.5B-Instruct`, `8x7b`."""
    units = {"m": 1e6, "b": 1e9}
    return [
        int(copies or 1) * float(number) * units[unit.lower()]
        for copies, number, unit in _SIZE.findall(text)
    ]


def _names(source: Mapping[str, Any]) -> Iterator[str]:
    for key in ("id", "path", "name", "file"):
        if key in source:
            yield str(source[key])
    for key in ("base", "delta"):
        if key in source:
            yield from _names(source[key])


def weight_bytes(name: str, models: Mapping[str, Model]) -> float:
    """Bytes of a model's weights in the dtype that it is loaded in (its parent's, if made here)."""
    model = models[name]
    while "dtype" not in model and parent(model) in models:
        model = models[str(parent(model))]
    return parameter_count(name, models) * (2 if model.get("dtype", "float32") != "float32" else 4)


def memory_mb(name: str, models: Mapping[str, Model], attempt: int = 1) -> int:
    """Memory of a job that reads with a model: 2 GB per attempt for torch and what is read, the
    weights, and half as much again per attempt."""
    return int(2000 * attempt + weight_bytes(name, models) * (1 + 0.5 * attempt) / 1e6)


def training_memory_mb(name: str, models: Mapping[str, Model], attempt: int = 1) -> int:
    """Memory of a job that tunes a model: `TRAINING_BYTES` a parameter in place of the weights."""
    held = TRAINING_BYTES * parameter_count(name, models)
    return int(2000 * attempt + held * (1 + 0.5 * attempt) / 1e6)


def gpus(name: str, models: Mapping[str, Model], device: str) -> int:
    """GPUs that a job with a model asks a cluster for: none on `cpu` or up to `GPU_FROM`
    parameters, else one; if `sharded`, as many as hold the weights."""
    if device == "cpu" or parameter_count(name, models) <= GPU_FROM:
        return 0
    return math.ceil(weight_bytes(name, models) / SHARD_BYTES) if device == "sharded" else 1


def training_gpus(name: str, models: Mapping[str, Model]) -> int:
    """GPUs that a job that tunes a model asks a cluster for, whatever the study's `device`: none up
    to `GPU_FROM` parameters, else as many as hold what training holds."""
    n_parameters = parameter_count(name, models)
    if n_parameters <= GPU_FROM:
        return 0
    return math.ceil(TRAINING_BYTES * n_parameters / SHARD_BYTES)
