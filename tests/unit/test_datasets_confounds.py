"""Confounds: the columns of each strategy, and scans without them, against other libraries."""

import numpy as np
import pytest
from brainalign.datasets.confounds import MOTION, confounds, without_confounds
from brainalign.errors import InputError
from dataset_files import record
from nilearn.interfaces.fmriprep import load_confounds
from sklearn.linear_model import LinearRegression
from worlds.listening import confounds_table, nifti, write

SCAN = "sub-001_task-x"


@pytest.fixture
def files(tmp_path):
    def of(table, about="{}"):
        return (
            record(write(tmp_path / f"{SCAN}_desc-confounds_regressors.tsv", table)),
            record(write(tmp_path / f"{SCAN}_desc-confounds_regressors.json", about)),
        )

    return of


def test_columns_of_each_strategy(files):
    columns, *texts = confounds_table(SCAN, 30)
    table, about = files(*texts)
    six = confounds("motion6", table, None)
    assert list(six.columns) == list(MOTION)
    for name in MOTION:
        np.testing.assert_allclose(six[name], columns[name], rtol=1e-14)
    assert confounds("motion24", table, None).shape == (30, 24)
    components = confounds("acompcor", table, about)
    # 01 was not retained; five of each tissue.
    assert list(components.columns) == [
        *MOTION, "cosine00", *(f"a_comp_cor_{i:02d}" for i in (0, 2, 3, 4, 5)),
        *(f"a_comp_cor_{i:02d}" for i in (7, 8, 9, 10, 11)),
    ]  # fmt: skip


@pytest.mark.parametrize(("strategy", "motion"), [("motion6", "basic"), ("motion24", "full")])
def test_motion_is_nilearns(strategy, motion, files, tmp_path):
    _, text, _ = confounds_table(SCAN, 30)
    table, _ = files(text)
    image = tmp_path / f"{SCAN}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    write(image, nifti(np.zeros((2, 2, 2, 30))))
    theirs, _ = load_confounds(str(image), strategy=("motion",), motion=motion)
    ours = confounds(strategy, table, None)
    assert set(theirs.columns) == set(ours.columns)
    for name in theirs.columns:
        np.testing.assert_allclose(
            ours[name] - ours[name].mean(), theirs[name], atol=1e-10, err_msg=name
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_left_is_the_residual_of_least_squares_and_the_mean(dtype):
    rng = np.random.default_rng(0)
    regressors = rng.standard_normal((40, 5))
    regressors = np.column_stack([regressors, regressors[:, 0] * 2])  # collinear
    values = (1000 + regressors @ rng.standard_normal((6, 8)) + rng.random((40, 8))).astype(dtype)
    values[:, 3] = 7  # constant
    values[[0, 39]] = np.nan  # padding
    values[5, 4] = np.nan
    cleaned = without_confounds(values, regressors, "scan")
    inside = slice(1, 39)
    for column in (0, 1, 2, 5, 6, 7):
        fit = LinearRegression().fit(regressors[inside], values[inside, column])
        expected = values[inside, column] - fit.predict(regressors[inside])
        expected = expected + values[inside, column].mean(dtype=np.float64)
        np.testing.assert_allclose(
            cleaned[inside, column], expected, rtol=1e-12 if dtype == np.float64 else 1e-6
        )
    assert (cleaned[inside, 3] == 7).all()
    assert np.isnan(cleaned[[0, 39]]).all()
    np.testing.assert_array_equal(cleaned[inside, 4], values[inside, 4])
    assert cleaned.dtype == dtype


def test_bad_tables_are_named(files):
    _, text, _ = confounds_table(SCAN, 30)
    lines = text.splitlines()
    cells = lines[4].split("\t")
    for bad in ("n/a", "x", "inf"):
        broken = "\n".join([*lines[:4], "\t".join([bad, *cells[1:]]), *lines[5:], ""])
        with pytest.raises(InputError, match=rf"row 4, column trans_x: '{bad}', expected a number"):
            confounds("motion6", files(broken)[0], None)
    with pytest.raises(InputError, match="column rot_z is missing"):
        confounds("motion6", files(text.replace("rot_z\t", "rot_zz\t", 1))[0], None)
    for bad, says in (("[]", "not a JSON object"), ("{", "not JSON"), ("{}", "no component")):
        with pytest.raises(InputError, match=rf"regressors\.json: {says}"):
            confounds("acompcor", *files(text, bad))
    with pytest.raises(InputError, match="scan: 40 volumes, but 30 rows in the table"):
        without_confounds(np.ones((40, 2)), np.ones((30, 6)), "scan")
    with pytest.raises(InputError, match="scan: 7 volumes for 6 confounds; none would be left"):
        without_confounds(np.ones((7, 2)), np.ones((7, 6)), "scan")
