"""Tune a model on instruction data."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from brainalign.formats.tables import read_json, write_json, write_table
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.models.manifest import describe
from brainalign.models.pretraining import save_checkpoint
from brainalign.models.tuning import Recipe, read_samples, tune

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    torch.set_num_threads(snakemake.params.threads)
    name, source = snakemake.wildcards.model, dict(snakemake.params.source)
    base = read_json(snakemake.input.manifest)
    samples = read_samples(snakemake.input.instructions)
    loaded = load(base, "cpu", snakemake.params.threads)
    tuned = tune(loaded.model, loaded.tokenizer, samples, Recipe.of(source), snakemake.params.seed)
    log.info("%s: %s", name, tuned.facts)
    folder = Path(snakemake.output.checkpoint)
    save_checkpoint(tuned.model, loaded.tokenizer, folder)
    write_table(tuned.log, snakemake.output.log)
    manifest = describe(
        folder,
        name,
        source,
        simulated=snakemake.params.simulated,
        max_context=base["max_context"],
        dtype=base["dtype"],
        trust_remote_code=base["trust_remote_code"],
        trained_samples=tuned.facts.pop("trained_samples"),
        training=tuned.facts,
    )
    write_json(manifest, snakemake.output.manifest)
