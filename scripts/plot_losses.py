"""Draw the next-word loss of every model on every text."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.losses import COLUMNS, losses
from brainalign.figures.paging import save_pages
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.losses, COLUMNS)
    log.info("%d models, %d texts", table["model"].nunique(), table["text"].nunique())
    save_pages(partial(losses, table), snakemake.params.pages, **snakemake.output)
