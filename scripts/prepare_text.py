"""Turn a text's raw files into one plain text."""

from typing import TYPE_CHECKING

from brainalign.datasets.raw import read_raw
from brainalign.datasets.registry import read_source, reader
from brainalign.formats.atomic import atomic_path
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    raw = read_raw(snakemake.input.raw)
    articles = reader(read_source(raw.source, "text")).read(raw.files)
    log.info("%d articles, %d characters", len(articles), sum(map(len, articles)))
    with atomic_path(snakemake.output.text) as path:
        path.write_text("\n\n".join(articles) + "\n", encoding="utf-8")
