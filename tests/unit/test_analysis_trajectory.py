"""Trajectories and comparisons of arms: equal to a brute-force reading of the runs."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.trajectory import (
    ARM_COLUMNS,
    TRAJECTORY_COLUMNS,
    arms,
    quantities,
    trajectories,
    trajectory,
)
from brainalign.errors import InputError
from scipy import stats

SEEDS, SEEN = (1, 2, 3), (10, 20)
GAIN = {"instruction": 0.2, "shuffled": 0.05}


def point(arm, seed, seen, model, experiment="e"):
    return {
        "experiment": experiment, "base": "base", "arm": arm, "seed": seed, "along": "samples",
        "position": seen, "model": model, "simulated": True,
    }  # fmt: skip


@pytest.fixture
def study():
    """Runs, manifests and accuracies: each arm's gain grows with the samples, plus noise."""
    rng = np.random.default_rng(0)
    runs, manifests = [], {"base": {"simulated": True}}
    answers = [{"model": "base", "task": "mmlu", "category": "all", "accuracy": 0.25}]
    for arm, gain in GAIN.items():
        for seed in SEEDS:
            runs.append(
                {**point(arm, seed, 0, "base"), "facts": {"tokens": 0, "learned_tokens": 0}}
            )
            for seen in SEEN:
                name = f"base-{arm}-s{seed}-{seen}"
                runs.append(point(arm, seed, seen, name))
                facts = {"tokens": 30 * seen, "learned_tokens": 5 * seen, "held_out_loss": 2.0}
                manifests[name] = {"simulated": True, "training": facts}
                accuracy = 0.25 + gain * seen / 20 + rng.normal(0, 0.01)
                for category in ("all", "stem"):
                    answers.append(
                        {"model": name, "task": "mmlu", "category": category, "accuracy": accuracy}
                    )
    capabilities = pd.DataFrame(answers).assign(simulated=True)
    return runs, manifests, capabilities


def test_a_trajectory_begins_with_the_base_and_has_every_checkpoint(study):
    runs, manifests, capabilities = study
    table = trajectory(runs, manifests, quantities(capabilities=capabilities))
    assert tuple(table.columns) == TRAJECTORY_COLUMNS
    answers = table[table["kind"] == "capability"]
    assert len(answers) == len(runs) == len(GAIN) * len(SEEDS) * (1 + len(SEEN))
    begins = answers[answers["position"] == 0]
    assert (begins["model"] == "base").all() and (begins["value"] == 0.25).all()
    overall = capabilities[capabilities["category"] == "all"].set_index("model")["accuracy"]
    assert (answers["value"].to_numpy() == overall[answers["model"]].to_numpy()).all()
    assert (answers["tokens"] == 30 * answers["position"]).all()
    held_out = table[table["kind"] == "held-out"]
    assert len(held_out) == len(GAIN) * len(SEEDS) * len(SEEN)
    assert (held_out["value"] == 2.0).all() and (held_out["position"] > 0).all()


def test_the_average_over_tasks_is_of_models_that_have_them_all(study):
    runs, manifests, capabilities = study
    harder = capabilities.assign(task="bbh", accuracy=capabilities["accuracy"] / 2)
    lacking = runs[1]["model"]
    both = pd.concat([capabilities, harder[harder["model"] != lacking]])
    table = trajectory(runs, manifests, quantities(capabilities=both))
    average = table[table["quantity"] == "average"].set_index("model")["value"]
    overall = capabilities[capabilities["category"] == "all"].set_index("model")["accuracy"]
    assert set(average.index) == set(overall.index) - {lacking}
    assert average.to_numpy() == pytest.approx(0.75 * overall[average.index].to_numpy())


def test_arms_are_compared_over_seeds_at_the_same_checkpoint(study):
    runs, manifests, capabilities = study
    compared = arms(trajectory(runs, manifests, quantities(capabilities=capabilities)))
    assert tuple(compared.columns) == ARM_COLUMNS
    answers = compared[compared["kind"] == "capability"].set_index("samples")
    assert sorted(answers.index) == list(SEEN)
    value = capabilities[capabilities["category"] == "all"].set_index("model")["accuracy"]
    for seen in SEEN:
        one, other = (
            np.array([value[f"base-{arm}-s{seed}-{seen}"] for seed in SEEDS]) for arm in GAIN
        )
        truth = stats.ttest_rel(one, other)
        interval = truth.confidence_interval(0.95)
        row = answers.loc[seen]
        assert row["control"] == "shuffled" and row["n_seeds"] == 3
        assert row["difference"] == pytest.approx((one - other).mean())
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
        assert row["p_these_stimuli"] == pytest.approx(truth.pvalue) and np.isnan(row["p"])
        assert row["scope"] == "new seeds, these stimuli"
        assert row["tokens"] == row["tokens_of_control"] == 30 * seen


def test_one_seed_has_a_difference_and_no_interval(study):
    runs, manifests, capabilities = study
    single = [run for run in runs if run["seed"] == 1]
    compared = arms(trajectory(single, manifests, quantities(capabilities=capabilities)))
    assert compared["difference"].notna().all()
    assert compared[["low", "high", "p", "p_these_stimuli"]].isna().all().all()
    assert (compared["note"] == "one seed: no interval").all()


def test_experiments_of_one_base_are_made_of_what_each_is_scored_on():
    """`a` is scored on both datasets, `b` on one and a task: its average is over that one."""
    runs, manifests = [], {"base": {}}
    for name, arm in (("a", "instruction"), ("b", "shuffled")):
        model = f"base-{arm}-s1-10"
        facts = {"tokens": 0, "learned_tokens": 0}
        runs.append({**point(arm, 1, 0, "base", name), "facts": facts})
        runs.append(point(arm, 1, 10, model, name))
        manifests[model] = {"training": {"tokens": 300, "learned_tokens": 50}}
    scored = {"a": ["x-legacy", "y-legacy"], "b": ["y-legacy", "mmlu"]}
    r = {"x-legacy": 0.1, "y-legacy": 0.3}
    scores = pd.DataFrame(
        [
            {"model": model, "benchmark": benchmark, "dataset": benchmark[0], "r": r[benchmark]}
            for model, names in (
                ("base", r), (runs[1]["model"], scored["a"]), (runs[3]["model"], scored["b"]),
            )
            for benchmark in names
            if benchmark in r
        ]
    ).assign(mode="legacy", region="all", low=0.0, simulated=True, companion=False)  # fmt: skip
    capabilities = pd.DataFrame({"model": ["base", runs[3]["model"]], "accuracy": [0.2, 0.5]})
    capabilities = capabilities.assign(task="mmlu", category="all", simulated=True)
    tables = {"scores": scores, "capabilities": capabilities}
    table = trajectories(runs, manifests, tables, scored)
    assert table["value"].notna().all()
    result = table.groupby(["experiment", "position"])[["quantity", "value"]].apply(
        lambda rows: {str(key): round(value, 9) for key, value in rows.to_numpy()}
    )
    for samples in (0, 10):
        assert result["a", samples] == {"x": 0.1, "y": 0.3, "average": 0.2}
        accuracy = 0.5 if samples else 0.2
        assert result["b", samples] == {"y": 0.3, "average": 0.3, "mmlu": accuracy}


def test_an_experiment_scored_on_nothing_has_its_held_out_loss(study):
    runs, manifests, _ = study
    table = trajectories(runs, manifests, {}, {"e": []})
    assert set(table["kind"]) == {"held-out"}
    assert len(table) == len(GAIN) * len(SEEDS) * len(SEEN)
    assert set(arms(table)["control"]) == {"shuffled"}


def test_seeds_that_do_not_differ_have_a_point_and_no_test(study):
    runs, manifests, capabilities = study
    equal = capabilities.assign(accuracy=0.25)
    compared = arms(trajectory(runs, manifests, quantities(capabilities=equal)))
    compared = compared[compared["kind"] != "held-out"]
    assert (compared[["low", "high"]] == 0).all(axis=None) and compared["p"].isna().all()


def test_what_others_trained_has_the_facts_that_are_given_and_no_arms(study):
    _, _, capabilities = study
    facts = {"tokens": 7, "learned_tokens": None, "held_out_loss": None}
    names = list(dict.fromkeys(capabilities["model"]))[:3]
    runs = [
        {**point("stages", 1, i, name), "along": "stages", "facts": facts}
        for i, name in enumerate(names)
    ]
    table = trajectory(runs, {name: {} for name in names}, quantities(capabilities=capabilities))
    assert list(table["position"]) == [0, 1, 2] and list(table["model"]) == names
    assert (table["tokens"] == 7).all() and table["learned_tokens"].isna().all()
    assert set(table["kind"]) == {"capability"}
    assert arms(table).empty


def test_two_names_of_one_checkpoint_are_an_error(study):
    runs, manifests, _ = study
    manifests = {
        name: {**manifest, "files": {"model.safetensors": name, "config.json": "same"}}
        for name, manifest in manifests.items()
    }
    trajectory(runs, manifests, quantities())
    manifests[runs[1]["model"]] = manifests[runs[2]["model"]]
    with pytest.raises(InputError, match=r"base-instruction-s1-10 and .*-20 have the same weights"):
        trajectory(runs, manifests, quantities())
