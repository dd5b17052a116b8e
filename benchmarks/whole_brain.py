"""One listener of LeBel's size, simulated: memory and time of a layer, by the path of alignments.

    python benchmarks/whole_brain.py [--rows 10000] [--targets 95000] [--units 3072] [--blocks 2]
                                     [--beyond 0]

Responses are written to a file and read some targets at a time; ridge with a penalty per target by
inner folds, which choose the layer, too. One of five folds is scored, and of its targets so many
blocks of 4096: time grows in equal steps with blocks, memory does not grow. With `--beyond N` the
layer is also mixed with a nuisance space of N units, as unique variance does for each mixture. One
thread.
"""

import argparse
import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

import h5netcdf  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402, F401
import xarray as xr  # noqa: E402
from brainalign.encoding.banded import SHARES, Nuisance  # noqa: E402
from brainalign.encoding.benchmark import RegressionBenchmark  # noqa: E402
from brainalign.encoding.features import Features  # noqa: E402
from brainalign.encoding.regression import Ridge  # noqa: E402
from brainalign.encoding.responses import Responses, gather_responses  # noqa: E402
from brainalign.encoding.scoring import score_layer  # noqa: E402
from brainalign.encoding.splits import Contiguous, contiguous  # noqa: E402
from brainalign.formats.datasets import target_blocks  # noqa: E402
from measuring import Measured, matrix_rate  # noqa: E402

FOLDS, INNER_FOLDS, LAYERS = 5, 5, 13
ALPHAS = tuple(np.logspace(-3, 3, 10).tolist())
BLOCK = 4096


def write_responses(path: Path, rows: int, targets: int) -> None:
    """Noise, float32, in the chunks that the project writes."""
    random = np.random.default_rng(0)
    blocks = list(target_blocks(rows, targets))
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"stimulus": rows, "target": targets}
        chunks = (rows, blocks[0].stop)
        into = file.create_variable("responses", ("stimulus", "target"), np.float32, chunks=chunks)
        for block in blocks:
            width = min(block.stop, targets) - block.start
            into[:, block] = random.standard_normal((rows, width), dtype=np.float32)


def open_file(path: Path) -> xr.Dataset:
    file = xr.open_dataset(path, engine="h5netcdf", cache=False)
    n = file.sizes["target"]
    names = {
        "target_id": np.arange(n).astype(str), "subject": np.full(n, "s"), "region": np.full(n, "x")
    }  # fmt: skip
    return file.assign_coords({name: ("target", values) for name, values in names.items()})


class Beginning(Responses):
    """Responses of which some blocks of targets alone are scored; all of them are held."""

    n_blocks = 1

    def blocks(self, size: int) -> Any:
        return itertools.islice(super().blocks(size), self.n_blocks)


def peak_gb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rows", 10_000), ("targets", 95_000), ("units", 3072), ("blocks", 2),
                          ("beyond", 0)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    random = np.random.default_rng(1)
    x = random.standard_normal((asked.rows, asked.units), dtype=np.float32)
    x *= np.arange(1, asked.units + 1, dtype=np.float32) ** -0.5
    regression = Ridge("folds-per-target", ALPHAS, inner_folds=INNER_FOLDS)
    splits = tuple(contiguous(asked.rows, FOLDS))[:1]
    benchmark = RegressionBenchmark(
        regression=regression, scheme=Contiguous(), splits=splits, groups=None, aggregate="mean",
        layers="nested", reduce=None, epsilon=0.0, seed=0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "responses.nc"
        write_responses(path, asked.rows, asked.targets)
        with Measured() as reading:
            responses = gather_responses(open_file(path))
        peaks = [peak_gb()]  # every measurement begins a new one
    responses.__class__ = Beginning
    seconds = []
    for n_blocks in (1, asked.blocks):
        Beginning.n_blocks = n_blocks
        with Measured() as scoring:
            score_layer(Features(x), responses, benchmark, benchmark.splits)
        seconds.append(scoring.cpu)
        peaks.append(peak_gb())
    block = (seconds[1] - seconds[0]) / (asked.blocks - 1)
    fold = seconds[0] + block * (asked.targets / BLOCK - 1)
    mixture = Measured()
    if asked.beyond:
        nuisance = random.standard_normal((asked.rows, asked.beyond), dtype=np.float32)
        spaces = {"nuisance": Features(nuisance)}
        beyond = Nuisance(spaces, responses, benchmark, candidates=1)
        with mixture:
            beyond.unique([Features(x)])  # a mixture for each of SHARES
        peaks.append(peak_gb())
    rate = matrix_rate(lambda *shape: random.standard_normal(shape).astype(np.float32)) / 1e9
    print(
        f"peak memory of the process {max(peaks):.2f} GB; read in {reading.cpu:.0f} CPU s\n"
        f"a fold: {seconds[0] - block:.0f} s, and {block:.1f} s per {BLOCK} targets; "
        f"{rate:.0f} GFLOP/s beside it\n"
        f"{LAYERS} layers × {FOLDS} folds × {asked.targets} targets: "
        f"{fold * FOLDS * LAYERS / 3600:.1f} CPU hours"
    )
    if asked.beyond:
        each = mixture.cpu / len(SHARES)
        print(f"a mixture with {asked.beyond} units of nuisance: {each:.0f} s of the fold")


if __name__ == "__main__":
    main()
