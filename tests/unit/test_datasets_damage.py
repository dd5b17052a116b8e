"""Every kind of raw file, cut at every 5 % and with flipped bytes: an InputError or the content.

Hashes are left out here (records are unverified): this is what readers find by themselves.
"""

from contextlib import contextmanager

import numpy as np
import pytest
from brainalign.errors import InputError
from dataset_files import write_wehbe
from worlds import questions as questions_world
from worlds.raw_files import KINDS

small_counts = questions_world.small_counts  # MMLU and BBH are small here, too

# Cut between two words or two rows it is a smaller file of the kind; its published hash tells.
UNNOTICED = {"wikitext2", "natural-stories-maze", "reading-brain"}

# A flip may make HDF5 ask for gigabytes. Each has a published hash; Tuckute's stands for all.
HDF5 = {"pereira2018", "blank2014", "fedorenko2016", "futrell2018", "lebel2023, scan"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Files and records of one kind, written once."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("raw") / "files"
            made[kind].mkdir()
            files, _, name = KINDS[kind]
            folder = made[kind]
            records = files(folder / "w" if files is write_wehbe else folder)
            path = folder / "w" / name if files is write_wehbe else folder / name
            made[kind] = records, path, path.read_bytes()
        return made[kind]

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_and_cut_at_any_byte_it_is_an_input_error(kind, world):
    records, path, data = world(kind)
    read = KINDS[kind][1]
    path.write_bytes(data)
    read(records)
    for percent in () if kind in UNNOTICED else range(0, 100, 5):
        path.write_bytes(data[: len(data) * percent // 100])
        with attempt(f"cut at {percent} %"), pytest.raises(InputError) as error:
            read(records)
        assert "\n" not in str(error.value).strip(), percent


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in HDF5])
def test_a_flipped_byte_is_an_input_error_or_unnoticed(kind, world):
    """A flip in the values may pass (the hash tells); nothing but an InputError is ever raised."""
    records, path, data = world(kind)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        broken = bytearray(data)
        # Headers are where most can go wrong, and make up little of a file.
        position = rng.integers(0, len(data) if seed % 2 else min(len(data), 2000))
        broken[position] ^= rng.integers(1, 256)
        path.write_bytes(bytes(broken))
        with attempt(f"byte {position} is flipped (seed {seed})"):
            try:
                KINDS[kind][1](records)
            except InputError as error:
                assert str(error)


@contextmanager
def attempt(name):
    """Names the attempt of a loop that fails."""
    try:
        yield
    except BaseException as error:  # pytest's own failures, too
        error.add_note(name)
        raise
