"""Compare a tuned model with its vanilla partner target by target."""

from typing import TYPE_CHECKING

from brainalign.analysis.target_contrasts import compare_targets
from brainalign.formats.tables import write_table
from brainalign.formats.targets import open_targets
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    (partner,) = snakemake.input.vanilla
    with (
        open_targets(snakemake.input.scores) as tuned,
        open_targets(partner) as vanilla,
    ):
        targets, summary = compare_targets(tuned, vanilla, snakemake.params.level)
    write_table(targets, snakemake.output.targets)
    write_table(summary, snakemake.output.summary)
    overall = summary[(summary["subject"] == "all") & (summary["region"] == "all")].iloc[0]
    log.info(
        "tuned minus vanilla: %.4f over all targets; %d are higher, %d lower",
        overall["difference"], overall["n_higher"], overall["n_lower"],
    )  # fmt: skip
