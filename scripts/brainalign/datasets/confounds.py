"""Confounds of a scan: which columns of fMRIPrep's table, and the scan without them."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from brainalign.datasets.raw import Record, tab_separated, text
from brainalign.errors import InputError

Strategy = Literal["none", "motion6", "motion24", "acompcor"]
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")
COMPONENTS = 5  # of aCompCor, per tissue
TISSUES = ("CSF", "WM")


def confounds(strategy: Strategy, table: Record, about: Record | None) -> pd.DataFrame:
    """The confounds of a scan that a strategy names, float64, a row per volume.

    - `motion6`: the six parameters of motion.
    - `motion24`: these, their derivatives, and the squares of both (Friston et al. 1996, Magnetic
      Resonance in Medicine 35:346-355).
    - `acompcor`: the six, the cosines of fMRIPrep's high-pass filter, and the first five components
      of aCompCor in each of CSF and white matter: the model of Nastase et al. 2021
      (github.com/snastase/narratives, code/extract_confounds.py).

    A derivative has no value in the first volume (`n/a`): it has that of the second, as in nilearn.

    Parameters
    ----------
    table : `…_desc-confounds_regressors.tsv`. about : its JSON, which `acompcor` needs.

    Raises
    ------
    InputError : a column is missing, or a cell beyond the first row is no finite number.
    """
    rows = tab_separated(table)
    if strategy == "motion6":
        columns = list(MOTION)
    elif strategy == "motion24":
        columns = [f"{name}{expansion}" for expansion in EXPANSIONS for name in MOTION]
    elif strategy == "acompcor":
        assert about is not None
        cosines = [name for name in rows.columns if re.fullmatch(r"cosine\d+", name)]
        columns = [*MOTION, *cosines, *_components(_about(about), about.path)]
    else:
        raise ValueError(strategy)
    return pd.DataFrame({name: _column(rows, name, table.path) for name in columns})


def without_confounds(values: np.ndarray, regressors: np.ndarray, where: str) -> np.ndarray:
    """A scan without what its confounds explain; means stay, constant targets stay constant.

    Parameters
    ----------
    values : float [volume, target]; volumes of only NaN stay so and do not count.
    regressors : float64 [volume, regressor].

    Raises
    ------
    InputError : other numbers of volumes, or no more volumes than regressors.
    """
    if len(values) != len(regressors):
        raise InputError(
            f"{where}: {len(values)} volumes, but {len(regressors)} rows in the table of confounds"
        )
    seen = ~np.isnan(values).all(axis=1)
    if seen.sum() <= regressors.shape[1] + 1:
        raise InputError(
            f"{where}: {int(seen.sum())} volumes for {regressors.shape[1]} confounds; none would "
            "be left"
        )
    centred = regressors[seen] - regressors[seen].mean(axis=0)
    basis, spread, _ = np.linalg.svd(centred, full_matrices=False)
    basis = basis[:, spread > spread.max(initial=0.0) * 1e-10].astype(values.dtype)
    scan = values[seen]
    varies = np.ptp(scan, axis=0) > 0  # False for targets with NaN, too
    scan = scan[:, varies] - scan[:, varies].mean(axis=0, dtype=np.float64).astype(values.dtype)
    values = values.copy()
    values[np.ix_(seen, varies)] -= basis @ (basis.T @ scan)
    return values


def _components(about: Mapping[str, Any], where: str) -> list[str]:
    """The first components of each tissue, by number, of those that fMRIPrep kept."""
    names = []
    for tissue in TISSUES:
        result = [
            name
            for name, entry in about.items()
            if isinstance(entry, dict)
            and (entry.get("Method"), entry.get("Mask")) == ("aCompCor", tissue)
            and entry.get("Retained")
        ]
        if not result:
            raise InputError(f"{where}: no component of aCompCor in {tissue}")
        number = {name: int(re.sub(r"\D", "", name) or 0) for name in result}
        names += sorted(result, key=number.__getitem__)[:COMPONENTS]
    return names


def _about(record: Record) -> dict[str, Any]:
    try:
        entries = json.loads(text(record))
    except json.JSONDecodeError as error:
        raise InputError(f"{record.path}: not JSON ({error})") from error
    if not isinstance(entries, dict):
        raise InputError(f"{record.path}: not a JSON object")
    return entries


def _column(rows: pd.DataFrame, name: str, where: str) -> np.ndarray:
    if name not in rows.columns:
        raise InputError(f"{where}: column {name} is missing")
    cells = rows[name].replace("n/a", "nan")
    values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values)
    wrong[:1] &= cells.iloc[:1].to_numpy() != "nan"
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}: row {row + 1}, column {name}: {rows[name].iloc[row]!r}, expected a number"
        )
    if len(values) > 1 and np.isnan(values[0]):
        values = np.append(values[1], values[1:])
    return values
