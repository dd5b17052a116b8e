"""What a study's entries say of its models before any of them is there."""

import pandas as pd
import pytest
import yaml
from brainalign.datasets.surprisal_settings import Kuribayashi2024
from brainalign.models.settings import Baseline
from brainalign.models.stages import Revisions
from brainalign.reading.prediction import predictor
from brainalign.settings import plain
from brainalign.study.models import (
    counts_tokens,
    instruction_data,
    is_simulated,
    narrow,
    parent,
    partner,
    presentation,
    previous_checkpoint,
    role,
    weights_of,
)
from brainalign.training.settings import Checkpoint
from conftest import REPOSITORY
from worlds.reading_models import tiny
from worlds.study_models import models_of

MODELS = {
    "named": {"source": {"type": "hub", "id": "a/Qwen2.5-0.5B", "revision": "1b"}},
    "pretrained": {"source": {"type": "pretrain", "layers": 2}},
}


def tuned_on(instructions=None, of="named"):
    source = {"type": "tune", "of": of}
    if instructions:
        source["instructions"] = instructions
    twin = {"source": {"type": "untrained", "of": "m"}}
    return models_of({**MODELS, "m": {"source": source}, "twin": twin})


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
    assert role(models_of({"m": entry})["m"]) == expected


def experiment(**changes):
    base = {"source": {"type": "pretrain"}, "family": "f", "bos": "tokenizer", "label": "Base"}
    tuning = {
        "base": "b", "arms": ["instruction", "continued"], "seeds": [1, 2],
        "checkpoints": [20, 10], "text": "simulated", "recipe": {"epochs": 1},
    }  # fmt: skip
    return models_of({"b": base}, {"e": {**tuning, **changes}})


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
    assert (last.family, last.bos, last.label) == ("f", "tokenizer", None)
    assert last.source == Checkpoint(of="b", arm="instruction", seed=2, checkpoint=20, epochs=1)
    assert models["b-continued-s1-10"].source.text == "simulated"


HUB = {"type": "hub", "id": "o/b", "revision": "main"}


def test_stages_are_models_of_the_study():
    stages = {
        "steps": {"type": "revisions", "of": "b", "revisions": ["step8", "step32"]},
        "given": {
            "type": "checkpoints", "base": "b",
            "checkpoints": [
                {"source": {"type": "folder", "path": f"{arm}{n}"}, "arm": arm, "samples": n}
                for arm in ("instruction", "shuffled") for n in (5, 9)
            ],
        },
        "chain": {"type": "chain", "models": ["b", "b-instruction-s1-9"]},
    }  # fmt: skip
    base = {
        "source": HUB,
        "family": "f",
        "bos": "none",
        "label": "Base",
        "presentations": ["raw", "chat"],
    }
    models = models_of({"b": base}, stages=stages)
    assert {name: role(model) for name, model in models.items()} == {
        "b": "vanilla", "b-step8": "checkpoint", "b-step32": "checkpoint",
        "b-instruction-s1-5": "checkpoint", "b-instruction-s1-9": "tuned",
        "b-shuffled-s1-5": "checkpoint", "b-shuffled-s1-9": "checkpoint",
        "b-as-chat": "presentation", "b-instruction-s1-9-as-chat": "presentation",
    }  # fmt: skip
    assert plain(models["b-step8"].source) == {**HUB, "revision": "step8"}
    assert plain(models["b-shuffled-s1-9"].source) == {"type": "folder", "path": "shuffled9"}
    assert all((m.family, m.bos) == ("f", "none") for m in models.values())
    assert models["b-step8"].label is None
    assert partner(models["b-instruction-s1-9"]) == "b" and partner(models["b-step8"]) is None
    assert parent(models["b-instruction-s1-9-as-chat"]) == "b-instruction-s1-9"
    assert parent(models["b-step8"]) == parent(models["b-shuffled-s1-5"]) == "b"
    assert not any(is_simulated(name, models) for name in models)


def test_checkpoints_of_a_simulated_base_are_simulated():
    given = {"source": {"type": "folder", "path": "p"}, "samples": 9}
    stages = {"e": {"type": "checkpoints", "base": "b", "checkpoints": [given]}}
    models = models_of({"b": {"source": {"type": "pretrain"}}}, stages=stages)
    assert is_simulated("b-instruction-s1-9", models)


@pytest.mark.parametrize(
    ("names", "final", "tokens_per_step", "expected"),
    [
        (["step512", "step1"], "main", 2, [("step1", 1, 2), ("step512", 512, 1024)]),
        (["step1"], "step143000", None, [("step1", 1, None), (None, 143000, None)]),
        (
            ["stage1-step300-tokens1B"], "stage2-step5-tokens1B", None,
            [("stage1-step300-tokens1B", 300, 10**9)],
        ),
        (
            ["stage2-ingredient1-step5-tokens1B"], "stage2-ingredient1-step7-tokens2B", None,
            [("stage2-ingredient1-step5-tokens1B", 5, 10**9), (None, 7, 2 * 10**9)],
        ),
    ],
)  # fmt: skip
def test_a_revision_says_how_far_the_training_is(names, final, tokens_per_step, expected):
    entry = Revisions("b", tuple(names), tokens_per_step)
    assert [(name, at.step, at.tokens) for name, at in entry.points(final)] == expected


def test_what_is_made_from_a_model_is_read_as_it_is_unless_it_says_otherwise():
    models = models_of(
        {
            "alone": {"source": {"type": "hub"}, "bos": "tokenizer"},
            "twin": {"source": {"type": "untrained", "of": "second"}},
            "first": {"source": {"type": "tune", "of": "alone"}, "chat": True},
            "second": {"source": {"type": "tune", "of": "first"}, "bos": "none", "label": "2"},
            "of-checkpoint": {"source": {"type": "untrained", "of": "first-shuffled-s1-8"}},
        },
        {"e": {"base": "first", "arms": ["shuffled"], "checkpoints": [8]}},
    )
    read = {name: (m.family, m.bos, m.chat) for name, m in models.items()}
    assert read == {
        "alone": (None, "tokenizer", None),
        "first": ("alone", "tokenizer", True),
        "second": ("alone", "none", True),
        "twin": ("alone", "none", True),
        "first-shuffled-s1-8": ("alone", "tokenizer", True),
        "of-checkpoint": ("alone", "tokenizer", True),
    }
    assert models["twin"].label is None


def test_further_presentations_are_models_of_the_same_weights():
    both = ["raw", "chat"]
    hub = {"type": "hub", "id": "a/b", "revision": "main"}
    published = {"type": "surprisal", "release": "kuribayashi2024", "model": "x"}
    models = models_of(
        {
            "one": {"source": hub, "presentations": both, "label": "One"},
            "tuned": {"source": {"type": "tune", "of": "one"}},
            "table": {"source": published, "presentations": ["raw", "instruction"]},
            "chatty": {"source": hub, "chat": True},
        },
        {"e": {"base": "one", "arms": ["instruction"], "checkpoints": [8, 16]}},
    )
    further = {name: m for name, m in models.items() if role(m) == "presentation"}
    assert set(further) == {
        "one-as-chat", "tuned-as-chat", "table-as-instruction", "one-instruction-s1-16-as-chat",
    }  # fmt: skip
    assert parent(further["one-as-chat"]) == "one"
    assert further["one-as-chat"].label is None
    assert weights_of("one-as-chat", models) == "one" == weights_of("one", models)
    assert models["table"].source == Kuribayashi2024("x", "raw")
    assert further["table-as-instruction"].source == Kuribayashi2024("x", "instruction")
    read = {name: presentation(model) for name, model in models.items()}
    assert (read["one"], read["one-as-chat"], read["chatty"]) == ("raw", "chat", "chat")
    assert set(narrow(models, ["one"])) == {"one", "one-as-chat"}


def test_the_first_presentation_of_published_surprisal_is_the_file_that_is_read():
    source = {"type": "surprisal", "release": "kuribayashi2024", "model": "x"}
    models = models_of(
        {
            "listed": {"source": source, "presentations": ["chat", "raw"]},
            "named": {"source": {**source, "presentation": "instruction"}},
        }
    )
    read = {name: (m.source.presentation, presentation(m)) for name, m in models.items()}
    assert read == {
        "listed": ("chat", "chat"), "listed-as-raw": ("raw", "raw"),
        "named": ("instruction", "instruction"),
    }  # fmt: skip


def test_a_checkpoint_goes_on_from_the_one_before_it_in_its_run():
    models = experiment(checkpoints=[10, 15, 20])
    assert previous_checkpoint("b-continued-s2-20", models) == "b-continued-s2-15"
    assert previous_checkpoint("b-continued-s2-15", models) == "b-continued-s2-10"
    assert previous_checkpoint("b-continued-s2-10", models) is None
    plain = models_of({**MODELS, "t": {"source": {"type": "tune", "of": "named"}}})
    assert previous_checkpoint("t", plain) is None


def test_the_t5_of_the_papers_study_have_memory_for_its_windows():
    study = yaml.safe_load((REPOSITORY / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    window = max(text["window"] for text in study["next_word"].values())
    t5 = [model for model in study["models"].values() if model.get("family") == "T5"]
    assert t5
    for model in t5:
        reader = predictor(
            tiny("t5", model["max_context"]), method=model.get("surprisal", "prefix")
        )
        assert reader.limit >= window


def test_aw2024_has_one_dtype_but_for_one_twin_and_both_surprisals_of_t5(repository) -> None:
    """Precision is part of no contrast: every pair, and every size, is read in one dtype."""
    config = yaml.safe_load((repository / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    models = models_of(config["models"], config["tuning"])
    networks = {k: m for k, m in models.items() if not isinstance(m.source, Baseline)}
    other = {name for name, model in networks.items() if model.dtype != "bfloat16"}
    assert other == {"gpt2-small-float32"}
    twin, plain = networks["gpt2-small-float32"], networks["gpt2-small"]
    assert twin.source == plain.source
    for name, model in networks.items():
        if model.base and model.family == "T5":
            assert model.surprisal == models[model.base].surprisal, name
    of = {model.surprisal for model in networks.values() if model.family == "T5"}
    assert of == {"infilling", "prefix"}
    assert not any(model.bos for model in networks.values())  # as each tokenizer has it
    assert models["oasm"].source.sigma == {"default": 2.2, "blank2014": 1.5}


def test_aw2024_reads_in_one_endless_text_with_the_models_that_the_paper_prints(repository) -> None:
    config = yaml.safe_load((repository / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    endless = {
        name
        for name, dataset in config["datasets"].items()
        if dataset.get("context") == "corpus" and "stride" not in dataset
    }
    benchmarks = [b for b in config["behavior"].values() if b["dataset"] in endless]
    models = models_of(config["models"], config["tuning"])
    named = {model for b in benchmarks for model in b["models"]}
    printed = pd.read_csv(repository / "resources" / "published" / "models.csv")
    printed = set(printed.loc[printed["futrell2018"].notna(), "model"])
    assert len(benchmarks) == 1
    assert {name for name in named if not counts_tokens(models[name])} == printed


def test_a_presentation_has_the_partner_of_its_model():
    entry = {"presentations": ["raw", "instruction"]}
    result = models_of(
        {
            "v": {**entry, "source": {"type": "pretrain", "architecture": "decoder-only"}},
            "t": {**entry, "source": {"type": "tune", "of": "v", "arm": "instruction"}},
        }
    )
    assert partner(result["t-as-instruction"]) == partner(result["t"]) == "v"
    assert partner(result["v-as-instruction"]) is None
