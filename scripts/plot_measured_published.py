"""Draw the study's scores beside the paper's."""

from typing import TYPE_CHECKING

from brainalign.figures.measured_published import COLUMNS, measured_published
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.measured_published, COLUMNS)
    log.info("%d scores that the paper has", len(table))
    figure = measured_published(table)
    save(figure, snakemake.output.svg, snakemake.output.png)
