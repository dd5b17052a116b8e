"""Draw what the presentation of a text changes, beside what tuning changes."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.paging import save_pages
from brainalign.figures.presentations import COLUMNS, presentations
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.presentations, COLUMNS)
    log.info("%d contrasts", len(table))
    save_pages(partial(presentations, table), snakemake.params.pages, **snakemake.output)
