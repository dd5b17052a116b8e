"""Fit the mixed-effects model of alignment with the vanilla model as random effect."""

from typing import TYPE_CHECKING

from brainalign.analysis.mixed_effects import mixed_effects
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = mixed_effects(read_table(snakemake.input.scores), read_table(snakemake.input.subjects))
    for row in table[table["term"] == "tuned"].to_dict("records"):
        log.info("%(mode)s: tuned %(estimate)s [%(low)s, %(high)s] %(note)s", row)
    write_table(table, snakemake.output.mixed_effects)
