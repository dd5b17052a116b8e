"""What a study of real models costs on paper: storage, memory, GPU hours and jobs per model.

    python benchmarks/study_cost.py

prints the tables of docs/scaling.md: studies/aw2024.yaml, and 100 models × 10 datasets, each with
the checkpoints of its tuning experiment. (`snakemake cost` prints the sums of any study.)
"""

import sys
from pathlib import Path

import pandas as pd
import yaml
from dag import DATASETS, MODELS, REPOSITORY, enlarged

sys.path.insert(0, str(REPOSITORY / "scripts"))

from brainalign.settings import read
from brainalign.study.costs import jobs, summary, weights
from brainalign.study.models import Models, all_models
from brainalign.study.resources import gpus, memory_mb, training_memory_mb
from brainalign.study.settings import Study
from brainalign.training.settings import Tune

NOWHERE = Path("no such folder")  # nothing is prepared or fetched


def per_model(study: Study) -> pd.DataFrame:
    """A row per language model: GB of weights, activations and states, memory, GPU hours."""
    models = all_models(study.models, study.tuning)
    held, read = weights(study), jobs(study, NOWHERE)
    table = pd.DataFrame(
        {
            "size": held["parameters"] / 1e9,
            "weights_gb": held["bytes"] / 1e9,
            "activations_gb": read.groupby("model")["bytes"].sum() / 1e9,
            "largest_file_gb": read.groupby("model")["bytes"].max() / 1e9,
            "state_gb": held["state"] / 1e9,
            "memory_gb": pd.Series({name: _memory(name, models) / 1e3 for name in held.index}),
            "jobs": read.groupby("model").size(),
        }
    ).loc[held.index]
    hours = read.pivot_table(index="model", columns="kind", values="hours", aggfunc="sum")
    return table.join(hours.add_suffix(" h")).assign(tuning=held["hours"]).fillna(0)


def _memory(name: str, models: Models) -> int:
    """MB of the first attempt of the largest job of a model."""
    if isinstance(models[name].source, Tune):
        return training_memory_mb(name, models)
    return memory_mb(name, models, on_gpu=gpus(name, models, "auto") == 1)


def main() -> None:
    """Print both studies."""
    study = yaml.safe_load((REPOSITORY / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    print(per_model(read(study, Study)).round(2).to_string())
    large = enlarged(study, MODELS, DATASETS)
    for title, entries in (("aw2024", study), (f"{MODELS} models, {DATASETS} datasets", large)):
        config = read(entries, Study)
        print(f"\n{title}: {len(weights(config))} language models")
        print(summary(config, NOWHERE))


if __name__ == "__main__":
    main()
