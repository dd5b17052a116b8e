"""Draw the fit of every model to every kind of reading time."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.paging import save_pages
from brainalign.figures.reading_measures import COLUMNS, reading_measures
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    behaviors = read_table(snakemake.input.behaviors, COLUMNS)
    log.info("%d models", behaviors["model"].nunique())
    save_pages(partial(reading_measures, behaviors), snakemake.params.pages, **snakemake.output)
