"""Draw what remains of every score beyond baselines and untrained twins."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.baselines import COLUMNS, SCORE_COLUMNS, baselines
from brainalign.figures.paging import save_pages
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.baselines, COLUMNS)
    log.info("%d differences", len(table))
    scores = read_table(snakemake.input.scores, SCORE_COLUMNS)
    save_pages(partial(baselines, table, scores), snakemake.params.pages, **snakemake.output)
