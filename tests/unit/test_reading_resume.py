"""Activation files written batch by batch, and taken up after a kill, are the same files."""

import resource

import numpy as np
import pytest
from brainalign.errors import InputError
from brainalign.formats.activations import ActivationWriter, open_activations, write_activations
from brainalign.reading.activations import prepare
from worlds.extraction import extract
from worlds.reading_models import stories, tiny


class Killed(Exception):
    pass


def write(path, extraction, ids, key="k", batches=None):
    """Run an extraction into `path`; killed after some batches; gives the rows read."""
    read = []
    with ActivationWriter(path, extraction.model.layers, ids, extraction.metadata, key) as writer:

        def write_rows(rows, layers):
            if batches is not None and len(read) == batches:
                raise Killed
            writer.write(rows, layers)
            read.append(rows)

        extraction.run(write_rows, 40, writer.done)
        writer.finish()
    return [row for rows in read for row in rows]


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_a_killed_run_goes_on_and_gives_the_same_file(tmp_path, name):
    extraction = prepare(tiny(name), stories(), "window:9", "mean")
    ids = stories()["stimulus_id"].tolist()
    complete, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    assert sorted(write(complete, extraction, ids)) == list(range(len(ids)))
    with pytest.raises(Killed):
        write(killed, extraction, ids, batches=3)
    assert not killed.exists()
    rest = write(killed, extraction, ids)
    assert 0 < len(rest) < len(ids)
    assert killed.read_bytes() == complete.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [killed.name, complete.name]


def test_rows_of_another_run_are_not_taken(tmp_path):
    extraction = prepare(tiny("gpt2"), stories(), "window:9")
    ids = stories()["stimulus_id"].tolist()
    with pytest.raises(Killed):
        write(tmp_path / "a.safetensors", extraction, ids, "old weights", batches=3)
    assert len(write(tmp_path / "a.safetensors", extraction, ids, "new weights")) == len(ids)


def test_half_a_line_of_the_list_of_rows_counts_as_not_written(tmp_path):
    """However often it is resumed: what is written after half a line is no part of it."""
    extraction = prepare(tiny("gpt2"), stories(), "window:9")
    ids = stories()["stimulus_id"].tolist()
    path = tmp_path / "a.safetensors"
    with pytest.raises(Killed):
        write(path, extraction, ids, batches=3)
    rows = tmp_path / ".a.safetensors.rows"
    rows.write_text(rows.read_text(encoding="utf-8") + "1", encoding="utf-8")
    with pytest.raises(Killed):
        write(path, extraction, ids, batches=1)
    complete = [
        {int(row) for row in line.split()} for line in rows.read_text(encoding="utf-8").splitlines()
    ]
    assert sum(map(len, complete)) == len(set.union(*complete))
    assert set.union(*complete) <= set(range(len(ids)))
    write(path, extraction, ids)
    expected, _ = extract(tiny("gpt2"), stories(), "window:9")
    for name, values in expected.items():
        np.testing.assert_allclose(open_activations(path).layer(name), values, atol=1e-5)


def test_the_same_content_as_written_at_once(tmp_path):
    layers, metadata = extract(tiny("gpt2"), stories(), "story")
    ids = stories()["stimulus_id"].tolist()
    write_activations(layers, ids, tmp_path / "once", metadata)
    with ActivationWriter(tmp_path / "parts", tuple(layers), ids, metadata, "k") as writer:
        for rows in ([5, 3, 4], [0, 1, 2], list(range(14, 5, -1))):
            writer.write(rows, {name: values[rows] for name, values in layers.items()})
        writer.finish()
    once, parts = open_activations(tmp_path / "once"), open_activations(tmp_path / "parts")
    assert (once.layers, once.stimulus_ids) == (parts.layers, parts.stimulus_ids)
    assert once.metadata == parts.metadata
    for name in layers:
        np.testing.assert_array_equal(once.layer(name), parts.layer(name))


def test_missing_rows_and_numbers_that_are_not_finite(tmp_path):
    with ActivationWriter(tmp_path / "a", ["x"], ["s0", "s1"], {}, "k") as writer:
        writer.write([1], {"x": np.ones((1, 3), np.float32)})
        with pytest.raises(InputError, match="1 rows are not written"):
            writer.finish()
        with pytest.raises(InputError, match=r"layer x has non-finite values in 1 rows, first s0"):
            writer.write([0], {"x": np.full((1, 3), np.nan, np.float32)})
        assert writer.done == {1}


def test_a_full_disk_keeps_what_was_read(tmp_path):
    path, row = tmp_path / "a", {"x": np.ones((1, 3000), np.float32)}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ActivationWriter(path, ["x"], ["s0", "s1"], {}, "k") as writer:
        writer.write([0], row)
        resource.setrlimit(resource.RLIMIT_FSIZE, (15000, limits[1]))
        try:
            with pytest.raises(InputError, match=r"a: cannot be written \(.+\); what was read"):
                writer.write([1], row)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with ActivationWriter(path, ["x"], ["s0", "s1"], {}, "k") as writer:
        assert writer.done == {0}
        writer.write([1], row)
        writer.finish()
    np.testing.assert_array_equal(open_activations(path).layer("x"), 1)


def test_states_that_are_not_finite_stop_the_run_and_keep_what_was_read(tmp_path):
    """As a model in too small a number format gives them: for one stimulus only."""
    model = tiny.__wrapped__("gpt2")
    stimuli = stories().iloc[:4].assign(text=["the lantern was empty", "the heron", "river", "Q"])
    ids = stimuli["stimulus_id"].tolist()
    token = model.tokenizer("Q")["input_ids"][0]
    model.model.transformer.wte.weight[token] = float("nan")
    path = tmp_path / "a"
    extraction = prepare(model, stimuli, "none")
    with ActivationWriter(path, model.layers, ids, {}, "k") as writer:
        with pytest.raises(InputError, match=r"layer embedding has non-finite .* first a3"):
            extraction.run(writer.write, 1)
        assert writer.done == {0, 1, 2}
    assert not path.exists()
    with ActivationWriter(path, model.layers, ids, {}, "k") as writer:
        assert writer.done == {0, 1, 2}
