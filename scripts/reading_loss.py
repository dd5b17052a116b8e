"""Hold tuned and vanilla models' fits to reading times together, with and without their loss."""

from typing import TYPE_CHECKING

from brainalign.analysis.reading_loss import reading_loss
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    losses = snakemake.input.get("losses")
    table = reading_loss(
        read_table(snakemake.input.behaviors),
        read_table(snakemake.input.stories),
        None if losses is None else read_table(losses),
    )
    given_loss = table[(table["model"] == "all") & (table["method"] == "given loss")]
    for row in given_loss.itertuples():
        log.info(
            "%s, %s, %s given %s: %+.4f [%+.4f, %+.4f]", row.dataset, row.mode, row.measure,
            row.loss, row.difference, row.low, row.high,
        )  # fmt: skip
    write_table(table, snakemake.output.reading_loss)
