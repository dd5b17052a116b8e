"""Turn published instruction data into one JSON list of samples."""

from typing import TYPE_CHECKING

from brainalign.datasets.raw import read_raw
from brainalign.datasets.registry import read_source, reader
from brainalign.formats.tables import write_json
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    raw = read_raw(snakemake.input.raw)
    samples = reader(read_source(raw.source, "instructions")).read(raw.files)
    silent = sum(not sample["output"].strip() for sample in samples)
    log.info("%d samples, %d of them with an empty output", len(samples), silent)
    write_json(samples, snakemake.output.instructions)
