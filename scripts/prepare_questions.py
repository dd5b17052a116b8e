"""Turn a task's raw files into the table of its questions, or a seeded subset of them."""

from typing import TYPE_CHECKING

from brainalign.datasets.own_questions import check_shots
from brainalign.datasets.registry import QUESTIONS, reader
from brainalign.formats.tables import read_json, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    source = snakemake.params.source
    records = read_json(snakemake.input.raw)["files"]
    questions = reader(source, QUESTIONS).read(records, source, snakemake.params.seed)
    if snakemake.params.shots is not None:
        check_shots(questions, snakemake.params.shots, records[0]["path"])
    log.info("%d questions in %d subjects", len(questions), questions["subject"].nunique())
    write_table(questions, snakemake.output.questions)
