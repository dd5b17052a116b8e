"""Simulated studies: tables of scores with a planted cause, for power and false-positive rates.

Models come in families of several sizes; every size has one vanilla and some tuned models. Run as
a program (`python tests/simulated_studies.py`) it prints the rates that docs/methods/analysis.md
quotes.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

FAMILIES = {"A": (7.9, 8.4, 8.9, 9.5, 10.0), "B": (9.8, 10.1, 10.5), "C": (8.1, 8.6, 8.9, 9.2)}
DATASETS = {"reading": 10, "listening": 6, "chapter": 8}  # name → subjects


@dataclass(frozen=True)
class Plant:
    """What drives alignment (per standard deviation of the cause), and the effect of tuning."""

    size: float = 0.0
    knowledge: float = 0.0
    tuning: float = 0.0
    base_sd: float = 0.02  # between vanilla models
    model_sd: float = 0.005  # between a tuned model and its partner, beyond the tuning effect
    slope_sd: float = 0.0  # of the effect of tuning between vanilla models
    subject_sd: float = 0.01  # of a model's deviation in one subject
    tuned_per_base: int = 2


def study(plant: Plant, rng: np.random.Generator, modes: tuple[str, ...] = ("controlled",)) -> dict:
    """Tables `scores`, `subjects`, `capabilities` of one study.

    Knowledge (accuracy) correlates .8 with log10 size; what is left of it is each model's own.
    """
    models = _models(plant, rng)
    z = (models["log10"] - models["log10"].mean()) / models["log10"].std()
    own = pd.Series(rng.normal(size=len(models)), index=models.index)
    knowledge = 0.8 * z + 0.6 * own
    base_effect = models["anchor"].map(
        dict(zip(models["anchor"].unique(), rng.normal(0, plant.base_sd, 1000), strict=False))
    )
    truth = 0.2 + plant.size * z + plant.knowledge * knowledge + base_effect
    is_tuned = models["role"] == "tuned"
    slope = models["anchor"].map(
        dict(zip(models["anchor"].unique(), rng.normal(0, plant.slope_sd, 1000), strict=False))
    )
    own_effect = rng.normal(0, plant.model_sd, len(models))
    truth = truth + is_tuned * (plant.tuning + slope + own_effect)
    scores, subjects = [], []
    for mode in modes:
        for dataset, n_subjects in DATASETS.items():
            deviation = rng.normal(0, plant.subject_sd, (len(models), n_subjects))
            r = truth.to_numpy()[:, None] + rng.normal(0, 0.03, n_subjects) + deviation
            for i, (name, model) in enumerate(models.iterrows()):
                about = {
                    "model": name, "label": name, "base": model["base"], "family": model["family"],
                    "role": model["role"], "tuned": model["role"] == "tuned",
                    "parameters": 10 ** model["log10"], "published": None, "dataset": dataset,
                    "benchmark": f"{dataset}-{mode}", "mode": mode, "simulated": True,
                }  # fmt: skip
                scores.append(
                    about
                    | {
                        "layer_choice": "nested", "layer": "nested", "depth": 0.5, "region": "all",
                        "r": r[i].mean(), "ceiling": 0.4, "ratio": r[i].mean() / 0.4,
                        "low": np.nan, "high": np.nan, "interval": "none", "n_targets": 100,
                        "n_undefined": 0, "n_subjects": n_subjects,
                    }
                )  # fmt: skip
                subjects += [
                    about | {"subject": f"s{s}", "fold": -1, "r": r[i, s], "n_targets": 10}
                    for s in range(n_subjects)
                ]
    answers = []
    for name, model in models.iterrows():
        for category, shift in (("all", 0.0), ("facts", 0.05), ("logic", -0.05)):
            accuracy = float(np.clip(0.45 + 0.08 * knowledge[name] + shift, 0.01, 0.99))
            answers.append(
                {
                    "model": name, "label": name, "base": model["base"], "family": model["family"],
                    "role": model["role"], "parameters": 10 ** model["log10"], "published": None,
                    "task": "mmlu", "category": category, "average": "questions",
                    "accuracy": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.02,
                    "n": 2000, "n_truncated": 0, "n_ties": 0, "scoring": "loglikelihood",
                    "simulated": True,
                }
            )  # fmt: skip
    return {
        "scores": pd.DataFrame(scores),
        "subjects": pd.DataFrame(subjects),
        "capabilities": with_shared_answers(pd.DataFrame(answers)),
    }


def with_shared_answers(capabilities: pd.DataFrame) -> pd.DataFrame:
    """capabilities.csv with the counts that a model shares with its partner, had they nothing in
    common beyond chance."""
    columns = ["model", "task", "category", "accuracy"]
    partner = capabilities[columns].rename(columns={"model": "base", "accuracy": "other"})
    table = capabilities.merge(partner, on=["base", "task", "category"], how="left")
    n, own, other = table["n"], table["accuracy"], table.pop("other")
    both = (n * own * other).round()
    return table.assign(
        n_both=both, n_gained=(n * own).round() - both, n_lost=(n * other).round() - both
    )


def _models(plant: Plant, rng: np.random.Generator) -> pd.DataFrame:
    rows = {}
    for family, sizes in FAMILIES.items():
        for i, size in enumerate(sizes):
            base = f"{family}{i}"
            rows[base] = (family, "vanilla", None, size, base)
            for k in range(plant.tuned_per_base):
                rows[f"{base}-tuned{k}"] = (family, "tuned", base, size, base)
    columns = ["family", "role", "base", "log10", "anchor"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def rate(p_values: list[float]) -> float:
    """Share of p-values below .05; a test that could not be made does not count as one."""
    return float(np.mean(np.array(p_values) < 0.05))


def contrast_rates(plant: Plant, n: int, seed: int) -> dict[str, float]:
    """How often each test of the overall effect of tuning rejects at .05 in n studies."""
    from brainalign.analysis.contrasts import contrasts
    from brainalign.analysis.mixed_effects import mixed_effects

    found: dict[str, list[float]] = {}
    for i in range(n):
        tables = study(plant, np.random.default_rng([seed, i]))
        table = contrasts(tables["scores"], tables["subjects"], samples=20, seed=i)
        table = table[table["dataset"] == "average"]
        overall = table[table["level"] == "overall"].set_index("unit")
        fit = mixed_effects(tables["scores"])
        fit = fit[(fit["dataset"] == "average") & (fit["term"] == "tuned")]
        for name, p in (
            ("one pair, subjects: Wilcoxon", table[table["level"] == "pair"]["p"].iloc[0]),
            ("all pairs: Wilcoxon (paper)", overall.loc["pairs", "p"]),
            ("bases: Wilcoxon", overall.loc["bases", "p"]),
            ("bases: permutation", overall.loc["bases", "p_permutation"]),
            ("mixed model: tuned", fit["p"].iloc[0]),
        ):
            found.setdefault(name, []).append(p)
    return {name: rate(p) for name, p in found.items()}


def correlation_rates(plant: Plant, n: int, seed: int) -> dict[str, float]:
    """How often each test of a correlate of alignment rejects at .05 in n studies."""
    from brainalign.analysis.correlations import correlations

    found: dict[str, list[float]] = {}
    for i in range(n):
        tables = study(plant, np.random.default_rng([seed, i]))
        table = correlations(
            tables["scores"], capabilities=tables["capabilities"], samples=20, seed=i
        )
        table = table[(table["y"] == "brain average") & (table["subset"] == "all")]
        for row in table.to_dict("records"):
            if row["x"] in ("mmlu", "log10_parameters"):
                given = f" given {row['controlled_for']}" if row["controlled_for"] else ""
                name = f"{row['models']}: {row['method']} {row['x']}{given}"
                found.setdefault(name, []).append(row["p"])
    return {name: rate(p) for name, p in found.items()}


def main() -> None:
    """Print every rate of docs/methods/analysis.md (half an hour; the argument scales it)."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    alike, differing = Plant(model_sd=0), Plant(model_sd=0, slope_sd=0.01)
    gain = Plant(tuning=0.005, model_sd=0.005, slope_sd=0.005)
    for title, plant, runs in (
        ("no effect", alike, n),
        ("no effect on average, vanilla models respond differently", differing, n),
        ("gain .005", gain, max(1, 2 * n // 5)),
    ):
        _print(f"contrasts, {title}, {runs} studies", contrast_rates(plant, runs, seed=1))
    for title, plant, runs in (
        ("nothing", Plant(), n),
        ("size", Plant(size=0.02), max(1, 2 * n // 5)),
        ("knowledge", Plant(knowledge=0.02), max(1, 2 * n // 5)),
    ):
        _print(f"correlates, cause {title}, {runs} studies", correlation_rates(plant, runs, seed=3))


def _print(title: str, rates: dict[str, float]) -> None:
    print(title)
    for name, value in rates.items():
        print(f"  {value:.3f}  {name}", flush=True)


if __name__ == "__main__":
    main()
