"""Instruction tuning with transformers' Trainer: up to a checkpoint, and on from one."""

import logging
import math
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from accelerate import init_empty_weights
from accelerate.utils import broadcast_object_list
from accelerate.utils.constants import FSDP_MODEL_NAME
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError
from torch.utils.data import DataLoader, Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.loss.loss_utils import ForCausalLMLoss, fixed_cross_entropy

from brainalign.errors import REMAKE, InputError
from brainalign.formats.tables import read_json, write_json
from brainalign.models import processes
from brainalign.models.arms import Course
from brainalign.models.labelling import IGNORED, Row
from brainalign.models.loading import empty, load, load_tokenizer
from brainalign.models.recipe import Lora, Recipe

LOG = logging.getLogger("brainalign")
SAVE_SECONDS = 600  # between states that a killed training goes on from
EVALUATIONS = 10  # of the held-out loss in a whole training
CHECKED = 4  # rows whose loss the written checkpoint must have
LOG_COLUMNS = (
    "step", "samples", "tokens", "learned_tokens", "loss", "learning_rate", "held_out_loss",
    "seconds", "tokens_per_second",
)  # fmt: skip
_COMPLETE = "complete"  # marks a state that was written to its end


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
    InputError : a loss that is not finite, a LoRA target that the model lacks, a state that cannot
        be written or read, or that several processes have written and one is to read or the other
        way round, `until` beyond the last step.
    """
    last = len(course.steps)
    target = last if until is None else until
    if target > last:
        raise InputError(
            f"the checkpoint is after step {target}, but the training has {last} steps: "
            f"{course.samples[-1]} samples"
        )
    torch.manual_seed(seed)
    model.requires_grad_(True)  # a model loaded for reading is frozen
    if processes.count() > 1:
        head = model.get_output_embeddings()
        if (
            model.config.tie_word_embeddings
            and head.weight is not model.get_input_embeddings().weight
        ):
            raise InputError(
                f"{type(model).__name__} with a head of its own (T5 1.1, Flan-T5) cannot be spread "
                "over several GPUs by FSDP2: give the job one"
            )
        # Stacks whose embeddings have one weight get one module: FSDP2 shards no weight twice.
        model.set_input_embeddings(model.get_input_embeddings())
    network: Any = adapted(model, recipe.lora) if recipe.lora else model
    arguments = _arguments(recipe, seed, last, scratch)
    with arguments.main_process_first(desc="the first clears what is of another training"):
        found = _last_state(scratch, key, target) or start
    if found and not _fits(found):
        raise InputError(
            f"{found}: one process cannot go on from what several have written, nor several from "
            f"what one has; there are {processes.count()} now. Give the job as many GPUs as then, "
            "or remove the training's checkpoints to train them again"
        )
    if found:
        LOG.info("on from step %d", read_json(found / "trainer_state.json")["global_step"])
    watch = _Watch(course, target, save_seconds)
    trainer = _Trainer(network, arguments, course, recipe, watch)
    try:
        trainer.train(resume_from_checkpoint=str(found) if found else None)
    except Exception as error:
        if found and not watch.resumed and not isinstance(error, InputError):
            raise InputError(f"{found}: the state cannot be read ({error}); {REMAKE}") from error
        if not isinstance(error, OSError | SafetensorError) and "writ" not in str(error):
            raise
        kept = _last_state(scratch, key, target)
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
    whole = network.merge_and_unload() if recipe.lora else network
    return Tuned(whole.eval(), log, facts)


def _gathered(trainer: "_Trainer", model: PreTrainedModel, recipe: Recipe) -> Any:
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


def keep_state(scratch: Path, state: Path, facts: Mapping[str, Any]) -> None:
    """Once a tuned model is on disk: keep the state that a later checkpoint starts from.

    After the last step there is no later one, and only the log is kept.
    """
    state.mkdir(parents=True, exist_ok=True)
    for file in sorted((scratch / f"checkpoint-{facts['steps']}").iterdir()):
        if facts["steps"] < facts["all_steps"] or file.name == "trainer_state.json":
            shutil.move(file, state / file.name)
    shutil.rmtree(scratch)


def adapted(model: PreTrainedModel, lora: Lora) -> Any:
    """A model with adapters; its own weights are frozen.

    Raises
    ------
    InputError : a target that the architecture lacks, or whose matrix is another module's too
        (tied embeddings): the adapter of one would be merged into both.
    """
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    if not isinstance(targets, str):
        linear = sorted(
            {
                name.rpartition(".")[2]
                for name, module in model.named_modules()
                if hasattr(module, "weight") and getattr(module.weight, "ndim", 0) == 2
            }
        )
        names = [name for name, _ in model.named_modules()]
        for one in targets:
            if not any(name == one or name.endswith(f".{one}") for name in names):
                raise InputError(
                    f"lora.targets: {type(model).__name__} has no module {one!r}; it has "
                    f"{', '.join(linear)}"
                )
        for tied in _tied_modules(model):
            for one in targets:
                if any(name == one or name.endswith(f".{one}") for name in tied):
                    raise InputError(
                        f"lora.targets: {one!r} of {type(model).__name__} has one matrix for "
                        f"{' and '.join(sorted(tied))}; merged, an adapter of one would change "
                        "all: leave it out"
                    )
    return get_peft_model(
        model,
        LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=targets,
            task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
        ),
    )


def _tied_modules(model: PreTrainedModel) -> list[set[str]]:
    """The names of modules that have one weight, group by group."""
    names: dict[int, set[str]] = defaultdict(set)
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(getattr(module, "weight", None), torch.Tensor):
            names[id(module.weight)].add(name)
    return [group for group in names.values() if len(group) > 1]


def check_loss(model: Any, rows: Sequence[Row], facts: Mapping[str, Any]) -> float:
    """The loss of a written checkpoint on the first rows, which must be the trained network's.

    Parameters
    ----------
    model : as loaded from the checkpoint.
    facts : of the training, with `checked_loss` and `mixed_precision`.

    Raises
    ------
    InputError : it is another: the checkpoint is not what was trained.
    """
    batch = collate(rows[:CHECKED], model)
    labels = batch.pop("labels")
    with torch.no_grad():
        outputs = model(**batch)
    found = float(label_loss(outputs, labels, None, not model.config.is_encoder_decoder))
    trained = facts["checked_loss"]
    if abs(found - trained) > (0.05 if facts["mixed_precision"] else 1e-3) * max(1.0, trained):
        raise InputError(
            f"the checkpoint has a loss of {found:.4f} on the first {len(rows[:CHECKED])} samples, "
            f"the trained network {trained:.4f}: it is not what was trained"
        )
    return found


def collate(rows: Sequence[Row], model: Any) -> dict[str, torch.Tensor]:
    """Rows as one batch, padded on the right: int64 [row, position] each."""
    read, said = ([torch.tensor(row[key]) for row in rows] for key in ("input_ids", "labels"))
    pad = torch.nn.utils.rnn.pad_sequence
    labels = pad(said, batch_first=True, padding_value=IGNORED)
    batch = {
        "input_ids": pad(read, batch_first=True),
        "attention_mask": pad([torch.ones_like(ids) for ids in read], batch_first=True),
        "labels": labels,
    }
    if model.config.is_encoder_decoder:
        batch["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=labels)
    return batch


def label_loss(
    outputs: Any, labels: torch.Tensor, n_labels: torch.Tensor | None, shifted: bool
) -> torch.Tensor:
    """Summed cross-entropy of the labels over `n_labels` (default: those here), nats per token.

    `shifted` says that each position predicts the next label (a decoder alone).
    """
    logits = outputs.logits
    if shifted:
        return ForCausalLMLoss(logits, labels, logits.shape[-1], num_items_in_batch=n_labels)
    return fixed_cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), num_items_in_batch=n_labels
    )


def _arguments(recipe: Recipe, seed: int, steps: int, scratch: Path) -> TrainingArguments:
    cuda, n = torch.cuda.is_available(), processes.count()
    bf16 = cuda and torch.cuda.is_bf16_supported()
    rounds = math.ceil(recipe.micro_batches / n)  # of micro-batches, one per process
    arguments = TrainingArguments(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=math.ceil(recipe.batch_size / (rounds * n)),
        gradient_accumulation_steps=rounds,
        fsdp=cast("Any", True if n > 1 else None),
        fsdp_config={"cpu_ram_efficient_loading": True} if n > 1 else None,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(recipe.warm_up * steps),
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # `_Watch` says when
        save_total_limit=2,
        report_to=[],
        disable_tqdm=True,
        bf16=bf16,
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        seed=seed,
        # Else each GPU sums the gradients of all weights until a step's last micro-batch.
        accelerator_config={"gradient_accumulation_kwargs": {"sync_each_batch": n > 1}},
    )
    if n == 1:
        arguments._n_gpu = min(arguments.n_gpu, 1)  # Trainer would copy the model to every GPU
    elif bf16 and arguments.fsdp_plugin_args:
        arguments.fsdp_plugin_args["mixed_precision_policy"] = {
            "param_dtype": torch.bfloat16,
            "reduce_dtype": torch.float32,
            "output_dtype": torch.bfloat16,
        }
    return arguments


class _Trainer(Trainer):
    """A Trainer that reads a course's steps in their order."""

    model: Any

    def __init__(
        self,
        model: Any,
        arguments: TrainingArguments,
        course: Course,
        recipe: Recipe,
        watch: "_Watch",
    ) -> None:
        self.course = course
        self.micro_batches = arguments.gradient_accumulation_steps * processes.count()
        self.bare = model.get_base_model() if recipe.lora else model
        shifted = not model.config.is_encoder_decoder
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=course.rows,
            data_collator=lambda rows: collate(rows, self.bare),
            compute_loss_func=lambda outputs, labels, num_items_in_batch=None: label_loss(
                outputs, labels, num_items_in_batch, shifted
            ),
            callbacks=[watch],
        )
        self.remove_callback(PrinterCallback)
        watch.trainer = self

    def get_train_dataloader(self) -> DataLoader:
        # A step's loss is that of all its rows; micro-batches of like lengths are padded least.
        # Processes take them in turn. One for which a short last step has no row reads a row that
        # teaches nothing.
        first = self.course.rows[0]
        idle = cast("Row", {**first, "labels": [IGNORED] * len(first["labels"])})
        lengths = np.array([sum(map(len, row.values())) for row in self.course.rows])
        batches = [
            part.tolist() or [len(self.course.rows)]
            for step in self.course.steps
            for part in np.array_split(
                np.array(step)[np.argsort(lengths[step], kind="stable")], self.micro_batches
            )
        ]
        return self.accelerator.prepare(
            DataLoader(
                cast("Dataset[Row]", [*self.course.rows, idle]),
                batch_sampler=batches,
                collate_fn=self.data_collator,
                pin_memory=self.args.dataloader_pin_memory,
            )
        )

    def held_out_loss(self) -> float:
        """Mean loss per label of the held-out rows, in nats."""
        return self.loss_of(self.course.held_out)

    def loss_of(self, rows: Sequence[Row]) -> float:
        """Mean loss per label of some rows, in nats, without dropout."""
        rows = sorted(rows, key=lambda row: len(row["input_ids"]))
        size = self.args.per_device_train_batch_size
        total, labels = 0.0, 0
        self.model.eval()
        with torch.no_grad():
            for i in range(0, len(rows), size):
                batch = self._prepare_inputs(collate(rows[i : i + size], self.bare))
                said = batch.pop("labels")
                n = int((said != IGNORED).sum())
                with self.compute_loss_context_manager():
                    outputs = self.model(**batch)
                shifted = not self.bare.config.is_encoder_decoder
                total += float(label_loss(outputs, said, None, shifted)) * n
                labels += n
        self.model.train()
        return total / labels


class _Watch(TrainerCallback):
    """Completes the log, says when to save and to stop, and ends at a loss that is not finite."""

    trainer: _Trainer

    def __init__(self, course: Course, target: int, save_seconds: float) -> None:
        self.course, self.target, self.save_seconds = course, target, save_seconds
        self.begun = self.saved = time.monotonic()
        self.before = 0.0  # seconds of the training before this job
        self.first = 0  # its steps
        self.resumed = False  # a state, if there is one, has been read

    def on_train_begin(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.begun = self.saved = time.monotonic()
        self.resumed = True
        self.first = state.global_step
        self.before = max((record.get("seconds", 0.0) for record in state.log_history), default=0.0)

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        step = state.global_step
        if step == self.target:
            control.should_training_stop = control.should_save = True
        elif broadcast_object_list([time.monotonic() - self.saved >= self.save_seconds])[0]:
            control.should_save = True  # in all processes, whatever their clocks say
        every = max(1, len(self.course.steps) // EVALUATIONS)
        if self.course.held_out and (step % every == 0 or control.should_training_stop):
            state.log_history.append({"step": step, "held_out_loss": self.trainer.held_out_loss()})

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        step = state.global_step
        spent = time.monotonic() - self.begun
        tokens = self.course.tokens
        state.log_history[-1] |= {
            "samples": int(self.course.samples[step - 1]),
            "tokens": int(tokens[step - 1]),
            "learned_tokens": int(self.course.learned[step - 1]),
            "seconds": self.before + spent,
            "tokens_per_second": float(
                (tokens[step - 1] - (tokens[self.first - 1] if self.first else 0)) / spent
            ),
        }
        if not math.isfinite(logs["loss"]):
            raise InputError(
                f"step {step} of {len(self.course.steps)}: the loss is {logs['loss']} at learning "
                f"rate {logs['learning_rate']:.3g}; lower the learning rate"
            )
        if step % max(1, len(self.course.steps) // 10) == 0:
            LOG.info(
                "step %d of %d, loss %.3f, %.0f tokens/s",
                step, len(self.course.steps), logs["loss"],
                state.log_history[-1]["tokens_per_second"],
            )  # fmt: skip

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.saved = time.monotonic()
        self.trainer.accelerator.wait_for_everyone()
        if processes.is_first():
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _COMPLETE).touch()


def _last_state(scratch: Path, key: Any, target: int) -> Path | None:
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
        if (folder / _COMPLETE).exists() and _fits(folder)
    }
    return states[step] if (step := max((s for s in states if s < target), default=0)) else None


def _fits(state: Path) -> bool:
    """Whether as many processes wrote a state as are to go on from it: one, or several."""
    return (state / f"{FSDP_MODEL_NAME}.bin").exists() == (processes.count() > 1)


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
