"""Turn a dataset's raw files into stimuli, responses and a data card."""

from typing import TYPE_CHECKING

from brainalign.datasets.prepared import check_timing
from brainalign.datasets.raw import read_raw
from brainalign.datasets.registry import read_source, reader
from brainalign.datasets.settings import Own
from brainalign.formats.datasets import write_dataset
from brainalign.formats.tables import write_json
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    source = read_source(snakemake.params.source, "dataset")
    prepared = reader(source).read(read_raw(snakemake.input.raw).files, source)
    check_timing(prepared.responses, snakemake.wildcards.dataset, **snakemake.params.benchmarks)
    log.info("%d stimuli, responses %s", len(prepared.stimuli), dict(prepared.responses.sizes))
    for entry in prepared.card["dropped"]:
        log.info("left out: %s %s, %s", entry["n"], entry["what"], entry["why"])
    write_dataset(
        prepared.stimuli, prepared.responses, snakemake.output.stimuli, snakemake.output.responses
    )
    card = prepared.card
    if isinstance(source, Own):
        card = card | {"dataset": snakemake.wildcards.dataset}
    write_json(card, snakemake.output.card)
