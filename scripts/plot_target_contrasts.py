"""Draw where a tuned model differs from its vanilla partner: region by region, on one benchmark."""

from typing import TYPE_CHECKING

from brainalign.figures.style import drawing, save
from brainalign.figures.target_contrasts import COLUMNS, target_contrasts
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    rows = read_table(snakemake.input.summary, COLUMNS)
    log.info("%d regions", rows["region"].nunique() - 1)
    figure = target_contrasts(rows, snakemake.params.about, snakemake.params.level)
    save(figure, snakemake.output.svg, snakemake.output.png)
