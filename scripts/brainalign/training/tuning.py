"""Instruction tuning with transformers' Trainer: up to a checkpoint, and on from one."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from brainalign.errors import REMAKE, InputError
from brainalign.formats.tables import read_json
from brainalign.models.loading import empty, load, load_tokenizer
from brainalign.training import processes
from brainalign.training.arms import Course
from brainalign.training.lora import adapted
from brainalign.training.loss import CHECKED
from brainalign.training.settings import Recipe
from brainalign.training.states import last_state, resumable
from brainalign.training.trainer import CourseTrainer, Watch, arguments_of

LOG = logging.getLogger("brainalign")
SAVE_SECONDS = 600  # between states from which a killed training resumes
LOG_COLUMNS = (
    "step", "samples", "tokens", "learned_tokens", "loss", "learning_rate", "held_out_loss",
    "seconds", "tokens_per_second",
)  # fmt: skip


class Tuned(NamedTuple):
    """A tuned model, its log (`LOG_COLUMNS`, a row per step), and what the manifest says of it.

    Where several processes train, only the first has the model.
    """

    model: PreTrainedModel | None
    log: pd.DataFrame
    facts: dict[str, Any]


def load_base(
    manifest: Mapping[str, Any], threads: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model to tune, in float32 on the CPU, and its tokenizer.

    The trainer takes it to a GPU if there is one. Where several processes train (`processes`), only
    the first gets the weights, which the trainer spreads over all.

    Raises
    ------
    InputError : as `load` has it.
    """
    if processes.is_first():
        loaded: Any = load({**manifest, "dtype": "float32"}, "cpu", threads)
        return loaded.model, loaded.tokenizer
    torch.set_num_threads(threads)
    return empty({**manifest, "dtype": "float32"}), load_tokenizer(manifest)


def tune(
    model: PreTrainedModel,
    course: Course,
    recipe: Recipe,
    seed: int,
    *,
    scratch: Path,
    until: int | None = None,
    start: Path | None = None,
    key: Any = None,
    save_seconds: float = SAVE_SECONDS,
) -> Tuned:
    """Tune a model: AdamW, linear warm-up, cosine decay, gradients clipped at norm 1.

    A training that was stopped goes on exactly: weights, optimizer, schedule, random state and
    order of the data. On a CPU its weights equal those of an uninterrupted one bit for bit.
    Several processes (`processes.run`) share the micro-batches of each step; weights, gradients and
    moments are spread over them (FSDP2: PyTorch's fully_shard, by accelerate).

    Parameters
    ----------
    model : the base, changed in place; on a GPU if there is one.
    seed : of dropout and of LoRA's first weights.
    scratch : folder of states, one each `save_seconds` and one at the end; a training that was
        killed goes on from the last whole one. `keep_state` clears it.
    until : the step to stop after; default: the last.
    start : the state of an earlier checkpoint of this training; default: the base.
    key : what the result depends on (JSON-able): states in `scratch` of another key are removed.

    Raises
    ------
    InputError : a loss that is not finite, a LoRA target that the model lacks, arm preference in
        several processes, a state that cannot be written or read, or that several processes have
        written and one is to read or the other way round, `until` beyond the last step.
    """
    last = len(course.steps)
    target = last if until is None else until
    if target > last:
        raise InputError(
            f"the checkpoint is after step {target}, but the training has {last} steps: "
            f"{course.samples[-1]} samples"
        )
    if recipe.arm == "preference" and processes.count() > 1:
        raise InputError(
            "arm preference is trained in one process: give the job one GPU (with lora a large "
            "model fits it)"
        )
    torch.manual_seed(seed)
    model.requires_grad_(True)  # a model loaded for reading is frozen
    if processes.count() > 1:
        _make_shardable(model)
    network: Any = adapted(model, recipe.lora) if recipe.lora else model
    arguments = arguments_of(recipe, seed, last, scratch)
    with arguments.main_process_first(desc="the first clears what is of another training"):
        state = last_state(scratch, key, target) or start
    if state and not resumable(state):
        raise InputError(
            f"{state}: one process cannot resume from the state of several, nor several from that "
            f"of one; there are {processes.count()} now. Give the job as many GPUs as then, "
            "or remove the training's checkpoints to train them again"
        )
    if state:
        LOG.info("on from step %d", read_json(state / "trainer_state.json")["global_step"])
    watch = Watch(course, target, save_seconds)
    trainer = CourseTrainer(network, arguments, course, recipe, watch)
    try:
        trainer.train(resume_from_checkpoint=str(state) if state else None)
    except Exception as error:
        if state and not watch.resumed and not isinstance(error, InputError):
            raise InputError(f"{state}: the state cannot be read ({error}); {REMAKE}") from error
        if not isinstance(error, OSError | SafetensorError) and "writ" not in str(error):
            raise
        kept = last_state(scratch, key, target)
        raise InputError(
            f"{scratch}: no state could be written after step {trainer.state.global_step} "
            f"({error}); kept: {kept or 'none'}"
        ) from error
    log = _table(trainer.state.log_history)
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    facts = _facts(course, log, target, trained)
    facts["checked_loss"] = trainer.loss_of(course.rows[:CHECKED])
    facts["mixed_precision"] = arguments.bf16
    if processes.count() > 1:
        network = _gathered(trainer, model, recipe)
    if network is None:
        return Tuned(None, log, facts)
    merged = network.merge_and_unload() if recipe.lora else network
    return Tuned(merged.eval(), log, facts)


def _make_shardable(model: PreTrainedModel) -> None:
    """Give stacks whose embeddings have one weight one module: FSDP2 shards no weight twice."""
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if model.config.tie_word_embeddings and head.weight is not embeddings.weight:
        raise InputError(
            f"{type(model).__name__} with a separate head (T5 1.1, Flan-T5) cannot be spread "
            "over several GPUs by FSDP2: give the job one"
        )
    model.set_input_embeddings(embeddings)


def _gathered(trainer: CourseTrainer, model: PreTrainedModel, recipe: Recipe) -> Any:
    """The network with all weights on the CPU, in the first process; None in the others."""
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if not processes.is_first():
        return None
    with init_empty_weights():
        bare: Any = type(model)(model.config)
        network = adapted(bare, recipe.lora) if recipe.lora else bare
    network.load_state_dict(weights, assign=True)
    bare.tie_weights(missing_keys=set())  # those that are equal, as on loading
    bare.generation_config = model.generation_config
    return network


def _table(history: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The trainer's records as one row per step."""
    records: dict[int, dict[str, Any]] = {}
    for record in history:
        records.setdefault(int(record["step"]), {}).update(record)
    rows = [record for record in records.values() if "loss" in record]
    return pd.DataFrame(rows).reindex(columns=list(LOG_COLUMNS))


def _facts(course: Course, log: pd.DataFrame, step: int, parameters: int) -> dict[str, Any]:
    held_out = log["held_out_loss"].dropna()
    return {
        **course.facts,
        "steps": step,
        "all_steps": len(course.steps),
        "samples": int(course.samples[step - 1]),
        "tokens": int(course.tokens[step - 1]),
        "learned_tokens": int(course.learned[step - 1]),
        "trained_parameters": parameters,
        "held_out_samples": len(course.held_out),
        "held_out_loss": float(held_out.iloc[-1]) if len(held_out) else None,
        "first_loss": float(log["loss"].iloc[0]),
        "last_loss": float(log["loss"].tail(max(1, step // 10)).mean()),
    }
