"""Draw what remains of every score beyond baselines and untrained twins."""

from typing import TYPE_CHECKING

from brainalign.figures.baselines import COLUMNS, SCORE_COLUMNS, baselines
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.baselines, COLUMNS)
    log.info("%d differences", len(table))
    figure = baselines(table, read_table(snakemake.input.scores, SCORE_COLUMNS))
    save(figure, snakemake.output.svg, snakemake.output.png)
