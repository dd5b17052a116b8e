"""What a study costs, against sums by hand and counts one token at a time."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from brainalign.capability.settings import Task
from brainalign.models.settings import Hub
from brainalign.settings import read
from brainalign.study import costs
from brainalign.study.model_sizes import assumed_sizes, with_measured_sizes
from brainalign.study.reading_load import (
    TOKENS_PER_WORD,
    Text,
    activation_tokens,
    capability_tokens,
    surprisal_tokens,
)
from brainalign.study.settings import Study
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from safetensors.numpy import save_file
from worlds.study_models import models_of

RIDGE = {"type": "ridge", "alphas": {"low": 0.1, "high": 10.0, "n": 3}}
NOWHERE = Path("no such folder")
STIMULI = 384 + 243 + 243 + 1317 + 5176  # of the paper's study, docs/datasets.md
TOKEN = 1 / TOKENS_PER_WORD  # words of one token


@pytest.fixture(scope="module")
def study():
    text = (REPOSITORY / "studies" / "aw2024.yaml").read_text(encoding="utf-8")
    return read(yaml.safe_load(text), Study)


@pytest.fixture(scope="module")
def printed():
    """The paper's models: layers (of both halves together) and width."""
    table = pd.read_csv(REPOSITORY / "resources" / "published" / "models.csv")
    return table.set_index("model")


def test_weights_are_parameters_times_bytes_and_shared_files_count_once(study):
    fetched = {}
    drawn = 5 * 124e6 * 2 + 5 * 7e9 * 2  # untrained twins, bfloat16
    trained = 2 * 4 * 7e9 * 4  # two arms of four checkpoints, float32
    for entry in study.models.values():
        if isinstance(entry.source, Hub):
            stored = 4 if "t5" in entry.source.id or "flan" in entry.source.id else 2
            fetched[entry.source.id] = entry.parameters * stored
    held = costs.weights(study)
    total = held.drop_duplicates("files")["bytes"].sum()
    assert total == pytest.approx(sum(fetched.values()) + drawn + trained)
    assert len(held) == 62 + 8
    assert held["state"].sum() == 8 * 16 * 7e9


def test_activations_are_stimuli_times_units_times_layers(study, printed):
    kept = costs.jobs(study, NOWHERE).groupby("model")["bytes"].sum()
    for name, model in printed.iterrows():
        stacks = 2 if model["family"] == "T5" else 1
        layers = model["layers"] + 2 * stacks  # the embedding and the final norm of each
        assert kept[name] == STIMULI * model["width"] * layers * 4, name


def test_depth_profiles_read_once_more_by_each_predictor(study):
    names = [name for name, entry in study.behavior.items() if hasattr(entry, "by_layer")]
    asked = replace(study.behavior[names[0]], by_layer=("surprisal", "states"))
    profiled = replace(study, behavior={**study.behavior, names[0]: asked})
    columns = ["model", "kind", "of"]
    before, after = (costs.jobs(s, NOWHERE).set_index(columns) for s in (study, profiled))
    more = after[~after.index.isin(before.index)].reset_index()
    assert set(more["kind"]) == {"activations", "surprisal by layer"}
    assert set(more["of"]) == {asked.dataset}
    rows = after["hours"].xs("surprisal", level="kind").xs(asked.dataset, level="of")
    lens = more[more["kind"] == "surprisal by layer"].set_index("model")["hours"]
    assert len(lens) > 20
    pd.testing.assert_series_equal(lens, rows[lens.index])
    assert (more.loc[more["kind"] == "activations", "bytes"] > 0).all()


def test_hours_are_operations_over_speed(study):
    hours = costs.jobs(study, NOWHERE).set_index(["model", "kind", "of"])["hours"]
    a_second = 312e12 * 0.3
    wikitext = 2 * 290_000  # each token in two windows
    assert hours["llama-33b", "next word", "wikitext2"] == pytest.approx(
        2 * 33e9 * wikitext / a_second / 3600
    )
    assert hours["gpt2-small-float32", "next word", "wikitext2"] == pytest.approx(
        2 * 2 * 124e6 * wikitext / a_second / 3600  # half the speed
    )
    words, window = 10256, 2048
    fits = window / TOKENS_PER_WORD
    assert hours["llama-33b", "surprisal", "futrell2018"] == pytest.approx(
        2 * 33e9 * (window + (words - fits) * window) / a_second / 3600
    )
    seen = 274 * 153_600 + 234 * 153_600  # tokens of both arms, up to their last checkpoint
    assert costs.weights(study)["hours"].sum() == pytest.approx(6 * 7e9 * seen / a_second / 3600)


def test_only_the_named_models_count_and_what_they_are_made_from(study):
    narrowed = replace(study, only=("gpt2-small-untrained-1",))
    assert set(costs.weights(narrowed).index) == {"gpt2-small-untrained-1", "gpt2-small"}
    assert set(costs.jobs(narrowed, NOWHERE)["model"]) == {"gpt2-small-untrained-1"}


def test_a_benchmark_for_some_models_costs_these_alone(study):
    read = costs.jobs(study, NOWHERE)
    endless = read[(read["kind"] == "surprisal") & (read["of"] == "futrell2018")]
    named = study.behavior["futrell2018-legacy"].models
    assert set(endless["model"]) == {name for name in named if not name.startswith("tokens")}
    saved = costs.jobs(costs.with_stride(study, costs.endless(study)), NOWHERE)
    assert saved["hours"].sum() < read["hours"].sum()
    assert (read["of"] == saved["of"]).all()


@given(n=st.integers(1, 60), fits=st.integers(1, 40), stride=st.integers(1, 40))
def test_tokens_of_one_stream_counted_word_by_word(n, fits, stride):
    text, window = Text(n, 1, 1), fits * TOKENS_PER_WORD
    alone = sum(min((i + 1) * TOKENS_PER_WORD, window) for i in range(n))
    assert surprisal_tokens(text, "corpus", None, window, True) == pytest.approx(alone)
    assert activation_tokens(text, "corpus", window, True) == pytest.approx(2 * alone)
    beyond = max(0, n - fits)
    once = min(n, fits) * TOKENS_PER_WORD
    together = surprisal_tokens(text, "corpus", None, window, False)
    assert together == pytest.approx(once + beyond * window)
    passes = beyond * TOKENS_PER_WORD / stride
    strided = surprisal_tokens(text, "corpus", stride, window, False)
    assert strided == pytest.approx(once + passes * window)


@given(groups=st.integers(1, 5), rows=st.integers(1, 20))
def test_context_ends_with_its_group(groups, rows):
    text = Text(groups * rows, TOKEN, groups)
    one = Text(rows, TOKEN, 1)
    for apart in (False, True):
        full = surprisal_tokens(one, "corpus", None, 10, apart)
        assert surprisal_tokens(text, "story", None, 10, apart) == pytest.approx(groups * full)
    assert activation_tokens(text, "none", 10, False) == pytest.approx(groups * rows)
    assert activation_tokens(text, "window:3", 10, False) == pytest.approx(
        groups * rows * 3 * TOKENS_PER_WORD
    )


def test_what_is_prepared_and_fetched_is_counted_as_it_is(tmp_path):
    benchmark = {
        "mode": "controlled", "regression": RIDGE,
        "split": {"scheme": "grouped", "folds": 2}, "layers": "nested",
    }  # fmt: skip
    config = {
        "seed": 1,
        "models": {"m": {"source": {"type": "hub", "id": "a/b", "revision": "main"}}},
        "datasets": {
            "mine": {"source": {"type": "own", "stimuli": "s.csv", "responses": "r.nc"}},
            "later": {"source": {"type": "own", "stimuli": "s.csv", "responses": "r.nc"}},
        },
        "alignment": {
            "a": {**benchmark, "dataset": "mine"},
            "b": {**benchmark, "dataset": "later"},
        },
    }
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "m").mkdir(parents=True)
    stimuli = pd.DataFrame({"text": ["a b c", "d"], "context_group": ["x", "y"]})
    stimuli.to_parquet(tmp_path / "data" / "mine" / "stimuli.parquet")
    layers = ["embedding", "layer.1", "final"]
    manifest = {"d_model": 48, "layers": layers, "parameters": 90_000}
    (tmp_path / "models" / "m" / "manifest.json").write_text(json.dumps(manifest))
    config = read(config, Study)
    table = costs.jobs(config, tmp_path).set_index("of")
    assert table.loc["mine", "bytes"] == 2 * 3 * 48 * 4
    assert math.isnan(table.loc["later", "bytes"])
    assert "Not counted, as not prepared yet: later" in costs.summary(config, tmp_path)


def test_a_model_of_unknown_shape_is_taken_for_a_usual_one():
    models = models_of({"m": {"source": {"type": "hub", "id": "a/b-7b"}}})
    width, layers = costs.shape("m", models, NOWHERE)
    blocks = layers - 2
    assert 12 * blocks * width**2 == pytest.approx(7e9, rel=0.02)
    assert (width, blocks) == (pytest.approx(4096, rel=0.05), pytest.approx(32, abs=2))


def test_the_summary_says_what_each_switch_saves(study):
    said = costs.summary(study, NOWHERE)
    for line in (
        "960  weights", "218  activations; with keep: scores none in the end",
        "112  state", "896  states with --notemp", "less with stride: 256 on futrell2018",
    ):  # fmt: skip
        assert line in said, said


@pytest.mark.parametrize(
    ("kind", "entry", "written"),
    [
        ("bbh", {"format": "generation", "scoring": "legacy"}, 32),
        ("bbh", {"format": "generation", "scoring": "chain-of-thought"}, 512),
        ("bbh", {"format": "generation", "scoring": "direct", "max_new_tokens": 5}, 5),
        ("mmlu", {"format": "multiple-choice", "scoring": "loglikelihood"}, 0),
        ("mmlu", {"format": "multiple-choice", "scoring": "direct"}, 32),
    ],
)
def test_written_answers_count_by_their_scoring(kind, entry, written):
    """docs/methods/capability.md: the lengths of written answers; 6,511 and 14,042 questions."""
    questions, part = {"bbh": (6511, 130), "mmlu": (14042, 100)}[kind]
    task = read({"questions": {"type": kind}, "shots": 0, **entry}, Task)
    assert capability_tokens(task, apart=False) == questions * (part + written)


def study_of_files(folder, **model):
    entry = {"source": {"type": "folder", "path": str(folder)}, **model}
    questions = {"type": "own", "path": str(folder / "questions.csv")}
    return read(
        {
            "seed": 1,
            "models": {"mine": entry},
            "capability": {
                "quiz": {
                    "questions": questions, "format": "multiple-choice",
                    "scoring": "loglikelihood", "shots": 2,
                }
            },
            "next_word": {"diary": {"source": {"type": "own", "path": str(folder / "diary.txt")}}},
        },
        Study,
    )  # fmt: skip


def test_a_model_of_unknown_size_has_that_of_its_folder_or_manifest(tmp_path):
    study = study_of_files(tmp_path)
    assert assumed_sizes(study) == ["mine"]
    assert "taken for 1 billion parameters: mine" in costs.summary(study, NOWHERE)
    assert assumed_sizes(study_of_files(tmp_path, parameters=5e6)) == []

    config = {"model_type": "gpt2", "vocab_size": 7}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"wte.weight": np.zeros((7, 3), np.float32)}, tmp_path / "model.safetensors")
    assert with_measured_sizes(study, NOWHERE).models["mine"].parameters == 21
    assert "taken for" not in costs.summary(study, NOWHERE)

    (tmp_path / "models" / "mine").mkdir(parents=True)
    manifest = {"parameters": 9, "d_model": 3, "layers": ["a"]}
    (tmp_path / "models" / "mine" / "manifest.json").write_text(json.dumps(manifest))
    assert with_measured_sizes(study, tmp_path).models["mine"].parameters == 9


def test_user_questions_and_text_count_by_their_files(tmp_path):
    study = study_of_files(tmp_path, parameters=1e9)
    assert costs.jobs(study, NOWHERE)["hours"].isna().all()
    (tmp_path / "questions.csv").write_bytes(b"x" * 4400)
    (tmp_path / "diary.txt").write_bytes(b"x" * 44000)
    hours = costs.jobs(study, NOWHERE).set_index("of")["hours"]
    a_token = 2 * 1e9 / (312e12 * 0.3 * 0.5) / 3600  # float32
    assert hours["quiz"] == pytest.approx(1000 * a_token)
    assert hours["diary"] == pytest.approx(10_000 * a_token)
