"""What the `models` section says of each model: its role, its partner, what it is made from."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

Model = Mapping[str, Any]

FETCHED = ("hub", "folder", "gguf", "package", "delta")
# Published instruction data by the name that a `tune` source gives them → their source.
PUBLISHED_INSTRUCTIONS = {
    "alpaca": {"type": "alpaca", "release": "full"},
    "alpaca-subset2000": {"type": "alpaca", "release": "subset2000"},
}

# What a model has from the one it is made from, unless its entry says otherwise: whom it is
# compared with, how large it is, how it is read, what it is scored on.
INHERITED = (
    "family", "parameters", "dtype", "max_context", "chat", "presentations", "bos",
    "decoder_input", "surprisal", "scored_on",
)  # fmt: skip
# Arm → the keys of an experiment that say what the arm is trained on.
DATA_OF = {
    "instruction": ("instructions",),
    "no-instruction": ("instructions",),
    "shuffled": ("instructions",),
    "continued": ("instructions", "text"),
}


def all_models(config: Mapping[str, Any]) -> dict[str, Model]:
    """The study's models: its entries and the checkpoints of its tuning experiments.

    A model that is made from another (a checkpoint, a tuned model, an untrained twin) has the keys
    `INHERITED` from it. A checkpoint is called BASE-ARM-sSEED-SAMPLES. The last one of arm
    instruction is the base's tuned partner; the others have the role `checkpoint`.
    """
    entries: dict[str, Model] = dict(config["models"])
    for name, experiment in config.get("tuning", {}).items():
        base = experiment["base"]
        for arm, seed, seen in checkpoints(experiment):
            tuned = arm == "instruction" and seen == max(experiment["checkpoints"])
            source = {
                "type": "tune", "of": base, "arm": arm, "seed": seed, "checkpoint": seen,
                **{key: experiment[key] for key in DATA_OF[arm] if key in experiment},
                **experiment.get("recipe", {}),
            }  # fmt: skip
            entries[checkpoint_name(base, arm, seed, seen)] = {
                "source": source,
                "experiment": name,
                "role": "tuned" if tuned else "checkpoint",
            }
    models: dict[str, Model] = {
        name: {**_inherited(name, entries), **entry} for name, entry in entries.items()
    }
    for name, entry in list(models.items()):
        if role(entry) == "checkpoint":  # on the way, or of an ablation: its first one alone
            continue
        first, *further = entry.get("presentations", (presentation(entry),))
        if entry["source"]["type"] == "surprisal":  # each presentation is a separate file
            models[name] = {**entry, "source": {**entry["source"], "presentation": first}}
        for other in further:
            models[presentation_name(name, other)] = _presented(name, entry, other)
    return models


def presentation_name(name: str, presentation: str) -> str:
    """What a model in one of its further presentations is called in the study."""
    return f"{name}-as-{presentation}"


def presentation(model: Model) -> str:
    """How texts are presented to a model: `raw`, `chat`, `instruction` or `prefix`."""
    own = "chat" if model.get("chat") else model["source"].get("presentation", "raw")
    first = model.get("presentations", [own])[0]
    return str(model.get("presentation", first))


def weights_of(name: str, models: Mapping[str, Model]) -> str:
    """The model that holds a model's weights: itself, or the one that it is a presentation of."""
    source = models[name]["source"]
    return str(source["of"]) if source["type"] == "presented" else name


def _presented(name: str, entry: Model, presentation: str) -> Model:
    """A further presentation of a model: its weights, or another published table."""
    source = entry["source"]
    if source["type"] == "surprisal":
        source = {**source, "presentation": presentation}
    else:
        source = {"type": "presented", "of": name}
    kept = {key: value for key, value in entry.items() if key not in ("presentations", "label")}
    base = partner(entry)  # of a model that is tuned here its source says so, which is replaced
    if base is not None:
        kept["base"] = base
    return {
        **kept, "source": source, "role": "presentation", "presented": name,
        "presentation": presentation,
    }  # fmt: skip


def _inherited(name: str, entries: Mapping[str, Model]) -> dict[str, Any]:
    """What an entry has from those that it is made from, the nearest first; {} if from none."""
    found: dict[str, Any] = {}
    if role(entries[name]) == "baseline":
        return {}
    oldest, made_from = name, parent(entries[name])
    seen = {name}  # a circle is told by the check of the study, which asks for its models first
    while made_from is not None and made_from in entries and made_from not in seen:
        other = entries[made_from]
        found = {key: other[key] for key in INHERITED if key in other} | found
        seen.add(made_from)
        oldest, made_from = made_from, parent(other)
    return {} if oldest == name else {"family": oldest} | found


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
    partner, or says so), `checkpoint` (of a tuning experiment, on the way or of an ablation),
    `presentation` (a further presentation of a model) or `vanilla`."""
    if "role" in model:
        return str(model["role"])
    kind = model["source"]["type"]
    if model["source"].get("kind") == "truth":
        return "truth"
    if kind in ("baseline", "untrained"):
        return str(kind)
    return "tuned" if partner(model) or model.get("tuned") else "vanilla"


def counts_tokens(model: Model) -> bool:
    """Whether this is the baseline of reading times: the number of tokens of each word."""
    return bool(model["source"].get("kind") == "tokens")


def partner(model: Model) -> str | None:
    """The vanilla model that a tuned model is compared with, or None."""
    if model.get("base"):
        return str(model["base"])
    return model["source"]["of"] if model["source"]["type"] == "tune" else None


def parent(model: Model) -> str | None:
    """The model that this one is made from in the workflow (a tuned model, an untrained twin, a
    count of tokens, word vectors), or None."""
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
    """What a `tune` model is tuned on: `simulated`, a key of `PUBLISHED_INSTRUCTIONS` or a path.

    Where its source does not say, a simulated model is tuned on the simulated instructions; for a
    real one there is no default (None).
    """
    source = models[name]["source"]
    default = "simulated" if is_simulated(source["of"], models) else None
    return source.get("instructions", default)


def scored_on(
    name: str, models_of: Mapping[str, Sequence[str] | None], models: Mapping[str, Model]
) -> list[str]:
    """Names of the benchmarks, tasks or texts that a model's `scored_on` and their own `models`
    (`models_of`; None: all) allow. A presentation counts as the model that it is one of, too."""
    model = models[name]
    wanted = model.get("scored_on", models_of)
    called = {name, model.get("presented", name)}
    return [
        key
        for key, only in models_of.items()
        if key in wanted and not called.isdisjoint(called if only is None else only)
    ]


def narrow(models: Mapping[str, Model], only: list[str]) -> dict[str, Model]:
    """The models named in `only`, in all their presentations and in the study's order; all models
    when it is empty."""
    return {
        name: model
        for name, model in models.items()
        if not only or name in only or model.get("presented") in only
    }
