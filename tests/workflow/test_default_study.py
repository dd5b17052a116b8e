"""The default study, run whole: it finds what was planted in the simulated world."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from conftest import REPOSITORY

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long, pytest.mark.timeout(2400)]

DECODERS = ("sim-decoder-s", "sim-decoder-m", "sim-decoder-l")
VANILLA = (*DECODERS, "sim-encdec-s")
TASKS = ("mmlu-sim", "bbh-sim")
BRAIN_DATASETS = ("sim-passages", "sim-story", "sim-chapter")
PLANTED = "Is a planted effect of tuning found, and none where none is planted?"


@pytest.fixture(scope="module")
def default_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    config: dict[str, Any] = yaml.safe_load(
        (REPOSITORY / "config.yaml").read_text(encoding="utf-8")
    )
    study = Study(tmp_path_factory.mktemp("default"), config)
    study.run("--quiet", "rules", "host")
    return study


def table(study: Study, name: str) -> pd.DataFrame:
    return pd.read_csv(study.folder / "results" / "tables" / f"{name}.csv")


def score(study: Study, model: str, benchmark: str) -> float:
    scores = table(study, "scores")
    rows = scores[
        (scores["model"] == model)
        & (scores["benchmark"] == benchmark)
        & (scores["region"] == "all")
    ]
    assert len(rows) == 1
    return float(rows["r"].iloc[0])


def accuracy(study: Study, model: str, task: str) -> pd.Series:
    rows = table(study, "capabilities")
    rows = rows[(rows["model"] == model) & (rows["task"] == task) & (rows["category"] == "all")]
    return rows.iloc[0]


def test_nothing_is_left_to_do(default_study: Study) -> None:
    assert default_study.jobs() == set()


def test_every_number_is_labelled_simulated(default_study: Study) -> None:
    for name in ("scores", "capabilities", "behaviors", "contrasts", "correlations", "losses"):
        rows = table(default_study, name)
        assert rows["simulated"].astype(bool).all(), name


@pytest.mark.parametrize("dataset", BRAIN_DATASETS)
def test_true_features_reach_the_true_ceiling(default_study: Study, dataset: str) -> None:
    """Grouped folds score the planted state near the ceiling in closed form.

    Estimating a dozen weights from some 200 rows with drift, and correlating within small test
    folds, costs .04 to .09 (the unit tests compare with the theory of that cost within .013); the
    sampling error of a median over 300 targets is below .02.
    """
    path = default_study.folder / "results" / "data" / dataset / "responses.nc"
    with xr.open_dataset(path, engine="h5netcdf") as responses:
        ceiling = float(np.median(responses["true_ceiling"]))
    result = score(default_study, "truth", f"{dataset}-controlled")
    assert ceiling - 0.11 < result < ceiling + 0.02


@pytest.mark.parametrize("dataset", BRAIN_DATASETS)
def test_content_free_features_score_nothing_in_grouped_folds(
    default_study: Study, dataset: str
) -> None:
    assert abs(score(default_study, "oasm", f"{dataset}-controlled")) < 0.02


def test_content_free_features_score_high_in_shuffled_folds(default_study: Study) -> None:
    """Least squares on 240 rows: .3 to .4 by the unit tests' simulations (ridge: above .5)."""
    assert score(default_study, "oasm", "sim-passages-legacy") > 0.2


def test_a_planted_effect_of_tuning_is_detected_and_an_absent_one_is_not(
    default_study: Study,
) -> None:
    truth = table(default_study, "truth")
    effects = truth[truth["question"] == "effect of tuning"]
    average = effects[effects["dataset"] == "average"].set_index("model")
    assert average.loc["planted-better", "low"] > 0
    assert average.loc["planted-better", "p"] < 0.05 < average.loc["planted-alike", "p"]
    assert (average["covered"] == "yes").all()
    assert len(effects) == 2 * (len(BRAIN_DATASETS) + 1)
    # 95 % intervals of some dozen quantities: three outside come by chance once in fifty studies.
    assert (truth["covered"] == "no").sum() <= 2
    headline = table(default_study, "headline").set_index("question")["controlled"]
    assert "planted 0.0000" in headline[PLANTED]


def test_trained_models_beat_their_untrained_twin(default_study: Study) -> None:
    """The state is made of concepts that only training tells apart."""
    for dataset in ("sim-passages", "sim-story"):
        benchmark = f"{dataset}-controlled"
        untrained = score(default_study, "sim-decoder-m-untrained", benchmark)
        assert score(default_study, "sim-decoder-m", benchmark) > untrained


def test_the_largest_model_predicts_next_words_best(default_study: Study) -> None:
    """The smallest is trained for longer than the next one: these two are about as good."""
    losses = table(default_study, "losses").set_index("model")["bits_per_token"]
    small, medium, large = (losses[name] for name in DECODERS)
    assert large < min(small, medium) - 0.03


@pytest.mark.parametrize("vanilla", VANILLA)
def test_tuned_models_answer_better(default_study: Study, vanilla: str) -> None:
    """Questions on facts that are in no instruction, and new reasoning items.

    Some 230 questions: a gain beyond two standard errors of the difference of two proportions
    comes by chance in one of forty comparisons of equals.
    """
    capabilities = table(default_study, "capabilities")
    (tuned,) = capabilities.loc[capabilities["base"] == vanilla, "model"].unique()
    before, after = (
        pd.DataFrame([accuracy(default_study, name, task) for task in TASKS])
        for name in (vanilla, tuned)
    )
    asked = before["n"].sum()
    low, high = ((rows["accuracy"] * rows["n"]).sum() / asked for rows in (before, after))
    assert high - low > 2 * np.sqrt((low * (1 - low) + high * (1 - high)) / asked)


def test_surprisal_predicts_reading_times(default_study: Study) -> None:
    behaviors = table(default_study, "behaviors")
    rows = behaviors[
        (behaviors["benchmark"] == "sim-reading-controlled")
        & (behaviors["measure"] == "delta_loglik_per_word")
    ].set_index("model")["value"]
    assert rows["sim-decoder-l"] > 0.01
    assert rows["sim-decoder-l"] > rows["sim-decoder-m-untrained"]
    # A token is a word or a mark: the covariates know as much.
    assert rows["tokens"] == pytest.approx(0, abs=1e-9)


def test_trajectories_are_made_of_what_the_experiment_is_scored_on(default_study: Study) -> None:
    rows = table(default_study, "trajectory")
    assert set(rows.loc[rows["position"] == 0, "quantity"]) == {"sim-story", "average", *TASKS}
    (experiment,) = default_study.config["tuning"].values()
    for arm in experiment["arms"]:
        part = rows[(rows["arm"] == arm) & (rows["kind"] == "brain")]
        assert set(part["position"]) == {0, *experiment["checkpoints"]}
    assert rows["value"].notna().all()


def test_figures_and_report(default_study: Study) -> None:
    figures = default_study.folder / "results" / "figures"
    drawn = {
        path.relative_to(figures).with_suffix("").as_posix() for path in figures.rglob("*.svg")
    }
    assert {
        "published", "layer_curves", "alignment", "legacy_controlled", "improvement",
        "correlates", "behavior", "training", "datasets/sim-passages", "profiles", "baselines",
        "mixed_effects", "losses", "trajectory",
    } <= drawn  # fmt: skip
    assert all(path.with_suffix(".png").exists() for path in figures.rglob("*.svg"))
    done = default_study.snakemake("--report", "report.html")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "layer_curves" in Path(default_study.folder / "report.html").read_text(encoding="utf-8")


def test_every_model_has_learnt_the_grammar(default_study: Study) -> None:
    """Formal competence: the grammar produces one sentence of each pair (chance: .5)."""
    rows = table(default_study, "capabilities")
    rows = rows[(rows["task"] == "pairs-sim") & (rows["category"] == "all")].set_index("model")
    assert set(rows["base"].dropna()) == set(VANILLA) == set(rows.index[rows["base"].isna()])
    assert (rows["low"] > 0.75).all(), rows["low"]
