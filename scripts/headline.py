"""Put the study's answers on one page: question, legacy answer, controlled answer."""

from typing import TYPE_CHECKING

from brainalign.analysis.headline import as_text, as_verdicts, headline
from brainalign.analysis.study_tables import Tables
from brainalign.formats.atomic import atomic_path
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    # A study has the tables of what it measures, and some the paper's.
    tables = {name: read_table(path) for name, path in snakemake.input.items()}
    check = tables.pop("published_check", None)
    of_study = Tables(**tables)
    table = headline(check, of_study)
    write_table(table, snakemake.output.headline)
    log.info("headline table:\n%s", as_text(table))
    texts = {
        snakemake.output.text: as_text(table),
        snakemake.output.verdicts: as_verdicts(table, of_study.has_published_models),
    }
    for file, text in texts.items():
        with atomic_path(file) as path:
            path.write_text(text + "\n", encoding="utf-8")
