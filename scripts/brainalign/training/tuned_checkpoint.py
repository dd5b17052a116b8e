"""One checkpoint of a training: from its base and its samples to its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from brainalign.formats.atomic import sha256_of
from brainalign.formats.text import lines, read_text
from brainalign.models.loading import load
from brainalign.settings import plain
from brainalign.training.arms import course
from brainalign.training.loss import check_loss
from brainalign.training.pretraining import save_checkpoint
from brainalign.training.samples import read_samples
from brainalign.training.settings import Checkpoint
from brainalign.training.tuning import load_base, tune


@dataclass(frozen=True)
class Training:
    """All that a checkpoint depends on, and where its training keeps its states.

    base : manifest; source : the model's, from the config; instructions, text : files of samples
    and of running text; start : the state of an earlier checkpoint; code : digest of the library.
    """

    base: Mapping[str, Any]
    source: Checkpoint
    seed: int
    instructions: Path
    text: Path | None
    start: Path | None
    scratch: Path
    code: str
    threads: int


def write_checkpoint(training: Training, folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train and write the tuned model to `folder`, in one or in each of several processes.

    Returns
    -------
    The log (`tuning.LOG_COLUMNS`), and what the manifest says of the training.

    Raises
    ------
    InputError : as `tune` has it, or the checkpoint, loaded again, has another loss than the
        trained network.
    """
    recipe = training.source
    network, tokenizer = load_base(training.base, training.threads)
    text = training.text
    lessons = course(
        read_samples(training.instructions),
        recipe,
        tokenizer,
        training.seed,
        encoder_decoder=network.config.is_encoder_decoder,
        documents=lines(read_text(text)) if text else (),
    )
    seen = training.source.checkpoint
    tuned = tune(
        network,
        lessons,
        recipe,
        training.seed,
        scratch=training.scratch,
        until=recipe.step_of(seen) if seen else None,
        start=training.start,
        key={
            "source": plain(training.source),
            "seed": training.seed,
            "base": training.base["files"],
            "data": [sha256_of(path) for path in (training.instructions, text) if path],
            "code": training.code,
        },
    )
    log, facts = tuned.log, tuned.facts
    if tuned.model is not None:
        save_checkpoint(tuned.model, tokenizer, folder)
        del tuned, network  # before the checkpoint takes their memory
        here = {
            "folder": str(folder),
            "files": {},
            "source": plain(training.source),
            "dtype": "float32",
        }
        written = load({**training.base, **here}, "cpu", training.threads)
        facts["checkpoint_loss"] = check_loss(written.model, lessons.rows, facts)
    return log, facts
