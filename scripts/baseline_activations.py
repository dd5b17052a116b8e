"""Write the features of a baseline without a network as an activation file."""

from typing import TYPE_CHECKING

from brainalign.formats.activations import write_activations
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.job import job
from brainalign.models.settings import Features
from brainalign.reading.baselines import features
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    stimuli = read_stimuli(snakemake.input.stimuli)
    responses = read_responses(snakemake.input.responses, stimuli)
    source = read(snakemake.params.source, Features)
    baseline = features(
        source, stimuli, responses, snakemake.params.seed, snakemake.wildcards.dataset
    )
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
            "baseline": snakemake.params.source["kind"],
            **baseline.notes,
        },
    )
