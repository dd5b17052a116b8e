"""Predict the published scores on Blank2014 from the models' widths alone."""

from typing import TYPE_CHECKING

from brainalign.analysis.double_descent import double_descent
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.resources import published

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = double_descent(read_table(published("models")))
    for row in table.itertuples():
        log.info(
            "%d units: printed %.3f, time alone %.3f", row.width, row.published, row.time_alone
        )
    write_table(table, snakemake.output.table)
