"""Tune a model on instruction data, up to a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from brainalign.formats.tables import read_json, write_json, write_table
from brainalign.job import job
from brainalign.models.manifest import describe
from brainalign.settings import plain, read
from brainalign.training import processes
from brainalign.training.settings import Checkpoint
from brainalign.training.states import keep_state
from brainalign.training.tuned_checkpoint import Training, write_checkpoint

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main() -> None:
    """Train on the GPUs that the job asks for, a process each, and describe what came out."""
    with job(snakemake.log[0]) as log:
        name, source = snakemake.wildcards.model, read(snakemake.params.source, Checkpoint)
        base = read_json(snakemake.input.manifest)
        text, start = snakemake.input.get("text"), snakemake.input.get("start")
        training = Training(
            base=base,
            source=source,
            seed=snakemake.params.seed,
            instructions=Path(snakemake.input.instructions),
            text=Path(text) if text else None,
            start=Path(start) if start else None,
            scratch=Path(snakemake.output.manifest).with_name("unfinished"),
            code=snakemake.params.code,
            threads=snakemake.params.threads,
        )
        folder = Path(snakemake.output.checkpoint)
        n_gpus = min(torch.cuda.device_count(), snakemake.resources.get("gpu", 0))
        history, facts = processes.run(write_checkpoint, n_gpus, training, folder)
        log.info("%s: %s", name, facts)
        write_table(history, snakemake.output.log)
        manifest = describe(
            folder,
            name,
            plain(source),
            simulated=snakemake.params.simulated,
            max_context=snakemake.params.max_context or base["max_context"],
            dtype=snakemake.params.dtype or base["dtype"],
            trust_remote_code=base["trust_remote_code"],
            trained_samples=facts["samples"],
            training=facts,
            continued_from=training.start.parent.name if training.start else None,
        )
        write_json(manifest, snakemake.output.manifest)
        keep_state(training.scratch, Path(snakemake.output.state), facts)


if __name__ == "__main__":  # the processes import this file
    main()
