"""What a study's entries say of its models before any of them is there."""

import pytest
import yaml
from brainalign.reading.prediction import predictor
from brainalign.study.models import (
    UNKNOWN_PARAMETERS,
    all_models,
    gpus,
    instruction_data,
    is_simulated,
    memory_mb,
    named_sizes,
    parameter_count,
    partner,
    previous_checkpoint,
    role,
    training_gpus,
    training_memory_mb,
)
from conftest import REPOSITORY
from reading_models import tiny

MODELS = {
    "declared": {"source": {"type": "hub", "id": "a/some-7b"}, "parameters": 6.7e9},
    "named": {"source": {"type": "hub", "id": "a/Qwen2.5-0.5B", "revision": "1b"}},
    "half": {"source": {"type": "folder", "path": "copies/llama-30b"}, "dtype": "bfloat16"},
    "delta": {
        "source": {
            "type": "delta",
            "base": {"type": "hub", "id": "a/llama-7b"},
            "delta": {"type": "hub", "id": "a/wdiff"},
        }
    },
    "unnamed": {"source": {"type": "hub", "id": "openai-community/gpt2"}},
    "tuned": {"source": {"type": "tune", "of": "named"}},
    "tuned-half": {"source": {"type": "tune", "of": "half"}},
    "pretrained": {"source": {"type": "pretrain", "layers": 2}},
    "oasm": {"source": {"type": "baseline", "kind": "oasm"}},
    "small": {"source": {"type": "hub", "id": "a/pythia-70m"}},
}


def tuned_on(instructions=None, of="named"):
    source = {"type": "tune", "of": of}
    if instructions:
        source["instructions"] = instructions
    twin = {"source": {"type": "untrained", "of": "m"}}
    return {**MODELS, "m": {"source": source}, "twin": twin}


@pytest.mark.parametrize(
    ("of", "instructions", "data", "simulated"),
    [
        ("pretrained", None, "simulated", True),
        ("pretrained", "alpaca", "alpaca", True),
        ("named", "alpaca", "alpaca", False),
        ("named", "own/samples.json", "own/samples.json", False),
        ("named", "simulated", "simulated", True),
        ("named", None, None, False),
    ],
)
def test_instruction_data_and_what_they_make_of_a_model(of, instructions, data, simulated):
    models = tuned_on(instructions, of)
    assert instruction_data("m", models) == data
    assert is_simulated("m", models) is simulated
    assert is_simulated("twin", models) is simulated


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("EleutherAI/pythia-410m", [410e6]),
        ("Qwen2.5-0.5B-Instruct", [0.5e9]),
        ("smollm2-135m-instruct-q4_k_m.gguf", [135e6]),
        ("lmsys/vicuna-7b-v1.3", [7e9]),
        ("Mixtral-8x7B-v0.1", [56e9]),
        ("google/t5-v1_1-xl", []),
        ("gpt2-8bit-4bits-128k", []),
        ("sha-d1e8b2b0", []),
    ],
)
def test_sizes_are_read_from_names(text, sizes):
    assert named_sizes(text) == sizes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("declared", 6.7e9),
        ("named", 0.5e9),
        ("half", 30e9),
        ("delta", 7e9),
        ("unnamed", UNKNOWN_PARAMETERS),
        ("tuned", 0.5e9),
        ("pretrained", 0),
        ("oasm", 0),
    ],
)
def test_parameters_before_the_model_is_there(name, expected):
    assert parameter_count(name, MODELS) == expected


@pytest.mark.parametrize(
    ("name", "attempt", "expected"),
    [
        ("pretrained", 1, 2000),
        ("named", 1, 2000 + 1.5 * 2000),
        ("named", 2, 4000 + 2 * 2000),
        ("unnamed", 1, 8000),
        ("half", 1, 2000 + 1.5 * 60000),
        ("tuned-half", 1, 2000 + 1.5 * 60000),
    ],
)
def test_memory_is_of_the_weights_in_their_dtype(name, attempt, expected):
    assert memory_mb(name, MODELS, attempt) == expected


def test_tuning_holds_gradients_and_moments_in_float32():
    assert training_memory_mb("tuned", MODELS) == 2000 + 1.5 * 16 * 500
    assert training_memory_mb("tuned-half", MODELS) == 2000 + 1.5 * 16 * 30000


@pytest.mark.parametrize(
    ("name", "device", "n"),
    [
        ("declared", "auto", 1),
        ("declared", "cuda:1", 1),
        ("declared", "cpu", 0),
        ("named", "auto", 1),
        ("unnamed", "auto", 1),
        ("small", "auto", 0),
        ("half", "auto", 1),
        ("half", "sharded", 2),
        ("pretrained", "sharded", 0),
    ],
)
def test_gpus_only_for_models_that_processors_read_for_hours(name, device, n):
    assert gpus(name, MODELS, device) == n


@pytest.mark.parametrize(("name", "n"), [("small", 0), ("named", 1), ("tuned-half", 12)])
def test_tuning_asks_for_gpus_that_hold_what_training_holds(name, n):
    assert training_gpus(name, MODELS) == n


@pytest.mark.parametrize(
    "entry, expected",
    [
        ({"source": {"type": "hub"}}, "vanilla"),
        ({"source": {"type": "hub"}, "base": "other"}, "tuned"),
        ({"source": {"type": "hub"}, "tuned": True}, "tuned"),
        ({"source": {"type": "tune", "of": "other"}}, "tuned"),
        ({"source": {"type": "untrained", "of": "other"}}, "untrained"),
        ({"source": {"type": "baseline", "kind": "oasm"}}, "baseline"),
        ({"source": {"type": "baseline", "kind": "truth"}}, "truth"),
    ],
)
def test_the_role_follows_from_the_entry(entry, expected):
    assert role(entry) == expected


def experiment(**changes):
    base = {"source": {"type": "pretrain"}, "family": "f", "bos": "tokenizer", "label": "Base"}
    tuning = {
        "base": "b", "arms": ["instruction", "continued"], "seeds": [1, 2],
        "checkpoints": [20, 10], "text": "simulated", "recipe": {"epochs": 1},
    }  # fmt: skip
    return all_models({"models": {"b": base}, "tuning": {"e": {**tuning, **changes}}})


def test_an_experiment_is_a_model_per_arm_seed_and_checkpoint():
    models = experiment()
    assert list(models) == [
        "b",
        *(f"b-{arm}-s{seed}-{seen}"
          for arm in ("instruction", "continued") for seed in (1, 2) for seen in (10, 20)),
    ]  # fmt: skip
    roles = {name: role(model) for name, model in models.items()}
    assert [name for name, one in roles.items() if one == "tuned"] == [
        "b-instruction-s1-20", "b-instruction-s2-20"
    ]  # fmt: skip
    assert roles["b-instruction-s1-10"] == roles["b-continued-s1-20"] == "checkpoint"
    last = models["b-instruction-s2-20"]
    assert partner(last) == "b"
    assert (last["family"], last["bos"]) == ("f", "tokenizer")
    assert "label" not in last
    assert last["source"] == {
        "type": "tune", "of": "b", "arm": "instruction", "seed": 2, "checkpoint": 20, "epochs": 1
    }  # fmt: skip
    assert models["b-continued-s1-10"]["source"]["text"] == "simulated"


def test_a_checkpoint_goes_on_from_the_one_before_it_in_its_run():
    models = experiment(checkpoints=[10, 15, 20])
    assert previous_checkpoint("b-continued-s2-20", models) == "b-continued-s2-15"
    assert previous_checkpoint("b-continued-s2-15", models) == "b-continued-s2-10"
    assert previous_checkpoint("b-continued-s2-10", models) is None
    plain = {**models, "t": {"source": {"type": "tune", "of": "b"}}}
    assert previous_checkpoint("t", plain) is None


def test_the_t5_of_the_papers_study_have_room_for_its_windows():
    study = yaml.safe_load((REPOSITORY / "studies" / "aw2024.yaml").read_text())
    window = max(text["window"] for text in study["next_word"].values())
    t5 = [model for model in study["models"].values() if model.get("family") == "T5"]
    assert t5
    for model in t5:
        reader = predictor(
            tiny("t5", model["max_context"]), method=model.get("surprisal", "prefix")
        )
        assert reader.room >= window
