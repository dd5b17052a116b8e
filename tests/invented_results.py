"""Results of models that nobody ran: the files that the tables and figures of a study rest on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from brainalign.encoding.summary import OF_CHOSEN
from brainalign.formats.tables import write_json, write_table
from brainalign.settings import read
from brainalign.study.model_settings import Model
from brainalign.study.models import all_models, counts_tokens, role

ANALYSIS_RULES = (
    "scores", "behaviors", "reading_loss", "capabilities", "losses", "contrasts", "correlations",
    "baselines", "reading_baselines", "profiles", "mixed_effects", "published_check",
    "measured_published", "headline",
)  # fmt: skip
# What a study of simulated brain data has besides, from data that are simulated.
WORLD_RULES = ("simulate_dataset", "truth")
FIGURE_RULES = (
    "plot_published", "plot_layer_curves", "plot_alignment", "plot_legacy_controlled",
    "plot_improvement", "plot_correlates", "plot_behavior", "plot_profiles", "plot_baselines",
    "plot_mixed_effects", "plot_losses", "plot_measured_published", "plot_regions",
)  # fmt: skip
CATEGORIES = {"multiple-choice": ("STEM", "Humanities"), "generation": ("algorithmic", "others"),
              "minimal-pairs": ("syntax", "morphology")}  # fmt: skip


def write_results(
    root: Path,
    config: Mapping[str, Any],
    layers: int = 33,
    subjects: int = 10,
    regions: int = 6,
    questions: int = 2000,
    spread: float = 1.0,
) -> None:
    """Write what the rules before analysis make, below `root` (results/ or results/STUDY/).

    Parameters
    ----------
    config : the study; its models, alignment, behavior, capability, next_word.
    layers, subjects, regions, questions : sizes of every file.
    spread : what all differences between models and layers are multiplied by; 0 makes every score
        the same.
    """
    rng = np.random.default_rng(0)
    for name, model in all_models(read(config["models"], dict[str, Model]), {}).items():
        kind = role(model)
        level = spread * (rng.normal(0, 0.05) + 0.02 * (kind == "tuned"))
        depth = 1 if kind in ("baseline", "truth") else layers
        for benchmark in {} if counts_tokens(model) else config.get("alignment", {}):
            table = _alignment(depth, subjects, regions, level, spread, rng)
            write_table(table, root / "alignment" / name / f"{benchmark}.parquet")
        if counts_tokens(model) or kind not in ("baseline", "truth"):
            for benchmark, entry in config.get("behavior", {}).items():
                table = _behavior(entry["mode"], 0.3 + level)
                write_table(table, root / "behavior" / name / f"{benchmark}.parquet")
        if kind in ("baseline", "truth"):
            continue
        write_json(
            {
                "name": name,
                "parameters": model.parameters or int(1e8 * (1 + spread * abs(level))),
            },
            root / "models" / name / "manifest.json",
        )
        if kind == "untrained":
            continue
        for task, entry in config.get("capability", {}).items():
            table = _answers(entry, questions, 0.5 + level, rng if spread else None)
            write_table(table, root / "capability" / name / f"{task}.parquet")
        for text in config.get("next_word", {}):
            record = {"bits_per_token": 3.0, "bits_per_word": 4.0, "bits_per_byte": 1.0 - level,
                      "perplexity": 8.0, "tokens": 1000, "window": 512, "stride": 256}  # fmt: skip
            write_json(record, root / "next_word" / name / f"{text}.json")
    names = ["all", *(f"region{i}" for i in range(regions))]
    for benchmark in config.get("alignment", {}):
        ceilings = pd.DataFrame({"target_id": "all", "subject": "all", "region": names})
        ceilings = ceilings.assign(
            ceiling=0.4, low=0.35, high=0.45, method="extrapolation", note=""
        )
        write_table(ceilings, root / "ceilings" / f"{benchmark}.parquet")


def _alignment(
    layers: int, subjects: int, regions: int, level: float, spread: float, rng: np.random.Generator
) -> pd.DataFrame:
    positions = ["all", *(f"region{i}" for i in range(regions))]
    parts = [("all", fold) for fold in range(-1, 10)]
    parts += [(f"subject{i}", -1) for i in range(subjects)]
    index = np.arange(layers)
    depth = index / max(layers - 1, 1)
    rows = pd.MultiIndex.from_product([index, positions, range(len(parts))]).to_frame(index=False)
    rows.columns = ["layer_index", "region", "part"]
    curve = 0.2 + level + spread * (0.1 * depth - 0.1 * depth**2)
    r = curve[rows["layer_index"]] + spread * rng.normal(0, 0.01, len(rows))
    return pd.DataFrame(
        {
            "layer": [f"layer.{i}" for i in rows["layer_index"]],
            "layer_index": rows["layer_index"], "depth": depth[rows["layer_index"]],
            "subject": [parts[i][0] for i in rows["part"]], "region": rows["region"],
            "fold": [parts[i][1] for i in rows["part"]], "r": r, "r_sd": 0.02,
            "r_stacked": 0.9 * r,
            "r2": r**2, **dict.fromkeys(OF_CHOSEN, np.nan), "beyond": "", "n_targets": 100,
            "n_undefined": 0, "alpha": np.nan, "alpha_at_edge": 0.0,
            "units_per_row": 0.5, "reduction": "",
            "chosen": rows["layer_index"] == layers // 2,
        }
    )  # fmt: skip


def _behavior(mode: str, value: float) -> pd.DataFrame:
    measures = ["r", "abs_r"] if mode == "legacy" else ["r", "partial_r", "delta_loglik_per_word"]
    groups = [("all", "all"), *(("story", f"story{i}") for i in range(10))]
    rows = [
        {
            "measure": measure, "kind": kind, "group": group, "value": value + 0.001 * i,
            "low": value - 0.1, "high": value + 0.1, "interval": "stories", "n": 1000,
            "n_dropped": 10, "reason": "", "ceiling": 0.8, "ceiling_method": "split-half",
            "note": "",
        }
        for measure in [*measures, "mean_bits"]
        for i, (kind, group) in enumerate(groups)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _answers(
    entry: Mapping[str, Any], n: int, accuracy: float, rng: np.random.Generator | None
) -> pd.DataFrame:
    """Answers to n questions; without a generator every model answers every second one right."""
    right = np.arange(n) % 2 == 0 if rng is None else rng.random(n) < accuracy
    choice = entry["format"] != "generation"
    categories = CATEGORIES[entry["format"]]
    return pd.DataFrame(
        {
            "question_id": [f"q{i}" for i in range(n)],
            "subject": [f"subject{i % 8}" for i in range(n)],
            "task": [f"task{i % 4}" for i in range(n)],
            "category": [categories[i % 2] for i in range(n)],
            "gold": 0 if choice else "yes", "correct": right, "tie": False, "truncated": False,
            "unanswered": "", "scoring": entry.get("scoring", "loglikelihood"),
        }
    )  # fmt: skip
