"""The end of the pipeline for the paper's 25 models: its wall and CPU time."""

import copy
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from invented_results import ANALYSIS_RULES, FIGURE_RULES, write_results

REPOSITORY = Path(__file__).parents[1]
MODELS, DATASETS, CORES = 25, 6, 2


def timed_study() -> dict[str, Any]:
    """Run the rules of tables and figures on invented files of scores."""
    config = large_config()
    cores = min(CORES, len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "study.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        write_results(folder / "results" / config["study"], config)
        command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"),
            "--directory", str(folder), "--configfile", str(path), "--cores", str(cores),
            "--workflow-profile", str(REPOSITORY / "profiles" / "default"),
            "--rerun-triggers", "mtime", "--quiet", "rules",
            "--allowed-rules", *ANALYSIS_RULES, *FIGURE_RULES,
            "--", *targets(config),
        ]  # fmt: skip
        start = time.perf_counter()
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        wall = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(done.stdout[-4000:] + done.stderr[-4000:])
        benchmarks = folder / "results" / config["study"] / "benchmarks"
        jobs = [
            {"job": str(file.relative_to(benchmarks).with_suffix("")), **_job(file)}
            for file in sorted(benchmarks.rglob("*.tsv"))
        ]
    return {
        "models": MODELS,
        "benchmarks": len(config["alignment"]),
        "cores": cores,
        "wall_s": round(wall, 1),
        # Jobs are forks of servers that outlive this process: its children's times lack them.
        "cpu_s": round(sum(job["cpu_s"] for job in jobs), 1),
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).date().isoformat(),
        "jobs": jobs,
    }


def large_config() -> dict[str, Any]:
    """The paper's study: its 25 models and the baselines, six datasets in three benchmarks each."""
    config = yaml.safe_load((REPOSITORY / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    models = dict(islice(config["models"].items(), MODELS))
    config["models"] = models | {
        name: model
        for name, model in config["models"].items()
        if model["source"]["type"] == "baseline"
        and model["source"].get("of", next(iter(models))) in models
    }
    for benchmark in config["behavior"].values():
        if "models" in benchmark:
            benchmark["models"] = [name for name in benchmark["models"] if name in config["models"]]
    del config["tuning"]
    entries = config["alignment"]
    names = ("blank2014-legacy", "blank2014-controlled", "pereira2018-384-controlled")
    config["alignment"] = {
        f"set{i}-{name}": copy.deepcopy(entries[name]) | {"report_as": f"set{i}{other}"}
        for i in range(DATASETS)
        for name, other in zip(names, ("", "", " by passage"), strict=True)
    }
    return config


def targets(config: dict[str, Any]) -> list[str]:
    """All tables and all figures but the datasets' own pages."""
    root = f"results/{config['study']}"
    tables = [f"{root}/tables/{name}.csv" for name in ANALYSIS_RULES if name != "published_check"]
    figures = [name.removeprefix("plot_") for name in FIGURE_RULES if name != "plot_regions"]
    figures += [f"regions/{name}" for name in config["alignment"]]
    return [*tables, *(f"{root}/figures/{name}.svg" for name in figures)]


def _job(file: Path) -> dict[str, Any]:
    row = pd.read_csv(file, sep="\t", na_values="-").iloc[0]
    return {"wall_s": round(float(row["s"]), 1), "cpu_s": round(float(row["cpu_time"]), 1)}
