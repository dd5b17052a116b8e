"""Compare the language units of tuned models with those of their vanilla partners."""

from typing import TYPE_CHECKING

from brainalign.analysis.unit_overlap import unit_overlap
from brainalign.encoding.settings import Reduction
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = unit_overlap(
        snakemake.params.models,
        {
            (file["model"], file["localizer"]): read_table(path)
            for file, path in zip(snakemake.params.files, snakemake.input.selectivity, strict=True)
        },
        [read(entry, Reduction) for entry in snakemake.params.reductions],
        snakemake.params.simulated_datasets,
    )
    log.info("%d pairs", table.loc[table["level"] == "pair", "tuned"].nunique())
    write_table(table, snakemake.output.unit_overlap)
