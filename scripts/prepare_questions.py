"""Turn a task's raw files into the table of its questions, or a seeded subset of them."""

from typing import TYPE_CHECKING

from brainalign.datasets.own_questions import check_shots
from brainalign.datasets.raw import read_raw
from brainalign.datasets.registry import read_source, reader
from brainalign.formats.tables import write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    source = read_source(snakemake.params.source, "questions")
    records = read_raw(snakemake.input.raw).files
    questions = reader(source).read(records, source, snakemake.params.seed)
    if snakemake.params.shots is not None:
        check_shots(questions, snakemake.params.shots, records[0].path)
    log.info("%d questions in %d subjects", len(questions), questions["subject"].nunique())
    write_table(questions, snakemake.output.questions)
