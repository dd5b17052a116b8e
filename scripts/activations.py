"""Read a dataset with a model and keep the hidden states of every layer."""

import hashlib
import json
from typing import TYPE_CHECKING

from brainalign.formats.activations import ActivationWriter
from brainalign.formats.atomic import sha256_of
from brainalign.formats.datasets import read_stimuli
from brainalign.formats.tables import read_json
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.reading.activations import prepare
from brainalign.reading.sequences import warn_of_unknown

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    settings = snakemake.params
    stimuli = read_stimuli(snakemake.input.stimuli)
    model = load(
        read_json(snakemake.input.manifest),
        snakemake.config.get("device", "auto"),
        snakemake.threads,
    )
    extraction = prepare(
        model,
        stimuli,
        context=settings.context,
        pooling=settings.pooling,
        bos=settings.bos,
        presentation=settings.presentation,
        decoder_input=settings.decoder_input,
    )
    facts = extraction.metadata
    log.info(
        "%d stimuli, %d layers; %d tokens in %d sequences, %d contexts truncated",
        len(stimuli), len(model.layers), facts["tokens_fed"], facts["sequences"],
        facts["truncated"],
    )  # fmt: skip
    warn_of_unknown(model.name, facts["unknown_tokens"], facts["tokens_fed"])
    # The values depend on all of these: a killed job resumes only if they are the same.
    key = [sha256_of(path) for path in snakemake.input] + [dict(settings.items())]
    with ActivationWriter(
        snakemake.output.activations,
        model.layers,
        stimuli["stimulus_id"].tolist(),
        facts,
        hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest(),
    ) as writer:
        if writer.done:
            log.info("%d stimuli were read by a run that was stopped", len(writer.done))
        extraction.run(writer.write, snakemake.config.get("batch_tokens"), writer.done)
        writer.finish()
