"""Collect alignment and ceilings of all models into tidy tables."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.formats.tables import read_json, read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    manifests = [read_json(path) for path in snakemake.input.manifests]
    tables = collect_scores(
        results=(
            (file["model"], file["benchmark"], read_table(path))
            for file, path in zip(params.files, snakemake.input.alignment, strict=True)
        ),
        ceilings={Path(path).stem: read_table(path) for path in snakemake.input.ceilings},
        models=model_table(params.models, manifests),
        benchmarks=params.benchmarks,
        simulated_datasets=params.simulated_datasets,
    )
    for name, path in snakemake.output.items():
        log.info("%s: %d rows", name, len(tables[name]))
        write_table(tables[name], path)
