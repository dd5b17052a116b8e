"""Count the tokens of every word of a dataset: the baseline of reading times."""

from typing import TYPE_CHECKING

from brainalign.behavior.token_counts import token_counts
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    path = snakemake.input.surprisal
    counts = token_counts(read_table(path, ["stimulus_id", "word", "n_tokens"]), path)
    log.info("%d words, %.3f tokens per word", len(counts), counts["n_tokens"].mean())
    write_table(counts, snakemake.output.counts)
