"""transformers' Trainer, reading a course's steps in their order, and the watch over its log."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from torch.utils.data import DataLoader, Dataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from brainalign.errors import InputError
from brainalign.training import processes
from brainalign.training.arms import Course
from brainalign.training.labelling import IGNORED, Row
from brainalign.training.loss import collate, label_loss, log_likelihoods, preference_loss
from brainalign.training.settings import Recipe
from brainalign.training.states import mark_complete

LOG = logging.getLogger("brainalign")
EVALUATIONS = 10  # of the held-out loss in a whole training


def arguments_of(recipe: Recipe, seed: int, steps: int, scratch: Path) -> TrainingArguments:
    """The settings of transformers' Trainer for a recipe."""
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
        save_strategy="no",  # `Watch` says when
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


class CourseTrainer(Trainer):
    """A Trainer that reads a course's steps in their order.

    Of a course of preference pairs its loss is direct preference optimisation's, against the
    network as it is when the trainer is made: the base.
    """

    model: Any

    def __init__(
        self,
        model: Any,
        arguments: TrainingArguments,
        course: Course,
        recipe: Recipe,
        watch: "Watch",
    ) -> None:
        self.course, self.beta = course, recipe.beta
        self.micro_batches = arguments.gradient_accumulation_steps * processes.count()
        self.bare = model.get_base_model() if recipe.lora else model
        self.shifted = not model.config.is_encoder_decoder
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=course.rows,
            data_collator=self._batch,
            compute_loss_func=lambda outputs, labels, num_items_in_batch=None: label_loss(
                outputs, labels, num_items_in_batch, self.shifted
            ),
            callbacks=[watch],
        )
        self.remove_callback(PrinterCallback)
        watch.trainer = self
        self.pairs = "rejected_ids" in course.rows[0]
        self.rows: list[dict[str, Any]] = [dict(row) for row in course.rows]
        if self.pairs:
            for row, margin in zip(self.rows, self._margins_of(course.rows), strict=True):
                row["of_base"] = margin

    def _batch(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = collate(rows, self.bare)
        of_base = [row["of_base"] for row in rows if self.pairs]
        return batch | {"of_base": torch.tensor(of_base)} if self.pairs else batch

    def compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
        """The loss of a micro-batch as its share of the step's: of pairs theirs, else per label."""
        if not self.pairs:
            return super().compute_loss(model, inputs, *rest, **options)
        of_base, labels = inputs.pop("of_base"), inputs.pop("labels")
        margins = self._margins(model(**inputs), labels)
        losses = preference_loss(margins, of_base, self.beta)
        taught = (labels != IGNORED).any(dim=1).chunk(2)[0]  # a pair that fills a step up is not
        return (losses * taught).sum() / len(self.course.steps[self.state.global_step])

    def _margins(self, outputs: Any, labels: torch.Tensor) -> torch.Tensor:
        """Log-likelihood of the preferred minus that of the rejected output: float32 [pair]."""
        preferred, rejected = log_likelihoods(outputs, labels, self.shifted).chunk(2)
        return preferred - rejected

    def _margins_of(self, rows: Sequence[Row]) -> list[float]:
        """The same of rows, without dropout, under the network as it is now."""
        return [
            margin
            for outputs, labels in self._read(rows)
            for margin in self._margins(outputs, labels).tolist()
        ]

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Raise a ValueError unless a state had all weights; Trainer itself would warn and go on.

        One that is tied to another (the head of a T5) is not written twice.
        """
        weights, missing = self.model.state_dict(), load_result.missing_keys
        loaded = {weights[name].data_ptr() for name in weights if name not in missing}
        lost = [name for name in missing if weights[name].data_ptr() not in loaded]
        if wrong := [*lost, *load_result.unexpected_keys]:
            raise ValueError(f"its weights are another network's: {', '.join(wrong)}")

    def get_train_dataloader(self) -> DataLoader:
        # A step's loss is that of all its rows; micro-batches of like lengths are padded least.
        # Processes take them in turn. One for which a short last step has no row reads a row that
        # teaches nothing.
        first = self.rows[0]
        nothing = {key: [IGNORED] * len(first[key]) for key in first if key.endswith("labels")}
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
                cast("Dataset[dict[str, Any]]", [*self.rows, first | nothing]),
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
        total, labels = 0.0, 0
        for outputs, said in self._read(sorted(rows, key=lambda row: len(row["input_ids"]))):
            n = int((said != IGNORED).sum())
            total += float(label_loss(outputs, said, None, self.shifted)) * n
            labels += n
        return total / labels

    def _read(self, rows: Sequence[Row]) -> Iterator[tuple[Any, torch.Tensor]]:
        """Outputs and labels of rows, a batch at a time, without dropout and gradients."""
        size = self.args.per_device_train_batch_size
        self.model.eval()
        with torch.no_grad():
            for i in range(0, len(rows), size):
                batch = self._prepare_inputs(collate(rows[i : i + size], self.bare))
                labels = batch.pop("labels")
                with self.compute_loss_context_manager():
                    outputs = self.model(**batch)
                yield outputs, labels
        self.model.train()


class Watch(TrainerCallback):
    """Completes the log, says when to save and to stop, and ends at a loss that is not finite."""

    trainer: CourseTrainer

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
        """Write samples, tokens and time beside the loss of a step.

        Raises
        ------
        InputError : the loss is not finite.
        """
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
            mark_complete(Path(args.output_dir), state.global_step)
