"""targets.nc: the scores of every target of a model (encoding/target_scores.py writes them)."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.errors import REMAKE, InputError

if TYPE_CHECKING:
    import xarray as xr


def open_targets(path: str | Path) -> "xr.Dataset":
    """The scores of targets, `r` [target] and more; they stay in the file until they are used.

    Raises
    ------
    InputError : the file is absent or no netCDF file, or has no `r` or no `target_id`.
    """
    import xarray as xr

    if not Path(path).exists():
        raise InputError(f"{path}: no such file of targets' scores")
    try:
        scores = xr.open_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable netCDF file ({error}); {REMAKE}") from error
    absent = [name for name in ("r", "target_id") if name not in scores.variables]
    if absent:
        scores.close()
        raise InputError(f"{path}: variable {', '.join(absent)} is missing; {REMAKE}")
    return scores


def require_same_targets(tuned: "xr.Dataset", vanilla: "xr.Dataset") -> None:
    """Raise an InputError unless two models have scores of the same targets in one order."""
    if tuned["target_id"].values.tolist() != vanilla["target_id"].values.tolist():
        raise InputError("the tuned and the vanilla model have scores of other targets")
