"""Tables of invented studies, small and large, in the columns of docs/architecture.md."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

SMALL = [("sim-gpt", 3, 1), ("sim-t5", 1, 1)]
LARGE = [("t5", 5, 2), ("llama", 3, 2), ("gpt2", 4, 1), ("gemma", 2, 1), ("smollm", 3, 1)]
DATASETS = ("passages", "stories", "chapter")


def models(families: Sequence[tuple[str, int, int]] = SMALL) -> pd.DataFrame:
    """Families (name, sizes, tuned partners per size), an untrained twin each, three baselines."""
    rows = []
    for family, sizes, partners in families:
        for size in range(sizes):
            parameters = 10 ** (6 + size + 0.1 * len(family))
            base = f"{family}-{'abcdefgh'[size]}"
            rows.append((base, None, family, "vanilla", parameters))
            for partner in range(partners):
                rows.append((f"{base}-tuned-{partner + 1}", base, family, "tuned", parameters))
        rows.append(
            (f"{family}-a-untrained", None, family, "untrained", 10 ** (6 + 0.1 * len(family)))
        )
    rows += [(name, None, None, "baseline", np.nan) for name in ("oasm", "position", "length")]
    return pd.DataFrame(rows, columns=["model", "base", "family", "role", "parameters"])


def _true_r(row: pd.Series, mode: str, dataset: str, noise: np.random.Generator) -> float:
    level = {"passages": 0.35, "stories": 0.2, "chapter": 0.1}.get(dataset, 0.25)
    if row.role == "baseline":
        value = 1.1 * level if row.model == "oasm" and mode == "legacy" else 0.05 * level
    elif row.role == "untrained":
        value = (0.7 if mode == "legacy" else 0.3) * level
    else:
        value = level * (0.5 + 0.1 * (np.log10(row.parameters) - 6)) + 0.01 * (row.role == "tuned")
        value *= 1 if mode == "legacy" else 0.5
    return float(value + noise.normal(0, 0.01))


def scores(
    families: Sequence[tuple[str, int, int]] = SMALL,
    datasets: Sequence[str] = DATASETS,
    simulated: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """scores.csv: every model on every dataset in both modes, region `all` and one region more."""
    noise = np.random.default_rng(seed)
    rows = []
    for row in models(families).itertuples():
        for dataset in datasets:
            for mode in ("legacy", "controlled"):
                r = _true_r(pd.Series(row._asdict()), mode, dataset, noise)
                ceiling = {"passages": 0.36, "stories": 0.21, "chapter": 0.104}.get(dataset, 0.3)
                for region in ("all", "LIFG"):
                    rows.append(
                        {
                            "model": row.model,
                            "base": row.base,
                            "family": row.family,
                            "role": row.role,
                            "tuned": row.role == "tuned",
                            "parameters": row.parameters,
                            "dataset": dataset,
                            "benchmark": f"{dataset}-{mode}",
                            "mode": mode,
                            "layer_choice": "best" if mode == "legacy" else "nested",
                            "layer": "layer.2" if mode == "legacy" else "nested",
                            "depth": 0.5 if mode == "legacy" else np.nan,
                            "region": region,
                            "r": r,
                            "ceiling": ceiling,
                            "ratio": r / ceiling,
                            "low": r - 0.012,
                            "high": r + 0.015,
                            "n_targets": 60,
                            "n_subjects": 5,
                            "simulated": simulated,
                        }
                    )
    return pd.DataFrame(rows)


def layers(
    families: Sequence[tuple[str, int, int]] = SMALL,
    datasets: Sequence[str] = DATASETS,
    simulated: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """layers.csv that fits `scores`: a bow-shaped profile, the nested choice in controlled mode."""
    noise = np.random.default_rng(seed)
    rows = []
    for score in scores(families, datasets, simulated, seed).query("region == 'all'").itertuples():
        common = {
            name: getattr(score, name) for name in ("model", "family", "role", "benchmark", "mode")
        } | {"simulated": simulated}
        if score.role == "baseline":
            rows.append(
                common
                | {"layer": "features", "depth": 0.0, "r": score.r, "r_sd": 0.01, "chosen": True}
            )
            continue
        depths = np.linspace(0, 1, 6)
        profile = score.r * (1 - 0.6 * (depths - 0.6) ** 2) + noise.normal(0, 0.004, 6)
        if "t5" in score.model:
            names = ["encoder.embedding", "encoder.1", "encoder.final"]
            names += ["decoder.embedding", "decoder.1", "decoder.final"]
        else:
            names = ["embedding", *(f"layer.{i}" for i in range(1, 5)), "final"]
        best = int(np.argmax(profile)) if score.mode == "legacy" else -1
        for i, (name, depth, r) in enumerate(zip(names, depths, profile, strict=True)):
            rows.append(
                common | {"layer": name, "depth": depth, "r": r, "r_sd": 0.012, "chosen": i == best}
            )
        if score.mode == "controlled":
            rows.append(
                common
                | {"layer": "nested", "depth": np.nan, "r": score.r, "r_sd": 0.012, "chosen": True}
            )
    return pd.DataFrame(rows)
