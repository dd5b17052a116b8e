"""Set every language model beside the baselines and untrained models."""

from typing import TYPE_CHECKING

from brainalign.analysis.baselines import against_baselines
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = against_baselines(
        read_table(snakemake.input.scores), read_table(snakemake.input.subjects)
    )
    log.info("%d comparisons with baselines and untrained models", len(table))
    write_table(table, snakemake.output.baselines)
