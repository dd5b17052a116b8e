"""Write the features of a baseline without a network as an activation file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brainalign.formats.activations import write_activations
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.job import job
from brainalign.models.baselines import features

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    stimuli = read_stimuli(snakemake.input.stimuli)
    responses = read_responses(snakemake.input.responses, stimuli)
    source = dict(snakemake.params.source)
    if isinstance(source.get("sigma"), Mapping):  # of single datasets
        source["sigma"] = source["sigma"].get(
            snakemake.wildcards.dataset, source["sigma"]["default"]
        )
    baseline = features(source["kind"], stimuli, responses, source, snakemake.params.seed)
    log.info(
        "%s: %d rows (%s) × %d features %s",
        snakemake.params.name, *baseline.values.shape[:1], baseline.rows,
        baseline.values.shape[1], baseline.notes,
    )  # fmt: skip
    write_activations(
        {"features": baseline.values},
        baseline.row_ids,
        snakemake.output.activations,
        {
            "model": snakemake.params.name,
            "rows": baseline.rows,
            "baseline": source["kind"],
            **baseline.notes,
        },
    )
