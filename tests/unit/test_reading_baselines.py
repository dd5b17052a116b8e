import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.errors import InputError
from brainalign.reading.baselines import read_vectors, static
from hypothesis import given as for_all
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from worlds.entries import features

KINDS = ("oasm", "position", "length", "static", "random", "truth")
TEXTS = ["The fox, quick.", "It ran", "far away from a dog", "Dogs bark", "... ", "The end"]


def stimuli_of(texts=TEXTS, groups=None, **columns):
    n = len(texts)
    groups = groups or ["a"] * (n // 2) + ["b"] * (n - n // 2)
    table = pd.DataFrame({
        "stimulus_id": [f"s{i}" for i in range(n)], "text": texts, "context_group": groups,
        "position": range(n), "split_group": groups, "onset": np.nan, "offset": np.nan,
    })  # fmt: skip
    return table.assign(**columns)


def responses_of(stimuli, runs=None, **variables):
    """Untimed responses, or timed ones with a volume per entry of `runs`."""
    dimension = "stimulus" if runs is None else "volume"
    n = len(stimuli) if runs is None else len(runs)
    coordinates = {"target_id": ("target", ["t"])}
    if runs is not None:
        coordinates |= {"run": ("volume", runs), "onset": ("volume", 2.0 * np.arange(n))}
    attributes = {} if runs is None else {"tr": 2.0}
    return xr.Dataset(
        {"responses": ((dimension, "target"), np.zeros((n, 1))), **variables},
        coordinates, attributes,
    )  # fmt: skip


def of(kind, stimuli=None, responses=None, seed=1, **options):
    stimuli = stimuli_of() if stimuli is None else stimuli
    responses = responses_of(stimuli) if responses is None else responses
    return features(kind, stimuli, responses, options, seed)


# OASM ------------------------------------------------------------------------------------------


def test_oasm_is_a_gaussian_smoothed_identity_inside_groups():
    """Against scipy's filter on the identity, up to its kernel's normalisation and cut (4 σ)."""
    stimuli = stimuli_of(["x"] * 40, ["a"] * 25 + ["b"] * 15)
    baseline = of("oasm", stimuli, sigma=1.5)
    assert baseline.rows == "stimulus"
    assert baseline.row_ids == list(stimuli["stimulus_id"])
    for block in (slice(0, 25), slice(25, 40)):
        n = block.stop - block.start
        theirs = gaussian_filter1d(np.eye(n), 1.5, mode="constant", truncate=4)
        np.testing.assert_allclose(
            baseline.values[block, block] / baseline.values[block, block].sum(1).max(),
            theirs / theirs.sum(1).max(), atol=1e-4,
        )  # fmt: skip
    assert not baseline.values[:25, 25:].any()
    assert not baseline.values[25:, :25].any()


@for_all(st.lists(st.sampled_from("abc"), min_size=2, max_size=30), st.floats(0.3, 5))
def test_oasm_needs_no_sorted_groups(groups, sigma):
    values = of("oasm", stimuli_of(["x"] * len(groups), groups), sigma=sigma).values
    same = np.array(groups)[:, None] == np.array(groups)
    assert (values[~same] == 0).all()
    assert np.diag(values).min() == values.max() == 1
    np.testing.assert_array_equal(values, values.T)
    order = np.argsort(groups, kind="stable")
    ordered = of("oasm", stimuli_of(["x"] * len(groups), sorted(groups)), sigma=sigma).values
    np.testing.assert_array_equal(values[np.ix_(order, order)], ordered)


def test_oasm_of_timed_data_is_over_volumes():
    stimuli = stimuli_of()
    baseline = of("oasm", stimuli, responses_of(stimuli, runs=[1, 1, 1, 2, 2]))
    assert baseline.rows == "volume"
    assert baseline.row_ids == ["0", "1", "2", "3", "4"]
    assert baseline.values.shape == (5, 5)
    np.testing.assert_allclose(baseline.values[0, 1], np.exp(-0.5 / 2.2**2), rtol=1e-6)
    assert baseline.values[2, 3] == 0


# Position, length ------------------------------------------------------------------------------


def test_position():
    baseline = of("position", stimuli_of(groups=["a", "a", "a", "b", "b", "a"]), width=3)
    np.testing.assert_array_equal(
        baseline.values,
        [[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]],
    )
    assert baseline.notes["positions"] == {"position": 4}
    exact = of("position", stimuli_of(groups=["a", "a", "a", "b", "b", "a"]), width=4).values
    np.testing.assert_array_equal(exact, np.eye(4)[[0, 1, 2, 0, 1, 3]])


def test_positions_of_a_long_story_share_columns_evenly():
    values = of("position", stimuli_of(["a"] * 1000, ["g"] * 1000), width=32).values
    assert set(values.sum(0)) == {31, 32} and (values.sum(1) == 1).all()
    assert (np.diff(values.argmax(1)) >= 0).all()


def test_position_in_the_sentence():
    stimuli = stimuli_of(["a"] * 4, ["g"] * 4, word_in_sentence=[1, 2, 1, 2])
    values = of("position", stimuli).values
    np.testing.assert_array_equal(values[:, :4], np.eye(4))
    np.testing.assert_array_equal(values[:, 4:], np.eye(2)[[0, 1, 0, 1]])


def test_length():
    baseline = of("length")
    np.testing.assert_array_equal(
        baseline.values, [[3, 15], [2, 6], [5, 19], [2, 9], [1, 3], [2, 7]]
    )
    assert baseline.notes["features"] == ["words", "characters"]


def test_word_rate():
    stimuli = stimuli_of(["w"] * 5, ["g"] * 5, onset=[0.0, 0.5, 1.0, 4.0, 9.0])
    baseline = of("length", stimuli, responses_of(stimuli, runs=[1] * 6))
    assert baseline.notes["features"] == ["words", "characters", "word_rate"]
    # Onsets within 1 s on either side, over 2 s: 3, 3, 3, 1, 1 words.
    np.testing.assert_allclose(baseline.values[:, 2], [1.5, 1.5, 1.5, 0.5, 0.5])


# Static embeddings -----------------------------------------------------------------------------


def test_hash_embedding_depends_on_the_word_alone():
    """Also in another process: Python's own hash of a string changes from run to run."""
    alone = of("static", stimuli_of(["fox"], ["g"]), width=8).values[0]
    baseline = of("static", stimuli_of(["Fox!", "the fox", "..."], ["g"] * 3), width=8)
    np.testing.assert_array_equal(baseline.values[0], alone)
    the = of("static", stimuli_of(["the"], ["g"]), width=8).values[0]
    np.testing.assert_allclose(baseline.values[1], (the + alone) / 2, rtol=1e-6)
    assert not baseline.values[2].any()
    assert baseline.notes["empty_rows"] == 1
    code = (
        "from brainalign.reading.baselines import static; import pandas as pd\n"
        "t = pd.DataFrame({'text': ['fox'], 'stimulus_id': ['s']})\n"
        "print(static(t, None, 8, 1).values[0].tolist())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": "scripts", "PYTHONHASHSEED": "123"},
    )  # fmt: skip
    assert other.stdout.strip() == str(alone.tolist())
    assert not np.array_equal(
        of("static", stimuli_of(["fox"], ["g"]), seed=2, width=8).values, alone
    )


def test_hash_embeddings_are_standard_normal_and_unrelated():
    words = [f"word{n}" for n in range(300)]
    values = of("static", stimuli_of(words, ["g"] * 300), width=200).values
    # 60,000 draws: the mean within 4 standard errors, the sd within 2 %.
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert abs(values.std() - 1) < 0.02
    related = np.corrcoef(values)[np.triu_indices(300, 1)]
    assert abs(related.std() * np.sqrt(200) - 1) < 0.05


VECTORS = {"the": [1, 2, 3], "fox": [4, -5, 6.5], "Dogs": [7, 8, 9], "dogs": [0, 0, 1]}


def vector_file(folder, form):
    path = folder / ("vectors.bin" if form == "binary" else "vectors.txt")
    if form == "binary":
        data = b"4 3\n"
        for word, numbers in VECTORS.items():
            data += word.encode() + b" " + np.array(numbers, "<f4").tobytes() + b"\n"
        path.write_bytes(data)
    else:
        lines = [" ".join(map(str, [word, *numbers])) for word, numbers in VECTORS.items()]
        path.write_text(
            "\n".join((["4 3"] if form == "word2vec" else []) + lines) + "\n", encoding="utf-8"
        )
    return path


@pytest.mark.parametrize("form", ["glove", "word2vec", "binary"])
def test_vector_files(form, tmp_path):
    path = vector_file(tmp_path, form)
    words = stimuli_of(["The fox.", "Dogs", "DOGS", "cat"], ["g"] * 4)
    baseline = of("static", words, path=str(path))
    np.testing.assert_array_equal(
        baseline.values, [[2.5, -1.5, 4.75], [7, 8, 9], [0, 0, 1], [0, 0, 0]]
    )
    assert baseline.notes["unknown_words"] == 1
    assert baseline.notes["empty_rows"] == 1
    with pytest.raises(InputError, match="holds none of the"):
        read_vectors(path, {"zebra"})


def test_bad_vector_files(tmp_path):
    with pytest.raises(InputError, match="no such file of word vectors"):
        read_vectors(tmp_path / "none.txt", {"a"})
    (tmp_path / "odd.txt").write_text("a 1 2\nb 1 x\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2: not 2 numbers"):
        read_vectors(tmp_path / "odd.txt", {"b"})
    (tmp_path / "short.bin").write_bytes(b"2 3\na " + np.zeros(3, "<f4").tobytes())
    with pytest.raises(InputError, match=r"ends after fewer words than its header says \(2\)"):
        read_vectors(tmp_path / "short.bin", {"a"})


# Random, truth, all ----------------------------------------------------------------------------


def test_random_features_follow_the_seed():
    np.testing.assert_array_equal(of("random", width=5).values, of("random", width=5).values)
    assert not np.array_equal(of("random", seed=2).values, of("random").values)
    given = features("random", stimuli_of(), responses_of(stimuli_of()), {"seed": 2}, 1)
    np.testing.assert_array_equal(of("random", seed=2).values, given.values)
    assert of("random").values.shape == (6, 300)


def test_truth():
    stimuli = stimuli_of()
    planted = np.random.default_rng(0).normal(size=(6, 4))
    responses = responses_of(stimuli, truth_features=(("stimulus", "feature"), planted))
    np.testing.assert_allclose(of("truth", stimuli, responses).values, planted, rtol=1e-6)
    timed = responses_of(stimuli, [1] * 9, truth_features=(("stimulus", "feature"), planted))
    assert of("truth", stimuli, timed).rows == "stimulus"
    scanned = responses_of(
        stimuli, [1] * 9, truth_features=(("volume", "feature"), np.zeros((9, 4)))
    )
    assert of("truth", stimuli, scanned).rows == "volume"
    with pytest.raises(InputError, match="only simulated data"):
        of("truth")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "truth"])
def test_values_are_finite_float32_rows(kind):
    baseline = of(kind)
    assert baseline.values.dtype == np.float32
    assert np.isfinite(baseline.values).all()
    assert len(baseline.values) == len(baseline.row_ids) == 6


def test_errors():
    with pytest.raises(InputError, match="kind: 'magic' is not allowed; allowed: oasm"):
        of("magic")
    with pytest.raises(InputError, match="sigma: 0 is not allowed"):
        of("oasm", sigma=0)


def test_static_needs_no_responses():
    assert static(stimuli_of(), None, 4, 1).values.shape == (6, 4)


def test_no_torch():
    code = "import sys; import brainalign.reading.baselines; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "scripts"})
