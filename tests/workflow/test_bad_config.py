"""A wrong config ends in one line per fault, before any job."""

import copy
from typing import Any

import pytest
import yaml
from brainalign.study.check import config_faults
from brainalign.study.duplicate_keys import duplicate_keys
from conftest import REPOSITORY

from workflow.conftest import Study, with_tuning


def edited(config: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The config with the value at a slash-separated path replaced (or added)."""
    *parents, key = path.split("/")
    section = config
    for parent in parents:
        section = section[parent]
    section[key] = value
    return config


PRETRAIN = {
    "type": "pretrain", "architecture": "decoder-only", "layers": 1, "width": 8, "heads": 2,
    "steps": 1, "batch_tokens": 64, "learning_rate": 0.001,
}  # fmt: skip
CONTROLLED = "alignment/sim-passages-controlled"
FAULTS = [
    # A job would refuse or ignore each of these.
    (
        "models/m",
        {"source": {**PRETRAIN, "width": 72, "heads": 24}},
        ["m.source.heads", "24", "even"],
    ),
    (
        f"{CONTROLLED}/regression/alphas",
        {"low": 1e-4, "high": 1e4, "n": 1},
        ["regression.alphas.n", "1, expected 2 or more"],
    ),
    (
        f"{CONTROLLED}/regression/alphas",
        {"high": 1e-4},
        ["regression.alphas.low", "0.001 is above high, 0.0001"],
    ),
    (
        "datasets/sim-passages/source/readers",
        3,
        ["datasets.sim-passages.source", "'readers'", "a key of kind reading"],
    ),
    (
        "models/oasm/source/width",
        3,
        ["models.oasm.source", "'width'", "kind position, kind static, kind random"],
    ),
    (
        "behavior/sim-reading-legacy/spillover",
        1,
        ["behavior.sim-reading-legacy", "'spillover'", "a key of mode controlled"],
    ),
    (
        "behavior/sim-reading-legacy/by_layer",
        ["states"],
        ["behavior.sim-reading-legacy", "'by_layer'", "a key of mode controlled"],
    ),
    (
        "behavior/sim-reading-controlled/by_layer",
        ["logits"],
        ["sim-reading-controlled.by_layer", "'logits'", "states, surprisal"],
    ),
    (
        "behavior/sim-reading-controlled",
        {
            "dataset": "sim-reading",
            "mode": "controlled",
            "by_layer": ["states"],
            "models": ["tokens"],
        },
        ["sim-reading-controlled.by_layer", "no model with weights"],
    ),
    (
        "alignment/sim-passages-controlled/split",
        {"scheme": "shuffled"},
        ["split.scheme: shuffled, but mode is controlled", "grouped or contiguous"],
    ),
    ("alignment/sim-passages-controlled/layers", "best", ["layers: best, but mode", "nested"]),
    (
        "alignment/sim-passages-controlled/regression",
        {"type": "ols"},
        ["regression.type: ols, but mode is controlled", "ridge"],
    ),
    (
        "alignment/sim-passages-legacy/reduce",
        {"method": "umap", "dimensions": 3},
        ["sim-passages-legacy.reduce.method", "'umap'", "pca, projection"],
    ),
    ("sede", 1, ["sede", "did you mean 'seed'"]),
    ("seed", "one", ["seed", "'one'", "integer"]),
    ("device", "gpu", ["device", "'gpu'", "cuda"]),
    ("models/sim-decoder-s/bass", "x", ["models.sim-decoder-s", "'bass'", "did you mean 'base'"]),
    ("models/sim-decoder-s/base", "gpt3", ["models.sim-decoder-s.base", "'gpt3'", "allowed"]),
    ("models/sim-decoder-s/base", "sim-decoder-s", ["models.sim-decoder-s.base", "itself"]),
    ("models/sim-decoder-s/base", "oasm", ["models.sim-decoder-s.base", "baseline"]),
    ("models/sim-decoder-s/dtype", "int3", ["models.sim-decoder-s.dtype", "'int3'", "bfloat16"]),
    ("models/sim-decoder-s/source/type", "magic", ["source.type", "'magic'", "hub"]),
    ("models/sim-decoder-s/source/steps", 0, ["source.steps", "0", "from 1 up"]),
    ("models/sim-decoder-s/source/layers", 2.5, ["source.layers", "2.5", "integer"]),
    *(
        (
            "models/m",
            {"source": {key: value for key, value in PRETRAIN.items() if key != missing}},
            ["models.m.source", f"'{missing}'", "missing"],
        )
        for missing in ("batch_tokens", "learning_rate")
    ),
    (
        "alignment/sim-passages-legacy/regression",
        {"type": "ridge", "selection": "gcv-per-target", "criterion": "r2"},
        ["regression.criterion", "folds-per-target", "gcv-per-target"],
    ),
    ("models/a model", {"source": {"type": "folder", "path": "x"}}, ["'a model'", "letters"]),
    ("models/m", {"source": {"type": "hub", "id": "a/b"}}, ["models.m.source", "revision"]),
    ("models/m", {"source": {"type": "hub", "id": "gpt2", "revision": "main"}}, ["OWNER/NAME"]),
    ("models/oasm/source/sigma", {"blank": 1.5}, ["oasm.source.sigma", "'default'", "missing"]),
    ("models/oasm/source/sigma", {"default": 2, "x": 1}, ["oasm.source.sigma", "'x'", "dataset"]),
    ("models/oasm/scored_on", ["mmlu"], ["models.oasm.scored_on", "'mmlu'", "'mmlu-sim'"]),
    ("models/m", {"family": "x"}, ["models.m", "'source'", "missing"]),
    ("models/m", {"source": {"type": "untrained", "of": "m"}}, ["models.m.source.of", "itself"]),
    (
        "models",
        {
            "oasm": {"source": {"type": "baseline", "kind": "oasm", "sigma": 1.5}},
            "a": {"source": {"type": "untrained", "of": "b", "seed": 1}},
            "b": {"source": {"type": "untrained", "of": "a", "seed": 1}},
        },
        ["models.a.source.of", "a → b → a is a circle"],
    ),
    (
        "models/m",
        {"source": {"type": "tune", "of": "sim-decoder-s-instruct"}},
        ["models.m.base", "'sim-decoder-s-instruct' is itself tuned", "base: sim-decoder-s"],
    ),
    (
        "models/m",
        {"source": {"type": "baseline", "kind": "tokens"}},
        ["models.m.source", "'of'", "missing"],
    ),
    (
        "models/oasm/source/of",
        "sim-decoder-s",
        ["models.oasm.source", "'of'", "a key of kind embedding, kind surprisal, kind tokens"],
    ),
    (
        "behavior/sim-reading-controlled/covariates",
        ["length", "log(length)"],
        ["behavior.sim-reading-controlled.covariates", "'log(length)'", "spline(NAME)"],
    ),
    (
        "behavior/sim-reading-legacy/times",
        "log",
        ["behavior.sim-reading-legacy", "'times'", "a key of mode controlled"],
    ),
    (
        "behavior/sim-reading-controlled/mixed_model",
        {"items": "story"},
        ["sim-reading-controlled.mixed_model.items", "'story'", "sentence, word"],
    ),
    ("datasets/sim-passages/context", "window:0", ["context", "'window:0'", "window:L"]),
    ("datasets/sim-passages/pooling", "max", ["pooling", "'max'", "last"]),
    ("datasets/sim-passages/stride", 0, ["datasets.sim-passages.stride", "0", "from 1 up"]),
    ("datasets/sim-passages/whitespace", "none", ["sim-passages.whitespace", "'none'", "trailing"]),
    ("datasets/sim-passages/source/type", "fmri", ["source.type", "'fmri'"]),
    ("alignment/x", {"dataset": "nowhere"}, ["alignment.x", "mode"]),
    (
        "alignment/sim-passages-legacy/unique_variance",
        {"beyond": ["oasm", "truth"]},
        ["sim-passages-legacy.unique_variance.beyond", "'truth'", "no baseline", "oasm"],
    ),
    (
        "alignment/x",
        {
            "dataset": "sim-passages",
            "mode": "controlled",
            "regression": {"type": "rsa", "pairs": {"contexts": "apart"}, "permutations": 9},
            "split": {"scheme": "contiguous"},
            "unique_variance": {"beyond": ["oasm"]},
        },
        ["alignment.x.unique_variance", "rsa explains no variance"],
    ),
    (
        "alignment/sim-passages-controlled/regression",
        {"type": "ridge", "selection": "gcv-per-target"},
        ["regression.selection: gcv-per-target takes rows", "'sim-passages'", "folds-per-target"],
    ),
    (
        "alignment/sim-passages-controlled/split",
        {"scheme": "grouped", "folds": 4},
        ["unique_variance.beyond: oasm says nothing of held-out groups", "further baselines"],
    ),
    (
        "alignment/x",
        {
            "dataset": "sim-passages",
            "mode": "controlled",
            "regression": {"type": "cka", "estimator": "biased", "permutations": 9},
            "split": {"scheme": "contiguous"},
            "layers": "nested",
        },
        ["alignment.x.regression.estimator: biased", "take debiased"],
    ),
    (
        "alignment/x",
        {
            "dataset": "sim-passages",
            "mode": "controlled",
            "regression": {"type": "rsa", "permutations": 9},
            "split": {"scheme": "contiguous"},
            "layers": "nested",
        },
        ["alignment.x.regression.pairs", "{contexts: apart}"],
    ),
    (
        "alignment/x",
        {
            "dataset": "sim-passages",
            "mode": "controlled",
            "regression": {"type": "rsa", "pairs": {"gap": 3}},
            "split": {"scheme": "contiguous"},
            "layers": "nested",
        },
        ["alignment.x.regression.permutations", "null distribution of rsa"],
    ),
    ("models/m", {"source": {"type": "baseline", "kind": "embedding"}}, ["m.source", "'of'"]),
    (
        "tuning",
        {"e": {"base": "sim-decoder-x", "arms": ["instruction"], "checkpoints": [1]}},
        ["tuning.e.base", "'sim-decoder-x'", "did you mean"],
    ),
    (
        "tuning",
        {"e": {"base": "oasm", "arms": ["instruction"], "checkpoints": [1]}},
        ["tuning.e.base", "'oasm' is a baseline"],
    ),
    (
        "tuning",
        {"e": {"base": "sim-decoder-s", "arms": ["instructed"], "checkpoints": [1]}},
        ["tuning.e.arms.0", "'instructed'", "shuffled"],
    ),
    (
        "tuning",
        {
            "e": {
                "base": "sim-decoder-s",
                "arms": ["shuffled"],
                "checkpoints": [10, 33],
                "recipe": {"samples": 16, "epochs": 2},
            }
        },
        ["tuning.e.checkpoints: 33 is beyond the training's end, 32 samples"],
    ),
    (
        "tuning",
        {
            name: {"base": "sim-decoder-s", "arms": ["shuffled"], "checkpoints": [10]}
            for name in "ab"
        },
        ["tuning.b", "'sim-decoder-s-shuffled-s1-10' is already a checkpoint of a"],
    ),
    (
        "tuning",
        {
            "e": {
                "base": "sim-decoder-s",
                "arms": ["shuffled"],
                "checkpoints": [10],
                "scored_on": ["mmlu-sim", "sim-passages-controled"],
            }
        },
        [
            "tuning.e.scored_on: 'sim-passages-controled' is no benchmark, task or text",
            "did you mean 'sim-passages-controlled'",
            "sim-held-out",
        ],
    ),
    (
        "tuning",
        {
            "e": {
                "base": "sim-decoder-s",
                "arms": ["instruction", "preference"],
                "checkpoints": [9],
                "instructions": "alpaca",
            }
        },
        ["tuning.e.arms: samples of alpaca have no rejected output", "instructions: simulated"],
    ),
    (
        "models/m",
        {
            "source": {
                "type": "tune",
                "of": "sim-decoder-s",
                "arm": "preference",
                "instructions": "alpaca-subset2000",
            }
        },
        ["models.m.source.arm: samples of alpaca-subset2000 have no rejected output"],
    ),
    ("stages", {"e": {"type": "revision", "of": "h"}}, ["stages.e.type", "'revision'", "chain"]),
    (
        "stages",
        {"e": {"type": "chain", "models": ["sim-decoder-s", "sim-decoder-s-instuct"]}},
        ["stages.e.models: 'sim-decoder-s-instuct' is no model of this study", "did you mean"],
    ),
    (
        "stages",
        {"e": {"type": "chain", "models": ["sim-decoder-s-untrained", "sim-decoder-s"]}},
        ["stages.e.models: 'sim-decoder-s-untrained' was never trained"],
    ),
    (
        "stages",
        {"e": {"type": "revisions", "of": "sim-decoder-s", "revisions": ["step1"]}},
        ["stages.e.of: 'sim-decoder-s' has no revisions", "a hub's"],
    ),
    (
        "stages",
        {"e": {"type": "revisions", "of": "sim-decoder-s", "revisions": ["step1", "step1"]}},
        ["stages.e.revisions: 'step1' is given twice"],
    ),
    (
        "stages",
        {"e": {"type": "revisions", "of": "sim-decoder-s", "revisions": ["step1", "final"]}},
        ["stages.e.revisions: 'final' does not say its step", "step1000"],
    ),
    (
        "stages",
        {
            "e": {
                "type": "revisions",
                "of": "sim-decoder-s",
                "revisions": ["stage1-step9", "stage2-step10"],
            }
        },
        ["stages.e.revisions", "'stage1-step9' and 'stage2-step10' are counted apart"],
    ),
    (
        "stages",
        {
            "e": {
                "type": "revisions",
                "of": "sim-decoder-s",
                "revisions": ["step9"],
                "final_step": 9,
            }
        },
        ["stages.e.revisions: 'step9' and 'final_step' are both step 9"],
    ),
    (
        "stages",
        {
            "e": {
                "type": "checkpoints",
                "base": "oasm",
                "checkpoints": [{"source": {"type": "folder", "path": "p"}, "samples": 5}],
            }
        },
        ["stages.e.base: 'oasm' was never trained"],
    ),
    (
        "stages",
        {
            "e": {
                "type": "checkpoints",
                "base": "sim-decoder-s",
                "checkpoints": [
                    {"source": {"type": "folder", "path": path}, "samples": 5} for path in "pq"
                ],
            }
        },
        ["stages.e", "'sim-decoder-s-instruction-s1-5' is already a checkpoint of e"],
    ),
    (
        "stages",
        {
            "e": {
                "type": "chain",
                "models": ["sim-decoder-s", "sim-decoder-s-instruct"],
                "scored_on": ["mmlu"],
            }
        },
        ["stages.e.scored_on: 'mmlu' is no benchmark, task or text here"],
    ),
    ("only", ["sim-decoder-x"], ["only", "'sim-decoder-x'", "did you mean"]),
    (
        "behavior/again",
        {"dataset": "sim-reading", "mode": "legacy"},
        ["behavior.again.report_as", "sim-reading-legacy's", "another name"],
    ),
    (
        "capability/bbh-sim/normalisation",
        "tokens",
        ["capability.bbh-sim", "'normalisation'", "a key of format multiple-choice"],
    ),
    ("models/sim-decoder-s/source/learning_rate", "1e-4", ["learning_rate", "number", "1.0e-4"]),
    ("models/sim-decoder-s/source/heads", 7, ["models.sim-decoder-s.source.heads", "7", "48"]),
    (
        "alignment/sim-passages-controlled/regression/alphas",
        {"low": 10, "high": 1, "n": 3},
        ["sim-passages-controlled.regression.alphas.low", "10 is above high, 1"],
    ),
    (
        "alignment/sim-passages-legacy/split",
        {"scheme": "contiguous", "folds": 5, "gap": 2, "gap_seconds": 4},
        ["sim-passages-legacy.split", "gap and gap_seconds"],
    ),
    (
        "alignment/sim-passages-legacy/regression",
        {"type": "rsa"},
        ["sim-passages-legacy.ceiling.method", "extrapolation is of regressions"],
    ),
    (
        "alignment/sim-passages-controlled/ceiling",
        {"method": "extrapolation"},
        ["sim-passages-controlled.ceiling.method", "of mode legacy", "disattenuation"],
    ),
    (
        "alignment/sim-passages-controlled/regression",
        {"type": "ols", "intercept": False},
        ["sim-passages-controlled.regression.intercept", "z-scored by fold"],
    ),
    (
        "alignment/sim-passages-legacy/reduce",
        {"method": "projection", "dimensions": 49},
        ["sim-passages-legacy.reduce.dimensions", "49", "'sim-decoder-s'", "48 units"],
    ),
    (
        "datasets/sim-passages/text",
        ["shuffled"],
        ["datasets.sim-passages.text", "'shuffled'", "shuffled:sentence"],
    ),
    (
        "datasets/sim-reading/text",
        ["shuffled:sentence"],
        ["datasets.sim-reading.text", "no brain benchmark scores 'sim-reading'"],
    ),
    (
        "datasets/sim-passages-classes",
        {"source": {"type": "simulated", "kind": "passages"}, "text": ["classes"]},
        ["datasets.sim-passages-classes.text", "no brain benchmark scores"],
    ),
    (
        "alignment/sim-passages-legacy/reduce",
        {"method": "random", "dimensions": 97, "among": "model"},
        ["sim-passages-legacy.reduce.dimensions", "97", "'sim-decoder-s'", "96 units"],
    ),
    (
        "alignment/sim-passages-legacy/reduce",
        {"method": "localizer", "dimensions": 8},
        ["sim-passages-legacy.reduce.localizer", "method localizer needs one"],
    ),
    (
        "alignment/sim-passages-legacy/reduce",
        {"method": "random", "dimensions": 8, "localizer": "sim-passages"},
        ["sim-passages-legacy.reduce.localizer", "method random has none"],
    ),
    (
        "alignment/sim-passages-legacy/reduce",
        {"method": "localizer", "dimensions": 0.1, "localizer": "sim-passages"},
        ["sim-passages-legacy.reduce.localizer", "'sim-passages'", "no localizer"],
    ),
    (
        "alignment/sim-passages-legacy/reduce",
        {"method": "pca", "dimensions": 0.1},
        ["sim-passages-legacy.reduce.dimensions", "0.1", "give a number"],
    ),
    (
        "alignment/sim-passages-legacy/layers",
        {"depth": 0.5, "stack": "middle"},
        ["sim-passages-legacy.layers.stack", "'middle'", "decoder, encoder"],
    ),
    ("capability/mmlu-sim/questions", {"type": "bbh"}, ["mmlu-sim.format", "bbh are generation"]),
    ("capability/bbh-sim/scoring", "chain-of-thought", ["scoring", "no chains of thought"]),
    (
        "next_word/sim-held-out",
        {"source": {"type": "simulated"}, "window": 16, "stride": 16},
        ["next_word.sim-held-out.stride", "16"],
    ),
    (
        "behavior/sim-reading-legacy/dataset",
        "sim-passages",
        ["behavior.sim-reading-legacy.dataset", "brain data", "alignment"],
    ),
    (
        "alignment/sim-passages-legacy/dataset",
        "sim-reading",
        ["alignment.sim-passages-legacy.dataset", "reading times", "behavior"],
    ),
    (
        "alignment/sim-passages-legacy/companion",
        True,
        ["alignment.sim-passages-legacy", "as sim-passages-controlled is", "report_as"],
    ),
    ("alignment/sim-passages-legacy/report_as", "average", ["report_as", "'average'"]),
    (
        "datasets/average",
        {"source": {"type": "simulated", "kind": "passages"}},
        ["datasets: name 'average' is not allowed", "the mean's in tables"],
    ),
    (
        "tuning",
        {
            "e": {"base": "sim-decoder-s", "arms": ["shuffled"], "checkpoints": [9]},
            "f": {"base": "sim-decoder-s-shuffled-s1-9", "arms": ["shuffled"], "checkpoints": [9]},
        },
        ["tuning.f.base: 'sim-decoder-s-shuffled-s1-9' is no entry of section models"],
    ),
    ("behavior/sim-reading-legacy/models", ["gpt3"], ["sim-reading-legacy.models", "'gpt3'"]),
    ("behavior/sim-reading-legacy/models", ["oasm"], ["'oasm' has no surprisal"]),
    ("behavior/sim-reading-legacy/models", [], ["sim-reading-legacy.models", "one or more"]),
    ("alignment/sim-passages-legacy/models", ["tokens"], ["'tokens'", "reading times alone"]),
    ("capability/mmlu-sim/scoring", "vibes", ["scoring", "'vibes'", "loglikelihood"]),
    ("study", "a/b", ["study", "'a/b'", "letters"]),
]
# The same of a study of published surprisal and eye movements.
RELEASED = {"type": "surprisal", "release": "kuribayashi2024", "model": "gpt2"}
TABLE = {"type": "surprisal", "path": "mine.csv", "dataset": "natural-stories", "unit": "bits"}
READING_FAULTS = [
    ("behavior/gaze/measure", "gase", ["behavior.gaze.measure: 'gase'", "did you mean 'gaze'"]),
    ("behavior/times/measure", "gaze", ["behavior.times.measure", "holds one measure"]),
    (
        "behavior/gaze",
        {"dataset": "reading-brain", "mode": "controlled"},
        ["behavior.gaze: key 'measure' is missing", "first-fixation, gaze"],
    ),
    (
        "models/m/presentations",
        ["raw", "prefix"],
        ["models.m.presentations", "gpt2 in presentation raw, not in prefix"],
    ),
    ("models/m/source/presentation", "chat", ["models.m.source", "not in chat"]),
    (
        "models/m",
        {"source": {**RELEASED, "presentation": "raw"}, "presentations": ["raw"]},
        ["models.m.source.presentation", "presentations are given, too"],
    ),
    ("models/m/chat", True, ["models.m.chat", "presentation: chat"]),
    (
        "models/m",
        {"source": {"type": "surprisal", "release": "michaelov2024", "model": "pythia-160m",
                    "presentation": "instruction"}},
        ["models.m.source", "pythia-160m in presentation raw, not in instruction"],
    ),
    (
        "models/m",
        {"source": TABLE, "presentations": ["raw", "chat"]},
        ["models.m.presentations", "your table is of one presentation"],
    ),
    (
        "models/m/source",
        {**TABLE, "dataset": "natural-storys"},
        ["models.m.source.dataset: 'natural-storys'", "did you mean 'natural-stories'"],
    ),
    ("models/m/source", {**TABLE, "unit": "shannons"}, ["models.m.source.unit", "bits, nats"]),
    ("models/m/source/model", "gpt5", ["models.m.source", "has no model 'gpt5'"]),
    ("models/m/source/release", "kuri", ["models.m.source.release", "kuribayashi2024"]),
    ("models/m/scored_on", ["gaze"], ["models.m.scored_on", "'gaze' needs weights or other words"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "said"), FAULTS)
def test_fault_is_one_line(
    small_config: dict[str, Any], path: str, value: object, said: list[str]
) -> None:
    config = edited(yaml.safe_load(yaml.safe_dump(small_config)), path, value)
    faults = config_faults(config)
    assert len(faults) == 1, faults
    assert "\n" not in faults[0]
    for part in said:
        assert part in faults[0]


def test_no_benchmark_scores_a_localizer(small_config: dict[str, Any]) -> None:
    config = yaml.safe_load(yaml.safe_dump(small_config))
    config["datasets"]["sim-passages"] = {"source": {"type": "simulated", "kind": "localizer"}}
    benchmarks = [n for n, b in config["alignment"].items() if b["dataset"] == "sim-passages"]
    for name, fault in zip(benchmarks, config_faults(config), strict=True):
        assert f"alignment.{name}.dataset: 'sim-passages' is a localizer" in fault


@pytest.mark.parametrize(("path", "value", "said"), READING_FAULTS)
def test_fault_of_a_study_of_reading_times_is_one_line(
    path: str, value: object, said: list[str]
) -> None:
    config = {
        "seed": 1,
        "models": {"m": {"source": dict(RELEASED)}},
        "datasets": {
            name: {"source": {"type": name}} for name in ("natural-stories", "reading-brain")
        },
        "behavior": {
            "times": {"dataset": "natural-stories", "mode": "controlled"},
            "gaze": {"dataset": "reading-brain", "mode": "controlled", "measure": "gaze"},
        },
    }
    assert config_faults(config) == []
    (fault,) = config_faults(edited(config, path, value))
    assert "\n" not in fault
    for part in said:
        assert part in fault


@pytest.mark.workflow
def test_the_plan_names_models_that_are_scored_on_reading_times_alone(study: Study) -> None:
    study.config["datasets"]["natural-stories"] = {"source": {"type": "natural-stories"}}
    study.config["behavior"]["times"] = {"dataset": "natural-stories", "mode": "controlled"}
    study.config["models"]["released"] = {"source": dict(RELEASED)}
    done = study.plan()
    assert done.returncode == 0, done.stderr[-2000:]
    said = "Models of published surprisal, without weights, are scored on reading times alone"
    assert f"{said}: released\n" in done.stderr + done.stdout
    jobs = study.jobs()
    assert {job for job in jobs if "released" in job} == {
        "fetch_surprisal released", "published_surprisal released,natural-stories",
        "published_fit released", "behavior released,times",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["oasm", "truth"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("models/sim-decoder-s/base", "features"),
        ("models/m", {"source": {"type": "untrained", "of": "features"}}),
        ("models/m", {"source": {"type": "tune", "of": "features"}}),
    ],
)
def test_features_without_a_network_are_no_partner(
    small_config: dict[str, Any], kind: str, path: str, value: object
) -> None:
    config = copy.deepcopy(small_config)
    edited(config, "models/features", {"source": {"type": "baseline", "kind": kind}})
    (fault,) = config_faults(edited(config, path, value))
    assert fault.startswith(path.replace("/", "."))
    assert "'features' is a baseline; name a language model" in fault


def test_two_scores_of_the_same_data_are_not_averaged(small_config: dict[str, Any]) -> None:
    config = copy.deepcopy(small_config)
    units = copy.deepcopy(config["alignment"]["sim-passages-controlled"])
    units["reduce"] = {"method": "random", "dimensions": 8}
    config["alignment"]["units"] = units
    (fault,) = config_faults(config)
    assert fault.startswith("alignment.units: sim-passages-controlled scores the same dataset")
    for remedy in (
        {"companion": True, "report_as": "sim-passages (8 units)"},
        {"report_as": "sim-passages (8 units)"},
    ):
        config["alignment"]["units"] = units | remedy
        assert config_faults(config) == []
    config["alignment"]["units"] = units | {"models": ["sim-decoder-s"]}
    assert len(config_faults(config)) == 1
    config["alignment"]["sim-passages-controlled"]["models"] = ["sim-decoder-s-instruct", "oasm"]
    assert config_faults(config) == []


@pytest.mark.parametrize(
    ("source", "timing", "said"),
    [
        ({"type": "simulated", "kind": "chapter"}, False, "'timing' is missing"),
        ({"type": "alice"}, False, "docs/adding-a-dataset.md"),
        ({"type": "simulated", "kind": "passages"}, True, "are stimuli, not volumes"),
        ({"type": "simulated", "kind": "chapter"}, True, None),
        ({"type": "simulated", "kind": "passages"}, False, None),
        # Only its files tell whether it is timed.
        ({"type": "own", "stimuli": "s.csv", "responses": "r.nc"}, True, None),
        ({"type": "own", "stimuli": "s.csv", "responses": "r.nc"}, False, None),
    ],
)
def test_timing_is_for_timed_data_and_only_for_them(
    small_config: dict[str, Any], source: dict[str, Any], timing: bool, said: str | None
) -> None:
    config = copy.deepcopy(small_config)
    config["datasets"]["d"] = {"source": source, "context": "story", "pooling": "last"}
    benchmark = {
        "dataset": "d", "mode": "controlled", "regression": {"type": "ridge"},
        "split": {"scheme": "contiguous"}, "aggregate": "mean", "layers": "nested",
    }  # fmt: skip
    config["alignment"]["b"] = benchmark | ({"timing": {"features": "fir"}} if timing else {})
    faults = config_faults(config)
    if said is None:
        assert faults == []
    else:
        (fault,) = faults
        assert fault.startswith("alignment.b")
        assert said in fault


def test_a_model_is_scored_on_a_benchmark_that_is_for_it(small_config: dict[str, Any]) -> None:
    config = copy.deepcopy(small_config)
    config["models"]["sim-decoder-s"]["scored_on"] = ["sim-passages-legacy", "mmlu-sim"]
    config["behavior"]["sim-reading-legacy"]["models"] = ["sim-decoder-s", "tokens"]
    (fault,) = config_faults(config)
    assert fault.startswith("behavior.sim-reading-legacy.models: 'sim-decoder-s'")
    assert "scored on sim-passages-legacy, mmlu-sim alone" in fault


HUB = {"source": {"type": "hub", "id": "a/b", "revision": "main"}}


@pytest.mark.parametrize(
    ("of", "instructions", "simulation", "said"),
    [
        ("hub", None, True, ["models.m.source", "'instructions' is missing", "alpaca-subset2000"]),
        ("hub", "dolly", True, ["models.m.source.instructions", "'dolly'", "ends in .json"]),
        ("hub", "simulated", False, ["simulation: section is missing"]),
        ("hub", "alpaca", False, None),
        ("hub", "my/samples.json", False, None),
        ("sim-decoder-s", "alpaca", True, None),
        ("sim-decoder-s", None, True, None),
    ],
)
def test_instruction_data_of_a_tuned_model(
    small_config: dict[str, Any],
    of: str,
    instructions: str | None,
    simulation: bool,
    said: list[str] | None,
) -> None:
    source = {"type": "tune", "of": of} | ({"instructions": instructions} if instructions else {})
    models = {"hub": HUB, "m": {"source": source}}
    if simulation:
        config = copy.deepcopy(small_config)
        config["models"] |= models
    else:
        config = {"seed": 1, "models": models}
    faults = config_faults(config)
    if said is None:
        assert faults == []
    else:
        (fault,) = faults
        assert all(part in fault for part in said)


@pytest.mark.parametrize(
    "path", sorted([REPOSITORY / "config.yaml", *REPOSITORY.glob("studies/*.yaml")])
)
def test_shipped_studies_are_valid(path) -> None:
    assert duplicate_keys(path) == []
    assert config_faults(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def test_names_given_twice_are_detected(tmp_path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("seed: 1\nmodels:\n  a: {source: 1}\n  b: {}\n  a: {}\n", encoding="utf-8")
    (fault,) = duplicate_keys(path)
    assert "models.a: given twice, in lines 3 and 5" in fault


@pytest.mark.workflow
def test_snakemake_says_it_and_stops(study: Study) -> None:
    study.config["models"]["sim-decoder-s"]["base"] = "nobody"
    done = study.snakemake("--cores", "1")
    assert done.returncode != 0
    assert "models.sim-decoder-s.base: 'nobody' is no model of this study" in done.stderr
    assert not (study.folder / "results").exists()


@pytest.mark.workflow
def test_a_configfile_replaces_the_default_study(study: Study) -> None:
    jobs = study.jobs()
    assert not any("sim-decoder-l" in job or "sim-encdec" in job for job in jobs)


@pytest.mark.workflow
def test_files_that_are_not_there_stop_a_run_before_its_first_job(study: Study) -> None:
    """All of them at once, those alone that a job of this run needs; planning goes without."""
    models, datasets = study.config["models"], study.config["datasets"]
    models["mine"] = {"source": {"type": "folder", "path": "weights/mine"}}
    models["words"] = {"source": {"type": "baseline", "kind": "static", "path": "vectors.txt"}}
    rows = {"type": "own", "stimuli": "stimuli.csv", "responses": "answers.nc"}
    datasets["own"] = {"source": rows, "context": "passage"}
    given = [{"source": {"type": "folder", "path": "weights/tuned"}, "samples": 9}]
    stages = {"type": "checkpoints", "base": "sim-decoder-s", "checkpoints": given}
    study.config["stages"] = {"given": stages}
    (study.folder / "stimuli.csv").touch()
    aims = [f"results/activations/{name}/sim-passages.safetensors" for name in ("mine", "words")]
    aims.append("results/data/own/stimuli.parquet")
    aims.append("results/models/sim-decoder-s-instruction-s1-9/manifest.json")
    assert study.jobs("--", *aims)
    done = study.snakemake("--cores", "2", "--", *aims)
    assert done.returncode != 0
    assert "models.mine.source: weights/mine is not there" in done.stderr
    assert "stages.given.source: weights/tuned is not there" in done.stderr
    assert "models.words.source: vectors.txt is not there" in done.stderr
    assert "datasets.own.source: answers.nc is not there" in done.stderr
    assert "stimuli.csv" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (study.folder / "results/logs").exists()
    done = study.snakemake("--cores", "2", "--", "results/simulation/corpus.txt")
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_trajectory_is_of_no_similarity(small_config: dict[str, Any]) -> None:
    similarity = {
        "dataset": "sim-passages", "mode": "legacy", "regression": {"type": "rsa"},
        "split": {"scheme": "shuffled", "folds": 10, "train": 0.1, "seed": 1},
    }  # fmt: skip
    config = with_tuning(small_config)
    config["alignment"] = {**config["alignment"], "similarity": similarity}
    assert config_faults(config) == []
    config["tuning"]["sim"]["scored_on"] = ["similarity"]
    assert config_faults(config) == [
        "tuning.sim.scored_on: 'similarity' is a similarity; trajectories hold r alone"
    ]
