"""What an alignment or ceiling job asks a cluster for, by the size of its data."""

import json
import struct
from functools import cache
from pathlib import Path

from brainalign.encoding.settings import Ridge, Scoring

# Of a job whose files are not there when it is planned.
UNKNOWN_MB, UNKNOWN_MINUTES = 2000, 120
UNKNOWN_FOLDS = 10  # one per group
BASE_MB = 1500  # packages, tables
COPIES = 4  # of the responses, at the peak of a ceiling or of refits
# An alignment holds them once, and of the targets that it predicts together so many copies.
BLOCK, BLOCK_COPIES = 4096, 8
# Per penalty and pair of rows, of operators on responses; from so many columns a row (FEW_UNITS of
# encoding/operators.py, whose import would slow down planning).
FOLDS_BYTES, MANY_COLUMNS = 6, 0.55
SECONDS = 5.5e-11  # per row, column and target of a fold, on one slow core
DRAWN_COPIES = 8  # of r [draw, target], at the peak of chance
# Per draw, row and target, of `test`; and, of `refit`, per further row.
TEST_SECONDS, REFIT_SECONDS = 1.8e-9, 5.7e-10
HEADER_LIMIT = 100_000_000  # bytes, safetensors' limit
MARGIN = 3  # of the run time


@cache
def responses_shape(path: str) -> tuple[int, int] | None:
    """Rows and targets of a responses file; None: it is not there, or cannot be read, which its
    job then says."""
    if not Path(path).exists():
        return None
    try:
        import h5py  # Snakemake's environment may lack it where jobs have environments of their own

        with h5py.File(path) as file:
            rows, targets = file["responses"].shape[:2]
    except (ImportError, OSError, KeyError):
        return None
    return int(rows), int(targets)


@cache
def activations_shape(path: str) -> tuple[int, int] | None:
    """Layers, and units of the widest, by the header of an activation file; None as above."""
    if not Path(path).exists():
        return None
    try:
        with Path(path).open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(size, HEADER_LIMIT)))
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, struct.error, KeyError):
        return None
    return len(shapes), max(shape[1] for shape in shapes)


def columns(units: int, scoring: Scoring) -> int:
    """Columns of a benchmark's design: units, times the delays of timed data."""
    if scoring.reduction is not None:
        units = min(units, scoring.reduction.number(units))
    return units if scoring.timing is None else units * scoring.timing.copies


def selection(scoring: Scoring) -> str:
    """How the penalty is chosen; '' where there is none."""
    return scoring.regression.selection if isinstance(scoring.regression, Ridge) else ""


def alignment_mb(
    responses: tuple[int, int] | None,
    activations: tuple[int, int] | None,
    scoring: Scoring,
    attempt: int = 1,
) -> int:
    """Memory (MB) of an alignment, or of a ceiling (`activations` None).

    Copies of the responses and of one layer's design in float64, both half as much again per
    further attempt.
    """
    if responses is None:
        return UNKNOWN_MB * attempt
    rows, targets = responses
    width = columns(activations[1], scoring) if activations else 0
    regression, chance, penalties = scoring.regression, scoring.chance, 0
    few = isinstance(regression, Ridge) and 0 < width <= MANY_COLUMNS * rows
    if isinstance(regression, Ridge) and regression.selection == "folds-per-target" and not few:
        penalties = regression.alphas.n if width else 0
    drawn = 0 if chance is None else chance.permutations * targets * DRAWN_COPIES
    once = activations is not None and (chance is None or chance.distribution == "test")
    copies = targets + min(targets, BLOCK) * BLOCK_COPIES if once else targets * COPIES
    held = (
        rows * copies * 4
        + 4 * rows * (width if few else max(width, rows)) * 8
        + penalties * FOLDS_BYTES * rows**2
        + drawn * 4
    ) / 1e6
    return int(BASE_MB * attempt + held * (1 + 0.5 * (attempt - 1)))


def alignment_minutes(
    responses: tuple[int, int] | None,
    activations: tuple[int, int] | None,
    scoring: Scoring,
    attempt: int = 1,
) -> int:
    """Minutes of an alignment: rows × columns × targets of every fold, inner fold and layer."""
    if responses is None or activations is None:
        return UNKNOWN_MINUTES * attempt
    (rows, targets), (layers, units) = responses, activations
    folds = getattr(scoring.split, "folds", None) or UNKNOWN_FOLDS
    inner = 1 + scoring.split.inner_folds * (scoring.layers == "nested")
    if selection(scoring) == "folds-per-target":
        inner *= 3
    beyond = 7 if scoring.unique_variance else 1  # measured: docs/scaling.md
    cells = rows * columns(units, scoring) * targets * folds * layers * inner * beyond
    seconds = SECONDS * cells
    if scoring.chance is not None:
        each = TEST_SECONDS if scoring.chance.distribution == "test" else REFIT_SECONDS * rows
        seconds += each * scoring.chance.permutations * rows * targets
    return attempt * max(20, int(MARGIN * seconds / 60))
