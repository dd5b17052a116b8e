"""Write the report's first page: answers, figures with their captions, tables, in one file."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.figures.captions import caption
from brainalign.figures.explore import explore_page
from brainalign.figures.pages import cards_table
from brainalign.figures.report import Figure, ran_on, report_page
from brainalign.formats.atomic import atomic_path
from brainalign.formats.tables import read_json, read_table
from brainalign.job import job
from brainalign.resources import caption as caption_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    tables = {path.stem: read_table(path) for path in map(Path, snakemake.input.tables)}
    cards = zip(snakemake.params.datasets, map(read_json, snakemake.input.cards), strict=True)
    tables["data_cards"] = cards_table(dict(cards))
    figures = [
        Figure(
            Path(svg),
            caption(caption_of(about["caption"]), about["params"], **about["wildcards"]),
            about["section"], about["part"],
        )
        for svg, about in zip(snakemake.input.figures, snakemake.params.figures, strict=True)
    ]  # fmt: skip
    page = report_page(
        study=snakemake.params.study,
        date=date.today().isoformat(),
        about=ran_on(**snakemake.params.about),
        headline=tables["headline"],
        figures=figures,
        tables={
            name: (caption(caption_of(f"tables/{name}")), table) for name, table in tables.items()
        },
    )
    texts = {"page": page, "explore": explore_page(snakemake.params.study, tables)}
    for name, text in texts.items():
        with atomic_path(snakemake.output[name]) as path:
            path.write_text(text, encoding="utf-8")
    log.info("%d figures, %d tables, %.1f MB", len(figures), len(tables), len(page) / 1e6)
