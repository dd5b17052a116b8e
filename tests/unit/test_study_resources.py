"""How large models are before any of them is there, and what their jobs ask for."""

import nibabel
import numpy as np
import pytest
from brainalign.datasets.settings import Own, PetitPrince
from brainalign.study.resources import (
    LOADING_MB,
    UNKNOWN_PARAMETERS,
    gpu_memory_mb,
    gpus,
    memory_mb,
    named_sizes,
    parameter_count,
    preparing_memory_mb,
    training_gpus,
    training_memory_mb,
)
from worlds.study_models import models_of

MODELS = models_of(
    {
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
)


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


@pytest.mark.parametrize(
    ("name", "attempt", "expected"),
    [("named", 1, 5000), ("half", 1, LOADING_MB), ("half", 2, 4000 + 2 * 60000)],
)
def test_weights_pass_through_the_hosts_memory_on_their_path_to_a_gpu(name, attempt, expected):
    assert memory_mb(name, MODELS, attempt, on_gpu=True) == expected


@pytest.mark.parametrize(
    ("name", "device", "expected"),
    [
        ("half", "auto", 2000 + 1.125 * 60000),
        ("half", "sharded", 2000 + 1.125 * 30000),
        ("half", "cpu", 0),
        ("small", "auto", 0),
    ],
)
def test_each_gpu_holds_its_part_of_the_weights(name, device, expected):
    assert gpu_memory_mb(name, MODELS, device) == expected


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


def test_preparing_asks_for_memory_by_the_sizes_of_the_users_scans(tmp_path, monkeypatch):
    """Against the arrays: float32 values of all subjects, or of one, held four times."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    values = generator.normal(1000, 50, (20, 20, 20, 250)).astype(np.int16)
    for name in ("a.nii", "b.nii.gz"):
        nibabel.Nifti1Image(values, np.eye(4)).to_filename(name)
    held = values.size * 4 / 1e6
    common = {"stimuli": "s.csv", "kind": "brain", "atlas": "mask.nii"}
    for responses in ({"anna": ("a.nii",)}, {"ben": ("b.nii.gz",)}):
        voxels, regions = (
            preparing_memory_mb(Own(responses=responses, voxels=voxels, **common), 1)
            for voxels in (True, False)
        )
        assert voxels == regions and 4000 + 2 * held < voxels < 4000 + 8 * held
    both = {"anna": ("a.nii",), "ben": ("b.nii.gz",)}
    voxels = preparing_memory_mb(Own(responses=both, voxels=True, **common), 2)
    regions = preparing_memory_mb(Own(responses=both, **common), 2)
    assert voxels > regions > 8000 and voxels - 8000 > 1.2 * (regions - 8000)
    absent = {"carl": ("c.nii",)}
    assert preparing_memory_mb(Own(responses=absent, voxels=True, **common), 1) == 4000
    assert preparing_memory_mb(PetitPrince(runs={"EN057": (1,)}, sections=(1,)), 2) == 32000
