"""Bring a model's published surprisal into the words of a dataset, in bits."""

from typing import TYPE_CHECKING

from brainalign.datasets.raw import read_raw
from brainalign.datasets.registry import read_source, reader
from brainalign.formats.datasets import read_stimuli
from brainalign.formats.tables import write_json, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    source = read_source(snakemake.params.source, "surprisal")
    stimuli = read_stimuli(snakemake.input.stimuli)
    published = reader(source).read(read_raw(snakemake.input.raw).files, source, stimuli)
    about = published.summary()
    log.info(
        "%d words, %.2f bits per word, %d undefined; context: %s; first word: %s",
        about["words"], about["mean_bits"], about["undefined"], about["context"],
        about["first_word"],
    )  # fmt: skip
    write_table(published.table(stimuli), snakemake.output.surprisal)
    write_json({"source": dict(snakemake.params.source), **about}, snakemake.output.record)
