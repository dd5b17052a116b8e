"""Answer the questions of a capability task with a model."""

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pandas as pd
from brainalign.capability.answer_log import AnswerLog
from brainalign.capability.answering import answer
from brainalign.capability.batches import BATCH_TOKENS
from brainalign.capability.settings import Generation, MinimalPairs, MultipleChoice
from brainalign.capability.tasks import Task
from brainalign.formats.atomic import sha256_of
from brainalign.formats.tables import read_json, read_table, write_table
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SECONDS_BETWEEN_LINES = 10
UNANSWERED_SHARE = 0.05  # of written answers, above which the log warns

with job(snakemake.log[0]) as log:
    settings = snakemake.params
    asking = read(settings.asking, MultipleChoice | Generation | MinimalPairs)
    task = Task.of(asking, settings.chat, settings.method or "prefix")
    questions = read_table(snakemake.input.questions)
    manifest = read_json(snakemake.input.manifest)
    model = load(manifest, snakemake.config.get("device", "auto"), snakemake.threads)
    output = Path(snakemake.output.answers)
    key = [manifest, sha256_of(snakemake.input.questions), repr(task), settings.get("code")]
    with AnswerLog(output.with_name(f".{output.stem}.partial.jsonl"), key) as kept:
        if kept.records:
            log.info("going on after %d answers", len(kept.records))
        reported = monotonic()
        for batch in answer(
            model,
            questions,
            task,
            where=snakemake.input.questions,
            batch_tokens=snakemake.config.get("batch_tokens") or BATCH_TOKENS,
            done=kept.answered,
        ):
            kept.add(batch)
            if monotonic() - reported > SECONDS_BETWEEN_LINES:
                log.info("%d questions answered", len(kept.records))
                reported = monotonic()
        # In the order of the questions, whatever the batches were.
        answers = pd.DataFrame(kept.records).set_index("question_id")
        asked = questions["question_id"][questions["question_id"].isin(answers.index)]
        answers = answers.loc[asked].reset_index()
        write_table(answers, output)
        kept.discard()
    log.info(
        "%d questions, accuracy %.3f; %d lost shots, %d ties",
        len(answers), answers["correct"].mean(), answers["truncated"].sum(), answers["tie"].sum(),
    )  # fmt: skip
    without = answers["unanswered"][answers["unanswered"] != ""]
    if len(without) > UNANSWERED_SHARE * len(answers):
        reasons = ", ".join(f"{n} {reason}" for reason, n in without.value_counts().items())
        log.warning(
            "no answer could be extracted from %.0f %% of the texts, which count as wrong (%s)",
            100 * len(without) / len(answers), reasons,
        )  # fmt: skip
