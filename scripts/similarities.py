"""Collect RSA and CKA of all models into a tidy table."""

from typing import TYPE_CHECKING

from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_similarities
from brainalign.formats.tables import read_json, read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    table = collect_similarities(
        results=(
            (file["model"], file["benchmark"], read_table(path))
            for file, path in zip(params.files, snakemake.input.alignment, strict=True)
        ),
        models=model_table(params.models, [read_json(path) for path in snakemake.input.manifests]),
        benchmarks=params.benchmarks,
        simulated_datasets=params.simulated_datasets,
    )
    log.info("%d rows", len(table))
    write_table(table, snakemake.output.similarities)
