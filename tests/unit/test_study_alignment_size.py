"""What alignments ask for follows the size of their files."""

import h5py
import numpy as np
from brainalign.encoding.operators import FEW_UNITS
from brainalign.encoding.settings import Chance, Ridge, Scoring, Timing, UniqueVariance
from brainalign.encoding.splits import Contiguous
from brainalign.formats.activations import write_activations
from brainalign.study import alignment_size as size
from msgspec.structs import replace

GCV = Scoring(Ridge("gcv-per-target"), Contiguous(folds=5))
FOLDS = Scoring(Ridge("folds-per-target"), Contiguous(folds=5))


def test_shapes_are_read_from_the_files(tmp_path):
    with h5py.File(tmp_path / "responses.nc", "w") as file:
        file["responses"] = np.zeros((7, 3), np.float32)
    values = np.zeros((7, 5), np.float32)
    path = tmp_path / "a.safetensors"
    write_activations({"l0": values, "l1": values}, list("abcdefg"), path, {})
    assert size.responses_shape(str(tmp_path / "responses.nc")) == (7, 3)
    assert size.activations_shape(str(path)) == (2, 5)
    assert size.responses_shape(str(tmp_path / "none.nc")) is None
    (tmp_path / "cut.nc").write_bytes((tmp_path / "responses.nc").read_bytes()[:50])
    assert size.responses_shape(str(tmp_path / "cut.nc")) is None
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:20])
    assert size.activations_shape(str(tmp_path / "cut.safetensors")) is None
    assert size.activations_shape(str(tmp_path / "none.safetensors")) is None


def test_memory_covers_what_was_measured():
    """3,000 volumes, 20,000 voxels, 768 units at four delays: 1.18 and 1.30 GB at their peak.

    10,000 volumes, 95,000 voxels: 5.92 GB.
    """
    timed = Timing(delays=(1, 2, 3, 4))
    shapes = (3000, 20000), (1, 768)
    assert 1180 < size.alignment_mb(*shapes, replace(GCV, timing=timed)) < 2.5 * 1180
    assert 1300 < size.alignment_mb(*shapes, replace(FOLDS, timing=timed)) < 2.5 * 1300
    brain = size.alignment_mb((10_000, 95_000), (13, 768), replace(FOLDS, timing=timed))
    assert 5920 < brain < 1.5 * 5920


def test_few_units_are_those_of_the_engine():
    assert size.MANY_COLUMNS == FEW_UNITS


def test_chance_asks_for_more_as_was_measured():
    """384 × 12,155: 358 MB; 11 s of 1,000 draws by `test`, 1 s of each by `refit`."""
    shapes = (384, 12155), (1, 4096)
    drawn = {
        kind: replace(FOLDS, layers="nested", chance=Chance(kind, permutations=20_000))
        for kind in ("test", "refit")
    }
    memory = [size.alignment_mb(*shapes, replace(FOLDS, chance=c)) for c in (None, Chance())]
    assert 358 < memory[1] - memory[0] < 2 * 358
    minutes = {kind: size.alignment_minutes(*shapes, entry) for kind, entry in drawn.items()}
    assert 20 * 11 / 60 < minutes["test"] < 60
    assert 20_000 / 60 < minutes["refit"] < 5 * 20_000 / 60


def test_run_time_covers_what_was_measured():
    """34 layers of 4,096 units on Pereira2018-384, nested: 7 s a layer, 46 with unique variance."""
    shapes = (384, 12195), (34, 4096)
    nested = replace(GCV, split=Contiguous(folds=10), layers="nested")
    assert size.alignment_minutes(*shapes, nested) > 34 * 7 / 60
    beyond = replace(nested, unique_variance=UniqueVariance(("oasm",)))
    assert size.alignment_minutes(*shapes, beyond) > 34 * 46 / 60


def test_more_of_anything_asks_for_more():
    least = size.alignment_minutes((3000, 20000), (12, 7680), GCV)
    assert size.alignment_minutes((6000, 20000), (12, 7680), GCV) > least
    assert size.alignment_minutes((3000, 20000), (24, 7680), GCV) > least
    assert size.alignment_minutes((3000, 20000), (12, 7680), GCV, attempt=2) == 2 * least
    assert size.alignment_mb((3000, 40000), None, GCV) > size.alignment_mb((3000, 20000), None, GCV)


def test_files_that_are_not_there_yet():
    assert size.alignment_mb(None, None, GCV, 2) == 2 * size.UNKNOWN_MB
    assert size.alignment_minutes((10, 10), None, GCV) == size.UNKNOWN_MINUTES
