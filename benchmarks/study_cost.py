"""What a study of real models costs on paper: storage, memory, GPU hours and jobs per model.

    python benchmarks/study_cost.py

prints the tables of docs/scaling.md: studies/aw2024.yaml, and 100 models × 10 datasets. Sizes
of files are exact (shapes × bytes). Tokens follow from the datasets' published sizes and from
what questions were measured to have; 2 floating point operations per parameter and token. `USED` of
a GPU's peak (half of it in float32) is an assumption: no run on GPUs was measured.
"""

from typing import Any

import pandas as pd
import yaml
from dag import DATASETS, MODELS, REPOSITORY, enlarged

# Model cards: hidden size, blocks (encoder-decoder: of each half).
SHAPES = {
    "t5-small": (512, 8), "t5-base": (768, 12), "t5-large": (1024, 24), "t5-xl": (2048, 24),
    "t5-xxl": (4096, 24), "llama-7b": (4096, 32), "llama-13b": (5120, 40), "llama-33b": (6656, 60),
    "gpt2-small": (768, 12), "gpt2-medium": (1024, 24), "gpt2-large": (1280, 36),
    "gpt2-xl": (1600, 48), "gemma-2b": (2048, 18), "gemma-7b": (3072, 28),
    "llama-2-7b": (4096, 32), "llama-2-13b": (5120, 40),
}  # fmt: skip
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


def costs(study: dict[str, Any]) -> pd.DataFrame:
    """A row per language model: GB of weights and activations, GPU hours."""
    datasets = {b["dataset"] for b in study["alignment"].values()}
    rows = sum(ROWS[name.split("-copy-")[0]] for name in datasets)
    found = []
    for name, model in study["models"].items():
        if "parameters" not in model:
            continue
        untrained = model["source"]["type"] == "untrained"
        base = model["source"]["of"] if untrained else model.get("base") or name
        width, blocks = SHAPES[base.split("-copy-")[0]]
        layers = 2 * (blocks + 2) if model["family"] == "T5" else blocks + 2
        size = 4 if "dtype" not in model else 2
        work = tokens(model["family"])
        if untrained:
            work = {kind: work[kind] for kind in ("activations", "surprisal")}
        # A token passes through one half of an encoder-decoder model.
        operations = (1 if model["family"] == "T5" else 2) * model["parameters"]
        hours = {
            kind: operations * n / (PEAK * USED * (0.5 if size == 4 else 1)) / 3600
            for kind, n in work.items()
        }
        found.append(
            {
                "model": name, "size": model["parameters"] / 1e9,
                "weights_gb": model["parameters"] * size / 1e9,
                "activations_gb": rows * width * layers * 4 / 1e9,
                "largest_file_gb": max(ROWS.values()) * width * layers * 4 / 1e9,
                **{f"{kind} h": value for kind, value in hours.items()},
                "gpu h": sum(hours.values()),
            }
        )  # fmt: skip
    return pd.DataFrame(found).set_index("model")


def main() -> None:
    """Print both tables."""
    study = yaml.safe_load((REPOSITORY / "studies" / "aw2024.yaml").read_text())
    for title, config in (
        ("aw2024", study),
        (f"{MODELS} models, {DATASETS} brain datasets", enlarged(study, MODELS, DATASETS)),
    ):
        table = costs(config)
        print(f"\n{title}: {len(table)} language models")
        if config is study:
            print(table.round(2).to_string())
        print(table.drop(columns=["size", "largest_file_gb"]).sum().round(1).to_string())
    print({family: {k: f"{v:.3g}" for k, v in tokens(family).items()} for family in WINDOW})


if __name__ == "__main__":
    main()
