"""What a study survives: `make test-faults`. Needs Linux, and root for the small file systems.

After each fault the study is run again, and its results have to be those of an undisturbed run,
byte for byte. FAULT_KILLS sets how many times something is killed (default 50).
"""

import copy
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from brainalign.formats.atomic import sha256_of
from conftest import REPOSITORY
from workflow.conftest import Study, every_rule

pytestmark = pytest.mark.timeout(2 * 3600)

KILLS = int(os.environ.get("FAULT_KILLS", "50"))
SECONDS = 6.0  # from a run's first job to a kill, on average
SERVER = b"fork_server.py"
AGAIN = "run the same command again"
# What tells how long something took, and work that is taken up again.
NOT_COMPARED = {"logs", "benchmarks", "training.csv", "trainer_state.json", "unfinished"}


def digests(study: Study) -> dict[str, str]:
    """SHA-256 of every result; hidden files are unfinished work, or Snakemake's own."""
    results = study.folder / "results"
    return {
        path.relative_to(results).as_posix(): sha256_of(path)
        for path in sorted(results.rglob("*"))
        if path.is_file()
        and NOT_COMPARED.isdisjoint(path.relative_to(results).parts)
        and not any(part.startswith(".") for part in path.relative_to(results).parts)
    }


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, dict[str, str]]:
    """A study with all rules of the default one, run to its end once; its digests."""
    config = every_rule(yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")))
    study = Study(tmp_path_factory.mktemp("undisturbed"), config)
    study.run()
    return study, digests(study)


Undisturbed = tuple[Study, dict[str, str]]


@pytest.fixture
def fresh(undisturbed: Undisturbed, tmp_path: Path) -> Study:
    return Study(tmp_path, undisturbed[0].config)


@pytest.fixture
def finished(undisturbed: Undisturbed, tmp_path: Path) -> Study:
    """A copy of the finished study."""
    shutil.copytree(undisturbed[0].folder, tmp_path, dirs_exist_ok=True)
    return Study(tmp_path, undisturbed[0].config)


@contextmanager
def file_system(folder: Path, size: str) -> Iterator[Path]:
    """A small file system in memory at a folder."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(command, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def processes_of(study: Study) -> dict[int, tuple[int, list[bytes]]]:
    """Process id → parent and command line, of all that run in the study's folder."""
    result = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == study.folder:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                result[int(process.name)] = parent, (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
    return result


def servers_of(study: Study) -> list[int]:
    """Process ids of the servers that the study's scripts are forks of."""
    actual = processes_of(study)
    serving = [pid for pid, (_, command) in actual.items() if SERVER in b" ".join(command[:2])]
    return [pid for pid in serving if actual[pid][0] not in serving]


def jobs_of(study: Study) -> list[int]:
    """Process ids of the study's running scripts: forks of a server, or started by themselves."""
    measured = processes_of(study)
    serving = [pid for pid, (_, command) in measured.items() if SERVER in b" ".join(command[:2])]
    scripts = f"{study.folder}/.snakemake/scripts/".encode()
    return [
        pid
        for pid, (parent, command) in measured.items()
        if (pid in serving and parent in serving)
        or (len(command) > 1 and command[1].startswith(scripts))
    ]


# --- killed ---------------------------------------------------------------------------------


def test_killed_at_random_moments(undisturbed: Undisturbed, tmp_path: Path) -> None:
    expected = undisturbed[1]
    chance = random.Random(1)
    kills: Counter[str] = Counter()
    runs = 0
    while kills.total() < KILLS:
        runs += 1
        study = Study(tmp_path / str(runs), undisturbed[0].config)
        study.folder.mkdir()
        while kills.total() < KILLS and not finishes(study, chance, kills):
            if not jobs_of(study):  # none outlived Snakemake
                # Nothing that has its final name is half of a file.
                assert digests(study).items() <= expected.items()
        study.run()
        assert digests(study) == expected
        assert not list((study.folder / "results").rglob(".*.partial*"))
        shutil.rmtree(study.folder)
    print(f"\nkilled in {runs} runs: {dict(kills)}")


def finishes(study: Study, chance: random.Random, kills: Counter[str]) -> bool:
    """Run; after a random time kill a job, a server or Snakemake, unless the study has ended."""
    # A file, not a pipe: jobs that outlive their Snakemake write to it, too.
    path = study.folder / "said.txt"
    early = chance.random() < 0.1  # while it plans
    with path.open("w", encoding="utf-8") as file, study.start(file, "--cores", "2") as process:
        while process.poll() is None and not (early or jobs_of(study)):
            time.sleep(0.1)
        try:
            process.wait(chance.expovariate(1 / SECONDS))
        except subprocess.TimeoutExpired:
            victims = {"job": jobs_of(study), "server": servers_of(study)}
            victim = chance.choices(["job", "server", "Snakemake"], [0.5, 0.2, 0.3])[0]
            if not victims.get(victim):
                victim = "Snakemake"
            try:
                chosen = chance.choice(victims.get(victim, [process.pid]))
                os.kill(chosen, signal.SIGKILL)
            except ProcessLookupError:
                victim = ""  # it had just ended
            kills.update([victim] if victim else [])
    said = path.read_text(encoding="utf-8")
    if process.returncode == -signal.SIGKILL:
        unlocked = study.snakemake("--unlock")
        assert unlocked.returncode == 0, unlocked.stderr
    elif process.returncode != 0:
        assert ("SIGKILL" in said or "was killed" in said) and AGAIN in said, said[-4000:]
    return process.returncode == 0


def test_a_second_snakemake_is_refused(fresh: Study, undisturbed: Undisturbed) -> None:
    target = "results/models/sim-decoder-s/manifest.json"
    with fresh.start(subprocess.PIPE, "--cores", "1", target) as first:
        until(lambda: jobs_of(fresh), first)
        second = fresh.snakemake("--cores", "1")
        first.communicate()
    assert first.returncode == 0
    assert second.returncode != 0
    assert "--unlock" in second.stderr
    made = digests(fresh)
    assert made
    assert made.items() <= undisturbed[1].items()


def test_sigterm_to_all_processes(finished: Study, undisturbed: Undisturbed) -> None:
    """As SLURM sends it at a time limit: to every process of the allocation."""
    activations = finished.folder / "results" / "activations"
    targets = [str(path.relative_to(finished.folder)) for path in activations.glob("*/*.*")]
    shutil.rmtree(activations)
    finished.within = ("setsid",)  # a process group of its own
    with finished.start(subprocess.PIPE, "--cores", "2", *targets) as process:
        until(lambda: jobs_of(finished), process)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate()
    assert process.returncode not in (0, -signal.SIGTERM)
    assert AGAIN in said
    assert not list((finished.folder / "results").rglob(".*.tmp"))
    assert not jobs_of(finished)
    assert digests(finished).items() <= undisturbed[1].items()
    finished.run(*targets)
    assert digests(finished) == undisturbed[1]


def until(true: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for something to be true while a process runs."""
    while not true():
        assert process.poll() is None
        time.sleep(0.05)


# --- no disk space --------------------------------------------------------------------------------


def test_a_full_disk(fresh: Study, undisturbed: Undisturbed) -> None:
    """Room for nothing, then for twice as much again and again, until it is enough."""
    target = "results/activations/sim-decoder-s/sim-passages.safetensors"
    sizes = [f"{100 * 2**step}k" for step in range(10)]
    with file_system(fresh.folder / "results", sizes[0]) as results:
        refused = []
        for more in sizes[1:]:
            done = fresh.snakemake("--cores", "2", target)
            assert digests(fresh).items() <= undisturbed[1].items()
            if done.returncode == 0:
                break
            assert "No space left on device" in done.stderr
            assert AGAIN in done.stderr
            refused.append(more)
            subprocess.run(["mount", "-o", f"remount,size={more}", str(results)], check=True)
        assert len(refused) >= 2
        assert (fresh.folder / target).exists()


def test_results_that_cannot_be_written(finished: Study) -> None:
    target = finished.folder / "results" / "tables" / "losses.csv"
    target.unlink()
    results = finished.folder / "results"
    outside = results.rename(finished.folder / "outside")
    with file_system(results, "1g"):
        shutil.copytree(outside, results, dirs_exist_ok=True)
        before = digests(finished)
        subprocess.run(["mount", "-o", "remount,ro", str(results)], check=True)
        done = finished.snakemake("--cores", "2", str(target.relative_to(finished.folder)))
        assert done.returncode != 0
        assert "results is read-only" in done.stderr
        assert "Traceback" not in done.stderr
        assert AGAIN in done.stderr
        assert digests(finished) == before


def test_out_of_memory(finished: Study, undisturbed: Undisturbed) -> None:
    """A job that asks for more than there is. (One that the kernel kills is a job killed.)"""
    target = "results/data/sim-passages/responses.nc"
    config = copy.deepcopy(finished.config)
    config["datasets"]["sim-passages"]["source"]["targets"] = 10_000_000
    larger = Study(finished.folder, config, within=("prlimit", "--as=8000000000"))
    done = larger.snakemake("--cores", "1", target)
    assert done.returncode != 0
    assert "error: out of memory: run fewer jobs at a time" in done.stderr
    assert AGAIN in done.stderr
    assert not (finished.folder / target).exists()
    finished.run(target)
    assert digests(finished) == undisturbed[1]


# --- damaged --------------------------------------------------------------------------------

VANILLA = "sim-decoder-s"
TUNED, UNTRAINED = f"{VANILLA}-instruction-s1-32", f"{VANILLA}-untrained"
# Files of each kind → what is made of each, and of none of the others that are damaged with it.
DAMAGED: tuple[dict[str, str], ...] = (
    {"simulation/corpus.txt": f"models/{VANILLA}/manifest.json"},
    {"simulation/tokenizer/tokenizer.json": f"models/{VANILLA}/manifest.json"},
    {
        "simulation/instructions.json": f"models/{TUNED}/manifest.json",
        "data/sim-reading/stimuli.parquet": f"surprisal/{VANILLA}/sim-reading.parquet",
        "data/sim-passages/responses.nc": "ceilings/sim-passages-legacy.parquet",
        f"models/{UNTRAINED}/manifest.json": f"activations/{UNTRAINED}/sim-passages.safetensors",
    },
    {
        f"models/{UNTRAINED}/checkpoint/model.safetensors": (
            f"activations/{UNTRAINED}/sim-passages.safetensors"
        ),
        f"models/{VANILLA}/checkpoint/config.json": (
            f"activations/{VANILLA}/sim-passages.safetensors"
        ),
        f"models/{TUNED}/checkpoint/tokenizer.json": (
            f"activations/{TUNED}/sim-passages.safetensors"
        ),
    },
    {
        "activations/oasm/sim-passages.safetensors": "alignment/oasm/sim-passages-legacy.parquet",
        f"surprisal/{VANILLA}/sim-reading.parquet": (
            f"behavior/{VANILLA}/sim-reading-legacy.parquet"
        ),
        f"next_word/{VANILLA}/sim-held-out.json": "tables/losses.csv",
        "questions/mmlu-sim.parquet": f"capability/{VANILLA}/mmlu-sim.parquet",
        "data/sim-passages/card.json": "figures/datasets/sim-passages.svg",
        f"models/{TUNED}/training.csv": "figures/training.svg",
    },
    {
        "ceilings/sim-passages-legacy.parquet": "tables/scores.csv",
        f"behavior/{VANILLA}/sim-reading-legacy.parquet": "tables/behaviors.csv",
        f"capability/{VANILLA}/mmlu-sim.parquet": "tables/capabilities.csv",
    },
    {"alignment/oasm/sim-passages-legacy.parquet": "tables/scores.csv"},
    {"tables/scores.csv": "tables/mixed_effects.csv"},
)


def cut_short(path: Path) -> None:
    """Leave two thirds of a file, as a copy that was broken off; its date stays."""
    stat = path.stat()
    os.truncate(path, stat.st_size * 2 // 3)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def overwrite(path: Path) -> None:
    """Overwrite the middle third with zeros, as a damaged block; its date stays."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(stat.st_size // 3)
        file.write(bytes(stat.st_size // 3))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("damage", [cut_short, overwrite])
@pytest.mark.parametrize("group", DAMAGED, ids=lambda group: next(iter(group)))
def test_a_damaged_file_is_named(
    finished: Study, undisturbed: Undisturbed, group: dict[str, str], damage: Callable[[Path], None]
) -> None:
    results = finished.folder / "results"
    for name in group:
        damage(results / name)
    targets = [f"results/{output}" for output in group.values()]
    done = finished.snakemake("--cores", "2", "--keep-going", "--force", *targets)
    assert done.returncode != 0
    assert AGAIN in done.stderr
    faults = []
    for name, output in group.items():
        folder = name.rpartition("/")[0] if "/checkpoint/" in name else name
        lines = [line for line in done.stderr.splitlines() if f"results/{folder}: " in line]
        if (results / output).exists():
            faults.append(f"{name}: not noticed")
        elif not any("error: " in line and "emove it" in line for line in lines):
            faults.append(f"{name}: {lines}")
    assert not faults, "\n".join(faults)
    kept = {name: digest for name, digest in digests(finished).items() if name not in group}
    assert kept.items() <= undisturbed[1].items()
