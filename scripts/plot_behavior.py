"""Draw the fit of surprisal to reading times by model, against size and knowledge."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.behavior import BEHAVIOR_COLUMNS, behavior
from brainalign.figures.correlates import CAPABILITY_COLUMNS, CORRELATION_COLUMNS, LOSS_COLUMNS
from brainalign.figures.paging import save_pages
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    # Capabilities and losses are inputs only of studies that have them.
    expected = {
        "behaviors": BEHAVIOR_COLUMNS,
        "correlations": CORRELATION_COLUMNS,
        "capabilities": CAPABILITY_COLUMNS,
        "losses": LOSS_COLUMNS,
    }
    tables = {name: read_table(path, expected[name]) for name, path in snakemake.input.items()}
    log.info("%d models", tables["behaviors"]["model"].nunique())
    save_pages(partial(behavior, **tables), snakemake.params.pages, **snakemake.output)
