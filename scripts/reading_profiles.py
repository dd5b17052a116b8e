"""Collect the depth profiles of reading times of all models into a table."""

from typing import TYPE_CHECKING

from brainalign.analysis.reading_profiles import collect_profiles
from brainalign.analysis.records import model_table
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    table = collect_profiles(
        results=[
            (file["model"], file["benchmark"], read_table(path))
            for file, path in zip(params.files, snakemake.input.profiles, strict=True)
        ],
        models=model_table(params.models, []),
        benchmarks=params.benchmarks,
        simulated_datasets=params.simulated_datasets,
    )
    log.info("%d layers of %d models", len(table), table["model"].nunique())
    write_table(table, snakemake.output.profiles)
