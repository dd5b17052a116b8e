"""An alignment that is killed goes on after its last finished layer, and gives the same file."""

import multiprocessing
import os
import runpy
import signal

import numpy as np
import pytest
from brainalign.encoding import alignment, finished_layers
from brainalign.encoding.finished_layers import FinishedLayers
from brainalign.formats.activations import write_activations
from brainalign.formats.datasets import write_dataset
from brainalign.settings import plain
from conftest import REPOSITORY
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params
from worlds.encoding import CONTROLLED, LEGACY, planted, tables
from worlds.entries import scoring

LAYERS = ("embedding", "layer.1", "layer.2", "layer.3", "final")
FOLDS = {"split": {"scheme": "grouped", "folds": 4, "seed": 0}}
BENCHMARKS = {
    "the best layer": LEGACY | {"reduce": {"method": "pca", "dimensions": 4}},
    "a layer for each fold, by the folds that choose the penalty": CONTROLLED | FOLDS | {
        "layers": "nested",
        "regression": CONTROLLED["regression"] | {"selection": "folds-per-target"},
    },
    "a layer for each fold, by folds inside": CONTROLLED | FOLDS | {"layers": "nested"},
    "a similarity": CONTROLLED | FOLDS | {"layers": "nested", "regression": {"type": "cka"}},
}  # fmt: skip
LEGACY_ONE = BENCHMARKS["the best layer"]


class Job:
    """What Snakemake hands to the script."""

    def __init__(self, folder, benchmark, seed=0, targets=None):
        names = {"activations": "a.safetensors", "stimuli": "s.parquet", "responses": "r.nc"}
        self.input = InputFiles(fromdict={k: str(folder / v) for k, v in names.items()})
        for name in ("nuisance", "selectivity"):
            self.input._set_name(name, len(names), end=len(names))
        made = {"alignment": "b.parquet"} | ({"targets": "b.targets.nc"} if targets else {})
        self.output = OutputFiles(fromdict={k: str(folder / "made" / v) for k, v in made.items()})
        settings = {"scoring": plain(scoring(benchmark)), "seed": seed, "nuisance": []}
        settings |= {"targets": {"layers": targets}} if targets else {}
        self.params = Params(fromdict=settings)
        self.log = Log(toclone=[str(folder / "log.txt")])
        self.config = {"device": "cpu"}


def run(folder, benchmark, seed=0, targets=None):
    """Run the script; the bytes of its table, and of the scores of every target."""
    job = Job(folder, benchmark, seed, targets)
    runpy.run_path(str(REPOSITORY / "scripts" / "alignment.py"), {"snakemake": job})
    made = sorted((folder / "made").iterdir())
    assert (
        made == [folder / "made" / "b.parquet", folder / "made" / "b.targets.nc"][: len(job.output)]
    )
    return [path.read_bytes() for path in made]


def run_and_be_killed(folder, benchmark, after, targets):
    written = []
    write = FinishedLayers._write

    def write_and_die(self, layer, scores):
        write(self, layer, scores)
        written.append(layer)
        if len(written) == after:
            os.kill(os.getpid(), signal.SIGKILL)

    FinishedLayers._write = write_and_die
    run(folder, benchmark, targets=targets)


def kill(folder, benchmark, after=3, targets=None):
    """A separate process runs the script, and is killed once so many layers are finished."""
    process = multiprocessing.get_context("fork").Process(
        target=run_and_be_killed, args=(folder, benchmark, after, targets)
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    left = {path.name for path in (folder / "made").iterdir() if path.suffix != ".tmp"}
    assert left == {".b.layers"}
    for path in (folder / "made").glob("*.tmp"):
        path.unlink()


@pytest.fixture
def folder(tmp_path):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    write_dataset(stimuli, dataset, tmp_path / "s.parquet", tmp_path / "r.nc")
    noise = np.random.default_rng(2).standard_normal((len(LAYERS), *features.shape))
    layers = {
        name: np.hstack([features + i * noise[i], noise[i]]).astype(np.float32)
        for i, name in zip((4, 2, 0, 1, 3), LAYERS, strict=True)
    }
    ids = stimuli["stimulus_id"].tolist()
    write_activations(layers, ids, tmp_path / "a.safetensors", {})
    return tmp_path


@pytest.fixture
def scored(monkeypatch):
    """The layers that are scored, not read from a file; every one is worth to be kept."""
    names, scores_of = [], FinishedLayers.scores_of

    def spy(self, layer, score):
        return scores_of(self, layer, lambda: names.append(layer) or score())

    monkeypatch.setattr(FinishedLayers, "scores_of", spy)
    monkeypatch.setattr(finished_layers, "WORTH_KEEPING", 0.0)
    return names


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_killed_alignment_goes_on_and_gives_the_same_bytes(folder, scored, benchmark):
    expected = run(folder, BENCHMARKS[benchmark])
    (folder / "made" / "b.parquet").unlink()
    kill(folder, BENCHMARKS[benchmark])
    scored.clear()
    assert run(folder, BENCHMARKS[benchmark]) == expected
    assert scored == list(LAYERS[3:])


@pytest.mark.parametrize("benchmark", list(BENCHMARKS)[:3])
def test_so_do_the_scores_of_every_target(folder, scored, benchmark):
    expected = run(folder, BENCHMARKS[benchmark], targets="all")
    for path in (folder / "made").iterdir():
        path.unlink()
    kill(folder, BENCHMARKS[benchmark], targets="all")
    scored.clear()
    assert run(folder, BENCHMARKS[benchmark], targets="all") == expected
    assert scored == list(LAYERS[3:])


def other_seed(folder):
    return {"seed": 1}


def other_settings(folder):
    return {"benchmark": LEGACY_ONE | {"epsilon": 0.0}}


def other_activations(folder):
    path = folder / "a.safetensors"
    values = {name: np.random.default_rng(3).standard_normal((240, 9)) for name in LAYERS}
    ids = [f"s{i:03d}" for i in range(240)]
    write_activations({n: v.astype(np.float32) for n, v in values.items()}, ids, path, {})
    return {}


def other_responses(folder):
    stimuli, dataset = tables(planted(seed=5)[1])
    write_dataset(stimuli, dataset, folder / "s.parquet", folder / "r.nc")
    return {}


@pytest.mark.parametrize("change", [other_seed, other_settings, other_activations, other_responses])
def test_layers_of_other_settings_or_inputs_are_never_taken(folder, scored, change):
    kill(folder, LEGACY_ONE)
    arguments = {"benchmark": LEGACY_ONE} | change(folder)
    made = run(folder, **arguments)
    assert scored == list(LAYERS)
    assert run(folder, **arguments) == made


def test_a_damaged_file_is_as_good_as_none(folder, scored):
    expected = run(folder, LEGACY_ONE)
    (folder / "made" / "b.parquet").unlink()
    kill(folder, LEGACY_ONE, after=4)
    kept = [folder / "made" / ".b.layers" / f"{name}.npz" for name in LAYERS]
    content = bytearray(kept[1].read_bytes())
    kept[0].write_bytes(content[: len(content) // 2])
    at = content.index(np.float64(0.0).tobytes() * 2)  # inside the numbers of some column
    content[at] ^= 1
    kept[1].write_bytes(content)
    kept[2].write_bytes(b"")
    scored.clear()
    assert run(folder, LEGACY_ONE) == expected
    assert scored == ["embedding", "layer.1", "layer.2", "final"]


def test_layers_that_take_less_than_seconds_are_not_written(folder, monkeypatch):
    """Nor are digests taken, which cost time in large files."""
    monkeypatch.setattr(FinishedLayers, "_write", None)
    monkeypatch.setattr(FinishedLayers, "_key", property(lambda self: pytest.fail("a digest")))
    made = []
    monkeypatch.setattr(alignment, "_report", lambda name, *_: made.append(name))
    run(folder, LEGACY_ONE)
    assert made == list(LAYERS)
