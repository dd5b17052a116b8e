import json
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.formats.activations import open_activations
from brainalign.formats.datasets import write_dataset
from brainalign.models.loading import load
from brainalign.models.manifest import check
from worlds.tiny_checkpoints import write


def run(script, **parts):
    """Run a workflow script with what Snakemake would hand to it."""
    parts = {
        name: SimpleNamespace(**value) if isinstance(value, dict) else value
        for name, value in parts.items()
    }
    runpy.run_path(
        f"scripts/{script}.py", {"snakemake": SimpleNamespace(config={}, **parts)}, "__main__"
    )


def fetch(tmp_path, source, **params):
    defaults = {
        "dtype": "float32", "max_context": None, "trust_remote_code": False,
        "downloads": str(tmp_path / "downloads"),
    }  # fmt: skip
    run(
        "fetch_model",
        output={"manifest": str(tmp_path / "m" / "manifest.json")},
        wildcards={"model": "tiny"},
        params=defaults | {"source": source} | params,
        log=[str(tmp_path / "log.txt")],
    )
    return json.loads((tmp_path / "m" / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("dtype", "max_context"), [(None, None), ("float32", 16)])
def test_fetch_model_and_its_untrained_twin(tmp_path, dtype, max_context):
    write("llama", tmp_path / "here")
    source = {"type": "folder", "path": str(tmp_path / "here")}
    manifest = fetch(tmp_path, source, max_context=32, dtype="bfloat16")
    check(manifest)
    assert manifest["name"] == "tiny"
    assert manifest["source"] == source
    assert manifest["max_context"] == 32
    assert not manifest["simulated"]
    twin_path = tmp_path / "twin" / "manifest.json"
    run(
        "initialise_untrained",
        input={"manifest": str(tmp_path / "m" / "manifest.json")},
        output={"manifest": str(twin_path), "checkpoint": str(tmp_path / "twin" / "checkpoint")},
        wildcards={"model": "tiny-untrained"},
        params={
            "source": {"type": "untrained", "of": "tiny"},
            "seed": 4,
            "dtype": dtype,
            "max_context": max_context,
        },
        log=[str(tmp_path / "log.txt")],
    )
    twin = json.loads(twin_path.read_text(encoding="utf-8"))
    assert twin["seed"] == 4
    assert twin["max_context"] == (max_context or 32)
    assert twin["dtype"] == (dtype or "bfloat16")
    assert load(twin).name == "tiny-untrained"


def test_an_error_is_one_line_and_leaves_no_manifest(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        fetch(tmp_path, {"type": "folder", "path": str(tmp_path / "nowhere")})
    assert stop.value.code == 1
    assert (
        "nowhere: there is no such folder"
        in (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()[-1]
    )
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "m" / "manifest.json").exists()


@pytest.mark.parametrize("sigma", [1, {"default": 2.2, "here": 1}, {"default": 1, "there": 2.2}])
def test_baseline_activations(tmp_path, sigma):
    stimuli = pd.DataFrame({
        "stimulus_id": ["a", "b", "c"], "text": ["One.", "Two.", "Three."], "context_group": "g",
        "position": [0, 1, 2], "split_group": "g", "onset": np.nan, "offset": np.nan,
    })  # fmt: skip
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), np.arange(3.0)[:, None])},
        {
            "stimulus_id": ("stimulus", ["a", "b", "c"]), "target_id": ("target", ["t"]),
            "subject": ("target", ["s"]), "region": ("target", ["r"]),
        },
        {"kind": "brain", "units": "1", "source": "test", "licence": "none", "simulated": 1},
    )  # fmt: skip
    paths = {"stimuli": tmp_path / "stimuli.parquet", "responses": tmp_path / "responses.nc"}
    write_dataset(stimuli, responses, *paths.values())
    run(
        "baseline_activations",
        input={name: str(path) for name, path in paths.items()},
        output={"activations": str(tmp_path / "a.safetensors")},
        params={
            "name": "oasm", "seed": 1,
            "source": {"type": "baseline", "kind": "oasm", "sigma": sigma},
        },
        wildcards={"dataset": "here"},
        log=[str(tmp_path / "log.txt")],
    )  # fmt: skip
    written = open_activations(tmp_path / "a.safetensors")
    assert written.layers == ("features",)
    assert written.stimulus_ids == ("a", "b", "c")
    assert written.metadata["rows"] == "stimulus"
    assert written.metadata["sigma"] == 1
    distance = np.subtract.outer(np.arange(3), np.arange(3))
    np.testing.assert_allclose(written.layer("features"), np.exp(-0.5 * distance**2.0), rtol=1e-6)
