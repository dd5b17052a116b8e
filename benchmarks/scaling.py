"""Cost curves behind docs/scaling.md: memory and CPU time of jobs against size of model and data.

    python benchmarks/scaling.py [--folder FOLDER]      (about ten minutes, 6 GB)

Runs a study through Snakemake, one job at a time: random language models of growing size read,
and are tuned; features of growing width are fitted to responses of Pereira2018's size (384
sentences, 12,195 targets, 9 subjects; random numbers cost what voxels cost). Prints a row per job,
from its `benchmark:` file, beside the memory that a cluster would have given it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from brainalign.models.settings import Hub  # noqa: E402
from brainalign.study.models import StudyModel  # noqa: E402
from brainalign.study.resources import memory_mb, training_memory_mb  # noqa: E402

SHAPES = {"3m": (4, 256, 4), "85m": (12, 768, 12), "201m": (16, 1024, 16)}  # layers, width, heads
WIDTHS = (1024, 4096)
PASSAGES, SENTENCES, WORDS, TARGETS, SUBJECTS = 96, 4, 11, 12195, 9


def write_dataset(folder: Path) -> None:
    """Stimuli and responses of Pereira2018's experiment 384 in size."""
    rng = np.random.default_rng(0)
    words = [f"{a}{b}" for a in ("ba", "do", "ki", "lu") for b in ("na", "re", "so", "ti", "mu")]
    rows = [(passage, i) for passage in range(PASSAGES) for i in range(SENTENCES)]
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"{passage}.{i}" for passage, i in rows],
            "text": [" ".join(rng.choice(words, WORDS)) for _ in rows],
            "context_group": [f"p{passage}" for passage, _ in rows],
            "position": [i for _, i in rows],
            "split_group": [f"t{passage // 4}" for passage, _ in rows],
        }
    )
    stimuli.to_csv(folder / "stimuli.csv", index=False)
    subject = np.sort(np.arange(TARGETS) % SUBJECTS)
    xr.Dataset(
        {"responses": (("stimulus", "target"), rng.standard_normal((len(rows), TARGETS)))},
        coords={
            "stimulus_id": ("stimulus", stimuli["stimulus_id"].tolist()),
            "target_id": ("target", [f"v{i}" for i in range(TARGETS)]),
            "subject": ("target", [f"s{i}" for i in subject]),
            "region": ("target", ["language"] * TARGETS),
        },
        attrs={
            "kind": "brain", "units": "z", "source": "random", "licence": "none", "simulated": 0,
        },
    ).to_netcdf(folder / "responses.nc", engine="h5netcdf")  # fmt: skip


def study(default: dict[str, Any]) -> dict[str, Any]:
    """The study to measure, from the default one."""
    models: dict[str, Any] = {
        f"random-{width}": {"source": {"type": "baseline", "kind": "random", "width": width}}
        for width in WIDTHS
    }
    # What the controlled benchmark's unique variance is beyond.
    beyond = default["alignment"]["sim-passages-controlled"]["unique_variance"]["beyond"]
    models |= {name: default["models"][name] for name in beyond}
    for name, (layers, width, heads) in SHAPES.items():
        shape = {"layers": layers, "width": width, "heads": heads}
        models[f"lm-{name}"] = {
            "source": {
                "type": "pretrain", "architecture": "decoder-only", "steps": 1,
                "learning_rate": 0.001,
                "batch_tokens": 256, **shape,
            },
        }  # fmt: skip
        models[f"lm-{name}-tuned"] = {
            "source": {
                "type": "tune", "of": f"lm-{name}", "arm": "instruction", "prompt": "plain",
                "samples": 16, "epochs": 1, "batch_size": 4, "learning_rate": 0.001,
            },
        }  # fmt: skip
    alignment = {
        f"pereira-{mode}": {
            **default["alignment"][f"sim-passages-{mode}"],
            "dataset": "pereira",
            "ceiling": {"method": "none"},
        }
        for mode in ("legacy", "controlled")
    }
    return {
        "seed": 1,
        "model_threads": 1,
        "simulation": {**default["simulation"], "documents": 400, "instructions": 200},
        "models": models,
        "datasets": {
            "pereira": {
                "source": {"type": "own", "stimuli": "stimuli.csv", "responses": "responses.nc"},
                "context": "passage",
            }
        },
        "alignment": alignment,
    }


def measure(folder: Path) -> pd.DataFrame:
    """Run the study in `folder`; a row per job that was measured."""
    write_dataset(folder)
    config = study(yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")))
    (folder / "study.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    modes = ("legacy", "controlled")
    targets = [
        *(f"alignment/random-{w}/pereira-{mode}.parquet" for w in WIDTHS for mode in modes),
        *(f"activations/lm-{name}/pereira.safetensors" for name in SHAPES),
        *(f"surprisal/lm-{name}/pereira.parquet" for name in SHAPES),
        *(f"models/lm-{name}-tuned/manifest.json" for name in SHAPES),
    ]
    subprocess.run(
        [
            sys.executable, "-m", "snakemake", *(f"results/{target}" for target in targets),
            "--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder),
            "--cores", "1", "--quiet", "rules", "host", "--configfile", "study.yaml",
            "--workflow-profile", str(REPOSITORY / "profiles" / "default"),
        ],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True,
    )  # fmt: skip
    rows = []
    for rule in ("activations", "surprisal", "instruction_tune", "alignment"):
        for path in sorted((folder / "results" / "benchmarks" / rule).rglob("*.tsv")):
            job = pd.read_csv(path, sep="\t").iloc[-1]
            names = path.relative_to(folder / "results" / "benchmarks").with_suffix("").parts
            rows.append(
                {
                    "job": " ".join(names), "cpu_s": job["cpu_time"], "max_rss_mb": job["max_rss"],
                    "given_mb": given(rule, names[1]),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def given(rule: str, model: str) -> int:
    """Memory of a first attempt, for a model that declares its size."""
    size = model.removeprefix("lm-").removesuffix("-tuned")
    if size not in SHAPES:
        return 2000
    layers, width, _ = SHAPES[size]
    source = Hub(id="a/b", revision="main")
    models = {model: StudyModel(source=source, parameters=12 * layers * width**2)}
    return (training_memory_mb if rule == "instruction_tune" else memory_mb)(model, models)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to run (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print(measure(folder.resolve()).to_string(index=False, float_format="%.1f"))


if __name__ == "__main__":
    main()
