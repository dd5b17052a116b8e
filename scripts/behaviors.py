"""Collect the reading-time fits of all models into tidy tables."""

from typing import TYPE_CHECKING

from brainalign.analysis.collect import collect_behaviors
from brainalign.analysis.records import model_table
from brainalign.formats.tables import read_json, read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    manifests = [read_json(path) for path in snakemake.input.manifests]
    tables = collect_behaviors(
        results=[
            (file["model"], file["benchmark"], read_table(path))
            for file, path in zip(params.files, snakemake.input.behavior, strict=True)
        ],
        models=model_table(params.models, manifests),
        benchmarks=params.benchmarks,
        simulated_datasets=params.simulated_datasets,
    )
    for name, path in snakemake.output.items():
        log.info("%s: %d rows", name, len(tables[name]))
        write_table(tables[name], path)
