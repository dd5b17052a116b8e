"""Alter the text of a dataset's stimuli, as its key `text` asks for."""

from typing import TYPE_CHECKING

from brainalign.formats.datasets import read_stimuli
from brainalign.formats.tables import write_table
from brainalign.job import job
from brainalign.reading.text_controls import alter, in_words

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    stimuli = read_stimuli(snakemake.input.stimuli)
    control = snakemake.params.control
    altered = alter(stimuli, control, snakemake.params.seed)
    changed = (altered["text"] != stimuli["text"]).sum()
    log.info("%s: text of %d of %d stimuli altered", in_words(control), changed, len(stimuli))
    write_table(altered, snakemake.output.stimuli)
