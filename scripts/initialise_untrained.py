"""Make the untrained twin of a model: its config and tokenizer with random weights."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.formats.tables import read_json, write_json
from brainalign.job import job
from brainalign.models.manifest import describe
from brainalign.training.untrained import write_untrained

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    name = snakemake.wildcards.model
    original = read_json(snakemake.input.manifest)
    folder = Path(snakemake.output.checkpoint)
    seed = snakemake.params.seed
    write_untrained(original, folder, seed)
    manifest = describe(
        folder,
        name,
        dict(snakemake.params.source),
        simulated=original["simulated"],
        max_context=snakemake.params.max_context or original["max_context"],
        dtype=snakemake.params.dtype or original["dtype"],
        trust_remote_code=original["trust_remote_code"],
        seed=seed,
    )
    log.info("%s: untrained twin of %s, seed %d", name, original["name"], seed)
    write_json(manifest, snakemake.output.manifest)
