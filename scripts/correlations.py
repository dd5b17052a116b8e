"""Correlate alignment with size, capability and next-word prediction across models."""

from typing import TYPE_CHECKING

from brainalign.analysis.correlations import correlations
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.notes import is_not_computable

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = correlations(**{name: read_table(path) for name, path in snakemake.input.items()})
    without = sum(map(is_not_computable, table["note"]))
    log.info("%d correlations, %d of them not computable", len(table), without)
    write_table(table, snakemake.output.correlations)
