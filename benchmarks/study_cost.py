"""What a study of real models costs on paper: storage, memory, GPU hours and jobs per model.

    python benchmarks/study_cost.py

prints the tables of docs/scaling.md: studies/aw2024.yaml, and 100 models × 10 datasets, each with
the checkpoints of its tuning experiment.
Sizes of files are exact (shapes × bytes; fetched weights as stored: T5's in float32, others in the
dtype that they are loaded in). Tokens follow from the datasets' published sizes and from what
questions and instructions were measured to have; 2 floating point operations per parameter and
token that is read, 6 per one that is trained on. `USED` of a GPU's peak (half of it in float32) is
an assumption: no run on GPUs was measured.
"""

import math
import re
import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml
from dag import DATASETS, MODELS, REPOSITORY, enlarged

sys.path.insert(0, str(REPOSITORY / "scripts"))

from brainalign.models.settings import recipe_of
from brainalign.study.models import Model, all_models, parent, previous_checkpoint
from brainalign.study.resources import (
    gpus,
    memory_mb,
    training_gpus,
    training_memory_mb,
    weight_bytes,
)

# Model cards: hidden size, blocks (encoder-decoder: of each half).
SHAPES = {
    "t5-small": (512, 8), "t5-base": (768, 12), "t5-large": (1024, 24), "t5-xl": (2048, 24),
    "t5-xxl": (4096, 24), "llama-7b": (4096, 32), "llama-13b": (5120, 40), "llama-33b": (6656, 60),
    "gpt2-small": (768, 12), "gpt2-medium": (1024, 24), "gpt2-large": (1280, 36),
    "gpt2-xl": (1600, 48), "gemma-2b": (2048, 18), "gemma-7b": (3072, 28),
    "llama-2-7b": (4096, 32), "llama-2-13b": (5120, 40),
}  # fmt: skip
SIZE_SUFFIX = re.compile(r"(-copy-\d+|-lm|-float32)+$")  # of models that have another's shape
WINDOW = {"GPT-2": 1024, "T5": 2048, "LLaMA": 2048, "LLaMA-2": 4096, "Gemma": 8192}
ROWS = {  # stimuli whose activations are kept
    "pereira2018-384": 384, "pereira2018-243": 243, "pereira2018-243-by-label": 243,
    "blank2014": 1317, "wehbe2014": 5176,
}  # fmt: skip
PER_WORD = 1.3  # tokens
STORY_WORDS, STORIES = 10256, 10  # Natural Stories
MMLU, MMLU_PROMPT, MMLU_OWN = 14042, 625, 100  # questions; tokens of prompt and of question alone
BBH, BBH_PROMPT, BBH_OWN = 6511, 433, 130
WIKITEXT = 290_000  # tokens, each read in two windows
ALPACA = 52_002  # samples
# Tokens of a sample with Alpaca's prompt, cut at 512, in `alpaca-subset2000` (tokenizer of
# SmolLM2): more than in all of Alpaca, whose answers are shorter.
SAMPLE_TOKENS = {"instruction": 274, "no-instruction": 234}
FLOAT32 = 4  # bytes; weights are trained and written in it
DISK = 1e9  # bytes per second
PEAK, USED = 312e12, 0.3  # bfloat16 operations per second of an A100; the share that is used


def tokens(family: str) -> dict[str, float]:
    """Tokens that a model reads per kind of job, over all datasets and tasks of the study."""
    apart = family == "T5"  # no causal encoder: each stimulus, word and prompt is read alone
    window = WINDOW[family]
    sentence = 12 * PER_WORD
    story = STORY_WORDS / STORIES * PER_WORD
    activations = ROWS["wehbe2014"] * 20 * PER_WORD
    if apart:
        activations += (384 + 243) * 2.5 * sentence + 243 * 6.5 * sentence
        activations += ROWS["blank2014"] * min(window, story / 2)
        activations *= 2  # decoder, too
    else:
        activations += (384 + 2 * 243) * sentence + 8 * story
    fits = window / PER_WORD  # words of one stream that a window holds
    beyond = max(0.0, STORY_WORDS - fits) * window  # a pass per word
    if apart:
        surprisal = STORY_WORDS * story / 2 + beyond + fits * window / 2
    else:
        surprisal = STORY_WORDS * PER_WORD + window + beyond
    return {
        "activations": activations,
        "surprisal": surprisal,
        "capability": 2 * (MMLU * (MMLU_PROMPT if apart else MMLU_OWN))
        + 2 * (BBH * ((BBH_PROMPT if apart else BBH_OWN) + 32)),
        "next word": 2 * WIKITEXT,
    }


def training(name: str, models: Mapping[str, Model]) -> dict[str, float]:
    """What a checkpoint adds: GB of the state that is kept, GPU hours of its part of the training.

    A state holds weights and both moments of all parameters, in float32; where several GPUs train,
    the weights twice. After the training's last step none is kept.
    """
    source = models[name]["source"]
    recipe = recipe_of(source)
    parameters = models[name]["parameters"]
    steps = math.ceil(recipe.seen(ALPACA - recipe.held_out) / recipe.batch_size)
    copies = 4 if training_gpus(name, models) > 1 else 3
    kept = recipe.step_of(source["checkpoint"]) < steps
    before = previous_checkpoint(name, models)
    seen = source["checkpoint"] - (models[before]["source"]["checkpoint"] if before else 0)
    operations = 6 * parameters * seen * SAMPLE_TOKENS[recipe.arm]
    return {
        "state_gb": kept * copies * FLOAT32 * parameters / 1e9,
        "tuning h": operations / (PEAK * USED) / 3600,
    }


def costs(study: dict[str, Any]) -> pd.DataFrame:
    """A row per language model: GB of weights, activations and states, GPU hours."""
    datasets = {b["dataset"] for b in study["alignment"].values()}
    texts = {b["dataset"] for b in study["behavior"].values()}
    rows = sum(ROWS[name.split("-copy-")[0]] for name in datasets)
    found = []
    models = all_models(study)
    for name, model in models.items():
        if "parameters" not in model:
            continue
        kind = model["source"]["type"]
        base = parent(model) or model.get("base") or name
        width, blocks = SHAPES[SIZE_SUFFIX.sub("", base)]
        layers = 2 * (blocks + 2) if model["family"] == "T5" else blocks + 2
        parameters = model["parameters"]
        loaded = weight_bytes(name, models)
        stored = FLOAT32 * parameters
        written = stored if kind == "tune" or model["family"] == "T5" else loaded
        work = tokens(model["family"])
        jobs = len(datasets) + len(texts)
        if kind == "untrained":
            work = {kind: work[kind] for kind in ("activations", "surprisal")}
        else:
            jobs += len(study["capability"]) + len(study["next_word"])
        # A token passes through one half of an encoder-decoder model.
        operations = (1 if model["family"] == "T5" else 2) * parameters
        speed = PEAK * USED * (0.5 if loaded == FLOAT32 * parameters else 1)
        hours = {f"{kind} h": operations * n / speed / 3600 for kind, n in work.items()}
        trained = training(name, models) if kind == "tune" else {}
        hours |= {key: value for key, value in trained.items() if key.endswith(" h")}
        on_gpu = gpus(name, models, "auto") == 1
        memory = (
            training_memory_mb(name, models) if trained else memory_mb(name, models, on_gpu=on_gpu)
        )
        found.append(
            {
                "model": name, "size": parameters / 1e9, "weights_gb": written / 1e9,
                "activations_gb": rows * width * layers * 4 / 1e9,
                "state_gb": trained.get("state_gb", 0.0),
                "largest_file_gb": max(ROWS.values()) * width * layers * 4 / 1e9,
                "memory_gb": memory / 1e3, **hours, "gpu h": sum(hours.values()),
                "loading h": jobs * written / DISK / 3600,
            }
        )  # fmt: skip
    return pd.DataFrame(found).set_index("model")


def main() -> None:
    """Print both tables."""
    study = yaml.safe_load((REPOSITORY / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    for title, config in (
        ("aw2024", study),
        (f"{MODELS} models, {DATASETS} brain datasets", enlarged(study, MODELS, DATASETS)),
    ):
        table = costs(config)
        print(f"\n{title}: {len(table)} language models")
        if config is study:
            print(table.round(2).to_string())
        print(
            table.drop(columns=["size", "largest_file_gb", "memory_gb"]).sum().round(1).to_string()
        )
    print({family: {k: f"{v:.3g}" for k, v in tokens(family).items()} for family in WINDOW})


if __name__ == "__main__":
    main()
