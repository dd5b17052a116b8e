"""Read a dataset with a model and keep the surprisal of every word by each layer (logit lens)."""

from typing import TYPE_CHECKING

from brainalign.formats.datasets import read_stimuli
from brainalign.formats.tables import read_json, write_table
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.reading.surprisal import layer_surprisal

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    model = load(
        read_json(snakemake.input.manifest),
        snakemake.config.get("device", "auto"),
        snakemake.threads,
    )
    surprisal = layer_surprisal(
        model,
        read_stimuli(snakemake.input.stimuli),
        **snakemake.params.settings,
        batch_tokens=snakemake.config.get("batch_tokens"),
    )
    for layer, bits in surprisal.drop(columns="stimulus_id").mean().items():
        log.info("%s: %.2f bits per word", layer, bits)
    write_table(surprisal, snakemake.output.surprisal)
