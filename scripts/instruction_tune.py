"""Tune a model on instruction data, up to a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from brainalign.formats.tables import read_json, write_json, write_table
from brainalign.job import job
from brainalign.models.arms import course
from brainalign.models.manifest import describe
from brainalign.models.pretraining import save_checkpoint
from brainalign.models.recipe import Recipe
from brainalign.models.samples import read_samples
from brainalign.models.tuning import keep_state, load_base, tune

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    torch.set_num_threads(snakemake.params.threads)
    name, source, seed = (
        snakemake.wildcards.model,
        dict(snakemake.params.source),
        snakemake.params.seed,
    )
    base = read_json(snakemake.input.manifest)
    recipe = Recipe.of(source)
    text = snakemake.input.get("text")
    loaded: Any = load_base(base, snakemake.params.threads)
    network = loaded.model
    lessons = course(
        read_samples(snakemake.input.instructions),
        recipe,
        loaded.tokenizer,
        seed,
        encoder_decoder=network.config.is_encoder_decoder,
        documents=Path(text).read_text(encoding="utf-8").splitlines() if text else (),
    )
    seen = source.get("checkpoint")
    start = snakemake.input.get("start")
    scratch = Path(snakemake.params.scratch)
    tuned = tune(
        network,
        lessons,
        recipe,
        seed,
        scratch=scratch,
        until=recipe.step_of(seen) if seen else None,
        start=Path(start) if start else None,
        key={"source": source, "seed": seed, "base": base["files"], "code": snakemake.params.code},
    )
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
        trained_samples=tuned.facts["samples"],
        training=tuned.facts,
        continued_from=Path(start).parent.name if start else None,
    )
    write_json(manifest, snakemake.output.manifest)
    keep_state(scratch, Path(snakemake.output.state), tuned.facts)
