"""Draw what instruction tuning changes, per dataset and on average."""

from typing import TYPE_CHECKING

from brainalign.figures.improvement import COLUMNS, SCORE_COLUMNS, improvement
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    contrasts = read_table(snakemake.input.contrasts, COLUMNS)
    log.info("%d contrasts", len(contrasts))
    figure = improvement(contrasts, read_table(snakemake.input.scores, SCORE_COLUMNS))
    save(figure, snakemake.output.svg, snakemake.output.png)
