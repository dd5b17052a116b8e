"""Write a model's surprisal as an activation file of one unit."""

from typing import TYPE_CHECKING

from brainalign.formats.activations import write_activations
from brainalign.formats.tables import read_table
from brainalign.job import job
from brainalign.reading.surprisal_features import surprisal_features

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    path, params = snakemake.input.surprisal, snakemake.params
    table = read_table(path, ("stimulus_id", "bits"))
    values, unknown = surprisal_features(table, path)
    log.info("%s: %d stimuli, %d without surprisal", params.name, len(values), unknown)
    write_activations(
        {"features": values},
        table["stimulus_id"].astype(str).tolist(),
        snakemake.output.activations,
        {"model": params.name, "of": params.of, "baseline": "surprisal", "rows": "stimulus",
         "without_surprisal": unknown},
    )  # fmt: skip
