"""What trajectories are made of: checkpoints of tuning experiments, and of `stages`, in order."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from brainalign.models.stages import Chain, Given, Revisions, Stages
from brainalign.study.models import (
    Models,
    checkpoint_name,
    is_simulated,
    narrow,
    revision_name,
)
from brainalign.study.settings import Study
from brainalign.training.settings import Experiment

Point = dict[str, Any]
"""`experiment` (or the entry of `stages`), `base`, `arm`, `seed`, `along` (the unit of `position`:
samples, steps, stages), `position`, `model`, `simulated`, and `facts`: `tokens`, `learned_tokens`,
`held_out_loss`, each None where nobody says it. A model that is tuned here has them in its
manifest."""

BEGINNING = {"tokens": 0, "learned_tokens": 0, "held_out_loss": None}
UNKNOWN = {"tokens": None, "learned_tokens": None, "held_out_loss": None}
ONLY_SEED = 1  # where there is one training


def trajectory_points(study: Study, models: Models) -> list[Point]:
    """The points of every trajectory of a study, one after the other.

    A trajectory is left out unless the models that the study is narrowed to are two or more of it.
    """
    chosen = narrow(models, study.only or ())
    result: list[Point] = []
    for name, entry in {**study.tuning, **study.stages}.items():
        points = [point for point in _points(name, entry, study) if point["model"] in chosen]
        if len({point["model"] for point in points}) > 1:
            result += [
                {**point, "simulated": is_simulated(point["model"], models)} for point in points
            ]
    return result


def _points(name: str, entry: Experiment | Stages, study: Study) -> Iterator[Point]:
    match entry:
        case Experiment():
            return _tuned(name, entry)
        case Revisions():
            return _revisions(name, entry, study)
        case Given():
            return _given(name, entry)
        case Chain():
            return _chain(name, entry)


def _tuned(name: str, entry: Experiment) -> Iterator[Point]:
    for arm, seed in product(entry.arms, entry.seeds):
        about = {"experiment": name, "base": entry.base, "arm": arm, "seed": seed}
        about["along"] = "samples"
        yield {**about, "position": 0, "model": entry.base, "facts": BEGINNING}
        for seen in sorted(entry.checkpoints):
            made = checkpoint_name(entry.base, arm, seed, seen)
            yield {**about, "position": seen, "model": made}


def _given(name: str, entry: Given) -> Iterator[Point]:
    for arm, seed in dict.fromkeys((c.arm, c.seed) for c in entry.checkpoints):
        about = {"experiment": name, "base": entry.base, "arm": arm, "seed": seed}
        about["along"] = "samples"
        yield {**about, "position": 0, "model": entry.base, "facts": BEGINNING}
        training = [c for c in entry.checkpoints if (c.arm, c.seed) == (arm, seed)]
        for c in sorted(training, key=lambda c: c.samples):
            made = checkpoint_name(entry.base, arm, seed, c.samples)
            facts = {key: getattr(c, key) for key in UNKNOWN}
            yield {**about, "position": c.samples, "model": made, "facts": facts}


def _revisions(name: str, entry: Revisions, study: Study) -> Iterator[Point]:
    about = {
        "experiment": name, "base": entry.of, "arm": "pre-training", "seed": ONLY_SEED,
        "along": "steps",
    }  # fmt: skip
    for revision, at in entry.points(getattr(study.models[entry.of].source, "revision", None)):
        model = entry.of if revision is None else revision_name(entry.of, revision)
        facts = {**UNKNOWN, "tokens": at.tokens, "learned_tokens": at.tokens}
        yield {**about, "position": at.step, "model": model, "facts": facts}


def _chain(name: str, entry: Chain) -> Iterator[Point]:
    about = {
        "experiment": name, "base": entry.models[0], "arm": "stages", "seed": ONLY_SEED,
        "along": "stages",
    }  # fmt: skip
    for position, model in enumerate(entry.models):
        yield {**about, "position": position, "model": model, "facts": UNKNOWN}
