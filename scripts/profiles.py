"""Compare the layer curves of both modes."""

from typing import TYPE_CHECKING

from brainalign.analysis.profiles import layer_profiles
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = layer_profiles(read_table(snakemake.input.layers))
    log.info("%d curves in both modes", len(table))
    write_table(table, snakemake.output.profiles)
