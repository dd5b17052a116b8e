"""Draw the estimates of the mixed-effects model."""

from typing import TYPE_CHECKING

from brainalign.figures.mixed_effects import COLUMNS, mixed_effects
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.mixed_effects, COLUMNS)
    log.info("%d estimates", len(table))
    figure = mixed_effects(table)
    save(figure, snakemake.output.svg, snakemake.output.png)
