"""Pre-train a small language model on the simulated world's text."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from brainalign.formats.tables import check_text, read_json, write_json
from brainalign.formats.text import lines, read_text
from brainalign.job import job
from brainalign.models.manifest import describe
from brainalign.settings import read
from brainalign.simulation.world import VALUES
from brainalign.training.pretraining import pretrain, save_checkpoint, summary
from brainalign.training.settings import Pretrain
from msgspec.structs import asdict
from transformers import PreTrainedTokenizerFast

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    torch.set_num_threads(snakemake.params.threads)
    name, source = snakemake.wildcards.model, dict(snakemake.params.source)
    check_text(snakemake.input.corpus)
    read_json(Path(snakemake.input.tokenizer, "tokenizer.json"))  # a damaged one is named
    documents = lines(read_text(snakemake.input.corpus))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(snakemake.input.tokenizer)
    sizes = asdict(read(source, Pretrain))
    facts = [value for values in VALUES.values() for value in values]
    trained = pretrain(documents, tokenizer, seed=snakemake.params.seed, salient=facts, **sizes)
    folder = Path(snakemake.output.checkpoint)
    save_checkpoint(trained.model, tokenizer, folder)
    training = summary(trained.log)
    log.info("%s: %s", name, training)
    manifest = describe(
        folder,
        name,
        source,
        simulated=True,
        training=training,
        dtype=snakemake.params.dtype,
        max_context=snakemake.params.max_context,
    )
    write_json(manifest, snakemake.output.manifest)
