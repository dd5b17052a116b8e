"""`--sdm conda`, run for real where no conda channel can be reached: `make test-conda`.

A local channel is packed from the wheels that envs/*.yaml name; bin/conda solves and installs from
it. What is shown is that the environment files have a solution and hold all that the rules import,
not that conda-forge has these builds.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY
from rule_environments import rules, third_party
from workflow.conftest import Study, every_rule

pytestmark = pytest.mark.timeout(3600)

HERE = Path(__file__).parent
ENVS = sorted((REPOSITORY / "envs").glob("*.yaml"))
CONSTRAINTS = REPOSITORY / "constraints.txt"
PLANNING = ("snakemake", "numpy", "pandas", "msgspec")  # packages of Snakemake's own environment


def python_with(folder: Path, *arguments: str) -> Path:
    """A virtual environment with packages, made once; its `python`."""
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "pip", "install", "--quiet", *arguments]
        subprocess.run(pip, check=True)
        (folder / "done").touch()
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def channels(pytestconfig: pytest.Config) -> Path:
    """The folder of local channels; kept in pytest's cache as long as all it is made of is."""
    made_of = [*ENVS, CONSTRAINTS, HERE / "channel.py", HERE / "sitecustomize.py"]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()[:8]
    cache = pytestconfig.cache.mkdir("conda")
    python = python_with(cache / "stand-in", "-r", str(HERE / "requirements.txt"))
    folder = cache / f"channels-{key}"
    if not (folder / "conda-forge").exists():
        command = [python, HERE / "channel.py", folder, *ENVS, "--constraints", CONSTRAINTS]
        subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="session")
def snakemake_alone(pytestconfig: pytest.Config) -> Path:
    """A Python that has what planning takes (docs/running.md), and nothing else of requirements."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    planning = [line for line in lines if line.split("==")[0] in PLANNING]
    key = hashlib.sha256("".join(planning).encode()).hexdigest()[:8]
    folder = pytestconfig.cache.mkdir("conda") / f"snakemake-{key}"
    return python_with(folder, *planning, "-c", str(CONSTRAINTS))


@pytest.fixture
def conda_study(
    tmp_path: Path, channels: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], Study]:
    """A factory: a cut of the default study and a copy of the project, in one folder."""
    monkeypatch.setenv("CONDA_CHANNELS", str(channels))
    monkeypatch.setenv("PYTHON_IMPORTS", str(tmp_path / "imports.jsonl"))
    tools = tmp_path / "conda"
    shutil.copytree(HERE / "bin", tools / "bin")
    script = tools / "bin" / "conda"
    python = channels.parent / "stand-in" / "bin" / "python"
    script.write_text(
        script.read_text(encoding="utf-8").replace("/usr/bin/env python3", str(python), 1),
        encoding="utf-8",
    )
    monkeypatch.setenv("PATH", f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}")
    unrelated = shutil.ignore_patterns(".*", "results", "downloads", "__pycache__")
    code = shutil.copytree(REPOSITORY, tmp_path / "code", ignore=unrelated)
    config = every_rule(yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")))

    def by(python: Path) -> Study:
        return Study(tmp_path, config, code, python)

    return by


def test_every_rule_runs_in_its_environment(
    conda_study: Callable[[Path], Study], snakemake_alone: Path, tmp_path: Path
) -> None:
    study = conda_study(snakemake_alone)
    run_rules = {job.split()[0] for job in study.jobs("--sdm", "conda", "--forceall")}
    study.run("--sdm", "conda")
    outside = snakemake_alone.parents[1] / "lib"
    prefixes = defaultdict(set)
    for line in (tmp_path / "imports.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if ".snakemake/scripts/" not in record["argv"][0]:
            continue  # Snakemake asks each environment for its Python's version
        script = record["argv"][0].split(".")[-2]
        prefixes[script].add(record["prefix"])
        strangers = {
            package
            for package, file in record["files"].items()
            if Path(file).is_relative_to(outside)
        }
        assert not strangers & set(third_party(REPOSITORY / "scripts" / f"{script}.py")), script
    environments = {Path(env).stem: set() for _, env, _ in rules()}
    for rule, env, script in rules():
        if rule in run_rules:
            (prefix,) = prefixes[Path(script).stem]
            environments[Path(env).stem].add(prefix)
    assert all(len(used) == 1 for used in environments.values()), environments
    assert len(set.union(*environments.values())) == len(ENVS)


@pytest.mark.parametrize("package", ["xarray", "h5netcdf"], ids=["imported", "needed by another"])
def test_a_package_that_is_lacking_is_not_taken_from_outside(
    conda_study: Callable[[Path], Study], package: str
) -> None:
    """Snakemake runs in a Python that has everything, as after `make demo`."""
    study = conda_study(Path(sys.executable))
    env = study.code / "envs" / "data.yaml"
    lines = [
        line
        for line in env.read_text(encoding="utf-8").splitlines()
        if f"- {package} =" not in line
    ]
    env.write_text("\n".join(lines), encoding="utf-8")
    target = "results/data/sim-reading/responses.nc"
    done = study.snakemake("--cores", "2", target, "--sdm", "conda")
    assert done.returncode != 0
    assert f"package {package} is not in this job's environment" in done.stderr or (
        package == "h5netcdf" and "h5netcdf" in done.stderr
    )
    assert not (study.folder / target).exists()


def test_an_impossible_version_is_refused(
    conda_study: Callable[[Path], Study], snakemake_alone: Path
) -> None:
    study = conda_study(snakemake_alone)
    env = study.code / "envs" / "data.yaml"
    env.write_text(
        env.read_text(encoding="utf-8").replace("- xarray =", "- xarray =9"), encoding="utf-8"
    )
    done = study.snakemake("--cores", "2", "results/simulation/corpus.txt", "--sdm", "conda")
    assert done.returncode != 0
    assert "xarray" in done.stderr
    assert not (study.folder / "results" / "simulation").exists()
