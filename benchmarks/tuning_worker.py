"""One timed run of tuning.py: `ours` or the bare `loop` does one work and writes its losses."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Measured, write

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from brainalign.training.arms import Course
from brainalign.training.labelling import IGNORED, Row
from brainalign.training.lora import adapted
from brainalign.training.loss import collate, label_loss
from brainalign.training.settings import Lora, Recipe
from brainalign.training.tuning import tune
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    get_cosine_schedule_with_warmup,
)

STEPS, BATCH, MICRO_BATCH = 6, 32, 8
TOKENS = 8192  # of the vocabulary
LONGEST = 256


def recipe_of(work: str) -> Recipe:
    """What both sides do in a work."""
    return Recipe(
        learning_rate=1e-3, warm_up=0.25, batch_size=BATCH, micro_batch=MICRO_BATCH,
        lora=Lora() if work.endswith("lora") else None,
    )  # fmt: skip


def model_of(work: str) -> Any:
    """A model with random weights, always the same."""
    torch.manual_seed(0)
    if work.startswith("llama"):
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=TOKENS,
                hidden_size=384,
                intermediate_size=1024,
                num_hidden_layers=6,
                num_attention_heads=6,
                max_position_embeddings=LONGEST,
            )
        )
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=TOKENS,
            d_model=384,
            d_kv=64,
            d_ff=1024,
            num_layers=4,
            num_heads=6,
            dropout_rate=0.0,
            decoder_start_token_id=0,
        )
    )


def rows_of(work: str) -> list[Row]:
    """Rows with the spread of lengths of an instruction file: prompt and response."""
    rng = np.random.default_rng(0)

    def length(median: float) -> int:
        return int(np.clip(rng.lognormal(np.log(median), 0.7), 4, LONGEST // 2))

    rows: list[Row] = []
    for _ in range(STEPS * BATCH):
        prompt, response = (rng.integers(2, TOKENS, length(m)).tolist() for m in (30, 35))
        if work.startswith("t5"):
            rows.append({"input_ids": prompt, "labels": response})
        else:
            labels = [IGNORED] * len(prompt) + response
            rows.append({"input_ids": prompt + response, "labels": labels})
    return rows


def steps_of() -> list[list[int]]:
    """The rows of each step."""
    return np.arange(STEPS * BATCH).reshape(STEPS, BATCH).tolist()


def ours(work: str) -> dict[str, Any]:
    """Our side: transformers' Trainer as the workflow uses it."""
    rows, steps = rows_of(work), steps_of()
    seen = np.arange(1, STEPS + 1) * BATCH
    tokens = np.cumsum([sum(len(rows[i]["input_ids"]) for i in step) for step in steps])
    course = Course(rows, steps, seen, tokens, tokens, [], {})
    with tempfile.TemporaryDirectory() as folder:
        model = model_of(work)
        with Measured() as cost:
            tuned = tune(model, course, recipe_of(work), 0, scratch=Path(folder) / "state")
    return cost.report(tuned.log["loss"])


def loop(work: str) -> dict[str, Any]:
    """The peer: the same micro-batches, loss, optimizer and schedule, and nothing else."""
    rows, recipe, bare = rows_of(work), recipe_of(work), model_of(work)
    torch.manual_seed(0)
    losses = []
    with Measured() as cost:
        model = adapted(bare, recipe.lora) if recipe.lora else bare
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(
            weights, lr=recipe.learning_rate, weight_decay=0.0, fused=True
        )
        schedule = get_cosine_schedule_with_warmup(optimizer, round(recipe.warm_up * STEPS), STEPS)
        model.train()
        for step in steps_of():
            by_length = sorted(step, key=lambda i: sum(map(len, rows[i].values())))
            labels = sum(label != IGNORED for i in step for label in rows[i]["labels"])
            total = 0.0
            for at in range(0, BATCH, MICRO_BATCH):
                batch = collate([rows[i] for i in by_length[at : at + MICRO_BATCH]], bare)
                said = batch.pop("labels")
                loss = label_loss(
                    model(**batch), said, torch.tensor(labels), work.startswith("llama")
                )
                loss.backward()
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(total)
    return cost.report(losses)


if __name__ == "__main__":
    side, what, target = sys.argv[1:]
    torch.set_num_threads(1)
    write((ours if side == "ours" else loop)(what), target)
