"""One timed run of capability.py: `models` writes the models, `peer` and `ours` answer with them.

The last line printed is a JSON object. `peer` runs in the peer's environment, without ours.
"""

import json
import logging
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VOCABULARY = 50257
NEW_TOKENS = 32
SUBJECT_HEADER = "The following are multiple choice questions (with answers) about  {}."


def subjects(assets: Path) -> list[str]:
    """The subjects whose questions lie in `assets`."""
    return sorted(path.stem.removesuffix("_test") for path in assets.glob("*_test.jsonl"))


def rows(assets: Path, subject: str, split: str) -> list[dict[str, Any]]:
    """The questions of one file."""
    text = (assets / f"{subject}_{split}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def write_models(assets: Path) -> dict[str, Any]:
    """Random models with one tokenizer, trained on the questions."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
        GPT2Config,
        PreTrainedTokenizerFast,
        T5Config,
    )

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    lines = [row["question"] for name in subjects(assets) for row in rows(assets, name, "test")]
    made.train_from_iterator(
        [*lines, *("Answer: A\n\n", " B", " C", " D") * 50],
        trainers.BpeTrainer(
            vocab_size=5000, special_tokens=["<pad>", "</s>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", model_max_length=2048
    )
    special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1, "vocab_size": VOCABULARY}
    torch.manual_seed(0)
    causal = AutoModelForCausalLM.from_config(GPT2Config(n_positions=2048, **special))
    encdec = AutoModelForSeq2SeqLM.from_config(
        T5Config(decoder_start_token_id=0, **special)
    )  # T5 small: 6 + 6 layers of 512
    for name, model in (("causal", causal), ("encdec", encdec)):
        model.save_pretrained(assets / name)
        tokenizer.save_pretrained(assets / name)
    return {}


def ours(assets: Path, work: str) -> dict[str, Any]:
    """Answer with brainalign."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    import pandas as pd
    import torch
    from brainalign.capability.answering import answer
    from brainalign.capability.tasks import Task
    from brainalign.models.loading import load
    from brainalign.models.manifest import describe

    kind, architecture = work.split("-")
    folder = assets / architecture
    manifest = describe(
        folder, architecture, {"type": "folder", "path": str(folder)}, simulated=True,
        max_context=2048,
    )  # fmt: skip
    model = load(manifest, "cpu", 1)
    frame = pd.DataFrame(
        {**row, "split": split, "subject": subject, "category": "all", "task": subject}
        for subject in subjects(assets)
        for split in ("dev", "test")
        for row in rows(assets, subject, split)
    )
    if kind == "mmlu":
        task = Task.from_config({"format": "multiple-choice", "scoring": "loglikelihood"})
    else:  # the shots are the file's first questions
        frame["split"] = "test"
        dev = frame["question_id"].str.contains("-dev-")
        frame = frame[~dev | (frame.groupby("subject").cumcount() < 3)]
        task = Task.from_config(
            {"format": "generation", "scoring": "legacy", "max_new_tokens": NEW_TOKENS}
        )
    rate = matrix_rate(torch)
    measure = Measure()
    records = [record for batch in answer(model, frame, task) for record in batch]
    result = measure.result()
    key = "choice_loglikelihoods" if kind == "mmlu" else "generated"
    result["answers"] = {
        record["question_id"]: record[key] if kind == "mmlu" else record[key].strip()
        for record in records
    }
    rate = max(rate, matrix_rate(torch))
    result["limit_s"] = flops(model, frame, records) / rate if kind == "mmlu" else None
    return result


def flops(model: Any, frame: Any, records: list[dict[str, Any]]) -> float:
    """Multiplications and additions of each distinct token once, the head once per question."""
    from brainalign.capability.prompts import instructeval_choice

    blocks = "encoder.block" if model.architecture == "encoder-decoder" else ".h."
    weights = sum(p.numel() for n, p in model.model.named_parameters() if blocks in n)
    own = {
        row["question_id"]: len(
            model.tokenizer(instructeval_choice(row["question"], row["choices"], row["gold"]).body)[
                "input_ids"
            ]
        )
        for row in frame.to_dict("records")
    }
    tokens = 0
    shared: dict[str, int] = {}
    for record in records:
        if model.architecture == "encoder-decoder":
            tokens += record["prompt_tokens"]
        else:
            tokens += own[record["question_id"]]
            before = record["prompt_tokens"] - own[record["question_id"]]
            shared[record["subject"]] = before
    tokens += sum(shared.values())
    return 2.0 * weights * tokens + 2.0 * len(records) * VOCABULARY * model.d_model


def matrix_rate(torch: Any, size: int = 1024) -> float:
    """Floating-point operations per second of a matrix product, the best of three."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def peer(assets: Path, work: str) -> dict[str, Any]:
    """Answer the same prompts with lm-eval."""
    logging.disable(logging.WARNING)
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(1)
    kind, architecture = work.split("-")
    folder = Path(tempfile.mkdtemp())
    names = subjects(assets)
    for name in names:
        (folder / f"{name}.yaml").write_text(peer_task(assets, kind, name))
    model = HFLM(
        pretrained=str(assets / architecture),
        backend="seq2seq" if architecture == "encdec" else "causal",
        device="cpu", dtype="float32", batch_size=8, max_length=2048,
    )  # fmt: skip
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    measure = Measure()
    found = lm_eval.simple_evaluate(
        model=model,
        tasks=[f"{kind}_{name}" for name in names],
        num_fewshot=5 if kind == "mmlu" else 3,
        task_manager=manager,
        log_samples=True,
        bootstrap_iters=0,
    )
    result = measure.result()
    result["answers"] = {}
    for samples in found["samples"].values():
        for sample in samples:
            given = sample["resps"]
            result["answers"][sample["doc"]["question_id"]] = (
                [float(one[0][0]) for one in given] if kind == "mmlu" else given[0][0].strip()
            )
    return result


def peer_task(assets: Path, kind: str, name: str) -> str:
    """A task of lm-eval that puts our prompts, as YAML."""
    common = f"""task: {kind}_{name}
dataset_path: json
dataset_kwargs:
  data_files:
    dev: {assets}/{name}_dev.jsonl
    test: {assets}/{name}_test.jsonl
test_split: test
fewshot_split: dev
fewshot_config:
  sampler: first_n
"""
    if kind == "mmlu":
        options = "".join(
            f"\\n{letter}. {{{{choices[{place}]}}}}" for place, letter in enumerate("ABCD")
        )
        header = SUBJECT_HEADER.format(name.replace("_", " "))
        return common + (
            f'output_type: multiple_choice\ndescription: "{header}\\n\\n"\n'
            f'doc_to_text: "{{{{question}}}}{options}\\nAnswer:"\n'
            'doc_to_choice: ["A", "B", "C", "D"]\ndoc_to_target: gold\n'
            "metric_list:\n  - metric: acc\n"
        )
    return common + (
        'output_type: generate_until\ndoc_to_text: "{{input}}\\nAnswer:"\n'
        'doc_to_target: "{{target}}"\ngeneration_kwargs:\n  until: ["\\n"]\n'
        f"  max_gen_toks: {NEW_TOKENS}\n  do_sample: false\n"
        "metric_list:\n  - metric: exact_match\n"
    )


class Measure:
    """CPU seconds, wall seconds and growth of the peak memory since it was made."""

    def __init__(self) -> None:
        self.memory = _peak_mb()
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def result(self) -> dict[str, Any]:
        """What has been used so far."""
        return {
            "cpu_s": time.process_time() - self.cpu,
            "wall_s": time.perf_counter() - self.wall,
            "growth_mb": _peak_mb() - self.memory,
        }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    side, work, assets = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
    done = {"models": lambda: write_models(assets)}.get(
        side, lambda: (peer if side == "peer" else ours)(assets, work)
    )()
    print(json.dumps(done))
