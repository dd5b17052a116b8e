"""Read a dataset with a model and keep the surprisal of every word."""

from typing import TYPE_CHECKING

from brainalign.formats.datasets import read_stimuli
from brainalign.formats.tables import read_json, write_table
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.reading.sequences import warn_of_unknown
from brainalign.reading.surprisal import word_surprisal

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    stimuli = read_stimuli(snakemake.input.stimuli)
    model = load(
        read_json(snakemake.input.manifest),
        snakemake.config.get("device", "auto"),
        snakemake.threads,
    )
    surprisal = word_surprisal(
        model,
        stimuli,
        **snakemake.params.settings,
        batch_tokens=snakemake.config.get("batch_tokens"),
    )
    log.info(
        "%d words, %.2f bits per word, %d undefined, %d contexts truncated",
        len(surprisal), surprisal["bits"].mean(), surprisal["bits"].isna().sum(),
        surprisal["truncated"].sum(),
    )  # fmt: skip
    unknown, tokens = surprisal["unknown_tokens"].sum(), surprisal["n_tokens"].sum()
    warn_of_unknown(model.name, unknown, tokens)
    write_table(surprisal, snakemake.output.surprisal)
