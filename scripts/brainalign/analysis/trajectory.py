"""What becomes of alignment and capability along a training, arm by arm or stage by stage."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.analysis.crossed import (
    NOTHING,
    Variance,
    held_out_by,
    over_models,
    scope_text,
    tested,
    unit_tables,
)
from brainalign.behavior.fits import READING
from brainalign.errors import InputError

POINT_COLUMNS = (
    "experiment", "base", "arm", "seed", "along", "position", "tokens", "learned_tokens", "model",
)  # fmt: skip
TRAJECTORY_COLUMNS = (
    *POINT_COLUMNS, "kind", "quantity", "mode", "measure", "value", "simulated",
)  # fmt: skip
ARM_COLUMNS = (
    "experiment", "base", "control", "samples", "kind", "quantity", "mode", "measure",
    "instruction", "of_control", "difference", "low", "high", "scope", "n_seeds", "p",
    "p_these_stimuli", "tokens", "tokens_of_control", "note", "simulated",
)  # fmt: skip
TREATED = "instruction"
SAMPLES = "samples"  # the positions at which arms are compared
# Table → the column of what its models are scored on.
SCORED_ON = {
    "scores": "benchmark", "behaviors": "benchmark", "capabilities": "task", "losses": "text",
}  # fmt: skip
_WHAT = ["experiment", "base", "kind", "quantity", "mode", "measure", "simulated"]


def quantities(
    scores: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    capabilities: pd.DataFrame | None = None,
    losses: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One value per model and quantity, from the tables that a study has.

    Returns
    -------
    `model`, `kind` (brain, reading-times, capability, next-word), `quantity` (the dataset, the
    task, the text, or `average` over brain datasets or over tasks, for models that have them all),
    `mode` (empty where there are none), `measure`, `value`, `simulated`.
    """
    parts = []
    if scores is not None:
        brain = dataset_scores(scores).rename(columns={"dataset": "quantity", "r": "value"})
        parts.append(brain.assign(kind="brain", measure="r"))
    if behaviors is not None:
        chosen = behaviors["measure"] == behaviors["mode"].map(READING)
        fits = behaviors[chosen].rename(columns={"dataset": "quantity"})
        parts.append(fits.assign(kind="reading-times"))
    if capabilities is not None:
        overall = capabilities[capabilities["category"] == "all"]
        answers = overall.rename(columns={"task": "quantity", "accuracy": "value"})
        answers = pd.concat([answers, _average(answers)])
        parts.append(answers.assign(kind="capability", measure="accuracy", mode=""))
    if losses is not None:
        texts = losses.rename(columns={"text": "quantity", "bits_per_token": "value"})
        parts.append(texts.assign(kind="next-word", measure="bits_per_token", mode=""))
    columns = ["model", "kind", "quantity", "mode", "measure", "value", "simulated"]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat([part[columns] for part in parts], ignore_index=True)


def _average(answers: pd.DataFrame) -> pd.DataFrame:
    """The mean over tasks, where there are several, of every model that has all of them."""
    parts = []
    for simulated, part in answers.groupby("simulated", sort=False):
        by_task = part.pivot(index="model", columns="quantity", values="value")
        if by_task.shape[1] > 1:
            mean = by_task.mean(axis=1, skipna=False).dropna().rename("value").reset_index()
            parts.append(mean.assign(quantity=AVERAGE, simulated=simulated))
    return pd.concat(parts) if parts else answers.head(0)


def trajectories(
    runs: Sequence[Mapping[str, Any]],
    manifests: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, pd.DataFrame],
    scored_on: Mapping[str, Collection[str]],
) -> pd.DataFrame:
    """`trajectory` of every experiment, each made of what it is scored on alone.

    Experiments may share a base and differ in what they are scored on: an average over datasets is
    one over the experiment's own.

    Parameters
    ----------
    runs, manifests : as for `trajectory`, of all experiments.
    tables : `scores`, `behaviors`, `capabilities`, `losses`, those that the study has.
    scored_on : experiment → benchmarks, tasks and texts.
    """
    parts = []
    for name in dict.fromkeys(run["experiment"] for run in runs):
        of_experiment = [run for run in runs if run["experiment"] == name]
        models = {run["model"] for run in of_experiment}
        shown = {
            key: table[table["model"].isin(models) & table[SCORED_ON[key]].isin(scored_on[name])]
            for key, table in tables.items()
        }
        parts.append(trajectory(of_experiment, manifests, quantities(**shown)))
    return pd.concat(parts, ignore_index=True)


def trajectory(
    runs: Sequence[Mapping[str, Any]],
    manifests: Mapping[str, Mapping[str, Any]],
    values: pd.DataFrame,
) -> pd.DataFrame:
    """Every quantity of every checkpoint, beside the tokens that it has read.

    Parameters
    ----------
    runs : points, as `study.trajectories.Point`.
    manifests : model → manifest.
    values : `quantities`.

    Returns
    -------
    `TRAJECTORY_COLUMNS`. The held-out loss (kind `held-out`, nats per label) is of samples that no
    arm was trained on, with their instructions.

    Raises
    ------
    InputError : two models have the same weights.
    """
    _check_weights({run["model"] for run in runs}, manifests)
    of_model = {str(model): part for model, part in values.groupby("model", sort=False)}
    rows: list[dict[str, Any]] = []
    for run in runs:
        facts = run.get("facts") or manifests[run["model"]]["training"]
        here = {key: (run | facts).get(key) for key in POINT_COLUMNS}
        shown = of_model.get(run["model"], values.head(0)).drop(columns="model")
        rows += [
            {**here, **{str(k): v for k, v in row.items()}} for row in shown.to_dict("records")
        ]
        if facts.get("held_out_loss") is not None:
            rows.append(
                {
                    **here, "kind": "held-out", "quantity": "held-out samples", "mode": "",
                    "measure": "nats_per_label", "value": facts["held_out_loss"],
                    "simulated": run["simulated"],
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(TRAJECTORY_COLUMNS))


def _check_weights(models: Collection[str], manifests: Mapping[str, Mapping[str, Any]]) -> None:
    """Checkpoints differ: a release may hold one under two names, and so may a mirror."""
    known: dict[tuple[str, ...], str] = {}
    for model in sorted(models):
        files = manifests[model].get("files", {})
        weights = tuple(sorted(sha for name, sha in files.items() if name.endswith(".safetensors")))
        other = known.setdefault(weights, model)
        if weights and other != model:
            raise InputError(
                f"models {other} and {model} have the same weights (SHA-256 {weights[0][:12]}…) "
                "and are one checkpoint: look at their folders in the mirror, or leave one out"
            )


def arms(table: pd.DataFrame, subjects: pd.DataFrame | None = None) -> pd.DataFrame:
    """Arm instruction minus every other arm at the same checkpoint, paired by seed.

    Parameters
    ----------
    table : `trajectory`.
    subjects : of the checkpoints, `scores.collect_scores`; brain data vary over their subjects and
        folds too.

    Returns
    -------
    `ARM_COLUMNS`; interval and p of the mean difference (`crossed.over_models`, seeds instead
    of vanilla models), p two-sided and uncorrected. What varies over seeds is the draw of samples
    and their order: the base and the questions are the same.
    """
    cells = None
    if subjects is not None:
        cells = subjects[(subjects["subject"] != "all") & (subjects["fold"] >= 0)]
    rows = []
    compared = table[(table["along"] == SAMPLES) & (table["position"] > 0)]
    compared = compared.rename(columns={"position": SAMPLES})
    for key, part in compared.groupby([*_WHAT, SAMPLES], sort=False):
        about = dict(zip([*_WHAT, SAMPLES], key, strict=True))
        units = _cells(cells, about) if about["kind"] == "brain" and cells is not None else None
        rows += [{**about, **row} for row in _controls(part, units)]
    return pd.DataFrame(rows, columns=list(ARM_COLUMNS))


def _cells(cells: pd.DataFrame, about: Mapping[str, Any]) -> list[pd.DataFrame]:
    """The subjects and folds behind a quantity, dataset by dataset."""
    of_mode = cells[(cells["mode"] == about["mode"]) & (cells["simulated"] == about["simulated"])]
    if about["quantity"] != AVERAGE:
        of_mode = of_mode[of_mode["dataset"] == about["quantity"]]
    return [part for _, part in of_mode.groupby("dataset", sort=False)]


def _controls(part: pd.DataFrame, cells: list[pd.DataFrame] | None) -> Iterator[dict[str, Any]]:
    by_arm = {arm: rows.set_index("seed") for arm, rows in part.groupby("arm", sort=False)}
    treated = by_arm.pop(TREATED, None)
    if treated is None:
        return
    for control, rows in by_arm.items():
        pairs = treated.merge(rows, on="seed", suffixes=("", "_of_control"))
        pairs = pairs.dropna(subset=["value", "value_of_control"])
        yield {
            "control": control,
            "instruction": pairs["value"].mean(),
            "of_control": pairs["value_of_control"].mean(),
            "difference": (pairs["value"] - pairs["value_of_control"]).mean(),
            "n_seeds": len(pairs),
            "tokens": pairs["tokens"].mean(),
            "tokens_of_control": pairs["tokens_of_control"].mean(),
            **_over_seeds(pairs, cells),
        }


def _over_seeds(pairs: pd.DataFrame, cells: list[pd.DataFrame] | None) -> dict[str, Any]:
    """Interval and test of the mean difference of the pairs of one seed each."""
    differences = (pairs["value"] - pairs["value_of_control"]).to_numpy(float)
    n = len(differences)
    if not n:
        return {"note": "no seed has both arms"}
    varies = n > 1 and np.ptp(differences) > 1e-12 * np.abs(differences).max()
    seeds = Variance(float(differences.var(ddof=1) / n) if varies else 0.0, n - 1)
    variances = []
    for stimuli in (True, False):
        datasets = []
        for part in cells or []:
            tables = unit_tables(part, [*pairs["model"], *pairs["model_of_control"]])
            held_out = held_out_by(part) if stimuli else NOTHING
            datasets.append((tables[:n] - tables[n:], held_out, True))
        variances.append(over_models(seeds, datasets, np.full(n, 1 / n)))
    row = tested(float(differences.mean()), *variances, seeds=n > 1)
    del row["test"]
    if not cells:
        row |= {"scope": scope_text(seeds=n > 1, stimuli=False), "note": ""}
    untested = np.isnan(row["p"]) and np.isnan(row["p_these_stimuli"])
    return {**row, "note": _untested(differences) if untested else row["note"]}


def _untested(differences: np.ndarray) -> str:
    """Why there is no test of the differences of seeds, if there is none."""
    if len(differences) < 2:
        return "one seed: no interval"
    return "all seeds differ alike: no test" if np.ptp(differences) == 0 else ""
