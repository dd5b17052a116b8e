"""Write the report's pages: the study on one page, every table, the data cards."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.figures.pages import cards_table, summary_page, table_page
from brainalign.formats.atomic import atomic_path
from brainalign.formats.tables import read_json, read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    tables = {path.stem: read_table(path) for path in map(Path, snakemake.input.tables)}
    cards = zip(snakemake.params.datasets, map(read_json, snakemake.input.cards), strict=True)
    pages = {name: table_page(table, f"{name}.csv") for name, table in tables.items()}
    pages["summary"] = summary_page(tables["headline"])
    pages["data_cards"] = table_page(cards_table(dict(cards)), "data_cards.csv")
    for name, page in pages.items():
        with atomic_path(snakemake.output[name]) as path:
            path.write_text(page, encoding="utf-8")
    log.info("%d pages", len(pages))
