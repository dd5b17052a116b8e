"""What does it take to read a person of LeBel's size?

    python benchmarks/listening.py [--stories 27] [--volumes 335] [--voxels 95000]

Writes a tree of the layout of OpenNeuro ds003020 in a temporary folder (every story is the same
file of noise), then reads and writes it as the rule prepare_dataset does. Prints wall time, peak
memory of the process beyond its libraries, and the time to read a block of targets.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "scripts")]

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import wordfreq  # noqa: E402
from brainalign.datasets import lebel2023  # noqa: E402
from brainalign.datasets.settings import Lebel2023  # noqa: E402
from brainalign.formats.datasets import write_dataset  # noqa: E402
from worlds.listening import records, textgrid, write  # noqa: E402

BLOCK = 1000  # targets


def write_tree(folder: Path, stories: tuple[str, ...], volumes: int, voxels: int) -> None:
    root = folder / "ds003020/derivative"
    end = 2.0 * (volumes + 10)
    words = [("word", 0.4 * i, 0.4 * i + 0.3) for i in range(int(end / 0.4))]
    first = root / f"preprocessed_data/UTS03/{stories[0]}.hf5"
    first.parent.mkdir(parents=True)
    with h5py.File(first, "w") as file:
        file["data"] = np.random.default_rng(0).standard_normal((volumes, voxels))
    for story in stories:
        write(root / f"TextGrids/{story}.TextGrid", textgrid(words, end))
        if story != stories[0]:
            os.link(first, first.with_stem(story))


def peak() -> float:
    """Largest resident memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, n in (("stories", 27), ("volumes", 335), ("voxels", 95000)):
        parser.add_argument(f"--{name}", type=int, default=n)
    size = parser.parse_args()
    stories = Lebel2023().stories[: size.stories]
    source = Lebel2023(stories=stories, test=(), places=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if not (pid := os.fork()):  # so that the writer's memory is not counted
            write_tree(folder, stories, size.volumes, size.voxels)
            os._exit(0)
        os.waitpid(pid, 0)
        files = records(folder)
        wordfreq.zipf_frequency("word", "en")  # its list stays in memory
        before, start = peak(), time.perf_counter()
        prepared = lebel2023.read(files, source)
        read = time.perf_counter() - start
        write_dataset(prepared.stimuli, prepared.responses, folder / "s.parquet", folder / "r.nc")
        wrote = time.perf_counter() - start - read
        responses = prepared.responses["responses"]
        print(f"{responses.shape[0]} volumes x {responses.shape[1]} voxels, {responses.dtype}")
        print(f"array {responses.nbytes / 1e9:.2f} GB, peak {peak() - before:.2f} GB")
        print(f"read {read:.0f} s, written {wrote:.0f} s")
        start = time.perf_counter()
        with h5py.File(folder / "r.nc") as file:
            for first in range(0, 10 * BLOCK, BLOCK):
                file["responses"][:, first : first + BLOCK]
        print(f"a block of {BLOCK} targets {100 * (time.perf_counter() - start):.0f} ms")


if __name__ == "__main__":
    main()
