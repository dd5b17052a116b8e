"""Sizes of models that neither an entry nor a name tells: of what is there, else assumed."""

from pathlib import Path

from msgspec.structs import replace

from brainalign.errors import InputError
from brainalign.formats.tables import read_json
from brainalign.models.manifest import count_parameters, weight_files
from brainalign.models.settings import Fetched, Folder
from brainalign.study.model_settings import Model
from brainalign.study.models import all_models
from brainalign.study.resources import size_is_known
from brainalign.study.settings import Study


def with_measured_sizes(study: Study, results: Path) -> Study:
    """The study with `parameters` of every model of unknown size that can be counted: from its
    manifest under `results`, else from the weights in its folder."""
    measured = {}
    for name in assumed_sizes(study):
        model = study.models[name]
        if count := _of_manifest(name, results) or _of_folder(model):
            measured[name] = replace(model, parameters=float(count))
    return replace(study, models={**study.models, **measured})


def assumed_sizes(study: Study) -> list[str]:
    """The fetched models of the study that have no size and none in a name."""
    models = all_models(study.models, study.tuning, study.stages)
    return [
        name
        for name, model in study.models.items()
        if isinstance(model.source, Fetched) and not size_is_known(name, models)
    ]


def _of_manifest(name: str, results: Path) -> int | None:
    manifest = results / "models" / name / "manifest.json"
    return int(read_json(manifest)["parameters"]) if manifest.is_file() else None


def _of_folder(model: Model) -> int | None:
    """Parameters in a folder's safetensors; None where it has none or is no checkpoint (the
    model's job says so)."""
    if not isinstance(model.source, Folder):
        return None
    folder = Path(model.source.path)
    try:
        return count_parameters(weight_files(folder), read_json(folder / "config.json"))
    except (InputError, OSError, KeyError):
        return None
