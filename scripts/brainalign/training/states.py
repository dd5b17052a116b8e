"""States of a training on disk, from which a killed job or a later checkpoint resumes."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.utils.constants import FSDP_MODEL_NAME

from brainalign.formats.tables import read_json, write_json
from brainalign.training import processes

LOG = logging.getLogger("brainalign")
_COMPLETE = "complete"  # marks a state that was written to its end


def mark_complete(scratch: Path, step: int) -> None:
    """Mark the state after a step as written to its end."""
    (scratch / f"checkpoint-{step}" / _COMPLETE).touch()


def last_state(scratch: Path, key: Any, target: int) -> Path | None:
    """The newest whole state before step `target`; a folder of another key is removed."""
    about = scratch / "training.json"
    if about.exists() and read_json(about) != key:
        LOG.info("%s belongs to another training: removed", scratch)
        shutil.rmtree(scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    write_json(key, about)
    states = {
        int(folder.name.removeprefix("checkpoint-")): folder
        for folder in scratch.glob("checkpoint-*")
        if (folder / _COMPLETE).exists() and resumable(folder)
    }
    return states[step] if (step := max((s for s in states if s < target), default=0)) else None


def resumable(state: Path) -> bool:
    """Whether a state was written by one process, or by several, as the resuming training has."""
    return (state / f"{FSDP_MODEL_NAME}.bin").exists() == (processes.count() > 1)


def keep_state(scratch: Path, state: Path, facts: Mapping[str, Any]) -> None:
    """Once a tuned model is on disk: keep the state that a later checkpoint starts from.

    After the last step there is no later one, and only the log is kept.
    """
    state.mkdir(parents=True, exist_ok=True)
    for file in sorted((scratch / f"checkpoint-{facts['steps']}").iterdir()):
        if facts["steps"] < facts["all_steps"] or file.name == "trainer_state.json":
            shutil.move(file, state / file.name)
    shutil.rmtree(scratch)
