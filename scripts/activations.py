"""Read a dataset with a model and keep the hidden states of every layer."""

from typing import TYPE_CHECKING

from brainalign.formats.activations import write_activations
from brainalign.formats.datasets import read_stimuli
from brainalign.formats.tables import read_json
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.reading.activations import extract

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    settings = snakemake.params
    stimuli = read_stimuli(snakemake.input.stimuli)
    model = load(read_json(snakemake.input.manifest), settings.device, settings.threads)
    layers, metadata = extract(
        model,
        stimuli,
        context=settings.context,
        pooling=settings.pooling,
        bos=settings.bos,
        chat=settings.chat,
        decoder_input=settings.decoder_input,
        batch_tokens=settings.batch_tokens,
    )
    log.info(
        "%d stimuli, %d layers; %d tokens in %d sequences, %d contexts truncated",
        len(stimuli), len(layers), metadata["tokens_fed"], metadata["sequences"],
        metadata["truncated"],
    )  # fmt: skip
    write_activations(
        layers, stimuli["stimulus_id"].tolist(), snakemake.output.activations, metadata
    )
