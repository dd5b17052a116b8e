"""Write a language model's word vectors, averaged over each stimulus, as an activation file."""

from typing import TYPE_CHECKING

from brainalign.formats.activations import write_activations
from brainalign.formats.datasets import read_stimuli
from brainalign.formats.tables import read_json
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.reading.embeddings import input_embeddings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    settings = snakemake.params
    stimuli = read_stimuli(snakemake.input.stimuli)
    model = load(read_json(snakemake.input.manifest), "cpu", snakemake.threads)
    values, facts = input_embeddings(model, stimuli, settings.context)
    log.info("%s: %d stimuli × %d units of %s", settings.name, *values.shape, model.name)
    write_activations(
        {"features": values},
        stimuli["stimulus_id"].astype(str).tolist(),
        snakemake.output.activations,
        {**facts, "model": settings.name, "of": model.name, "baseline": "embedding",
         "rows": "stimulus"},
    )  # fmt: skip
