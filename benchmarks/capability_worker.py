"""One timed run of capability.py: `models` writes the random models, `real` the real one and real
questions; `peer` and `ours` answer with them.

`peer` runs in the peer's environment, without ours. Values are in the order of the questions' ids:
log-likelihoods of the choices (MMLU, BLiMP) or texts (BBH).
"""

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Measured, matrix_rate, write

ASSETS = Path(__file__).parent / ".environments" / "capability-assets"
VOCABULARY = 50257
NEW_TOKENS = 32
SHOTS = {"mmlu": 5, "bbh": 3, "blimp": 0}
WINDOW = 2048
BLOCKS = (".h.", ".layers.", "encoder.block")
REAL_SUBJECTS = 5
REAL_QUESTIONS = 8
REAL_PARADIGMS, REAL_PAIRS = ["adjunct_island", "regular_plural_subject_verb_agreement_1"], 100
STUDY = Path(__file__).parents[1] / "studies" / "capability.yaml"
SUBJECT_HEADER = "The following are multiple choice questions (with answers) about  {}."


def questions_of(work: str) -> Path:
    """The folder of a work's questions."""
    kind, architecture = work.split("-")
    if architecture == "smollm2":
        return ASSETS / "real" / kind
    return ASSETS / ("blimp-synthetic" if kind == "blimp" else "synthetic")


def subjects(folder: Path) -> list[str]:
    """The subjects whose questions lie in a folder."""
    return sorted(path.stem.removesuffix("_test") for path in folder.glob("*_test.jsonl"))


def rows(folder: Path, subject: str, split: str) -> list[dict[str, Any]]:
    """The questions of one file; minimal pairs have none of split dev."""
    if split == "dev" and folder.name.startswith("blimp"):
        return []
    text = (folder / f"{subject}_{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def write_models() -> dict[str, Any]:
    """Random models with one tokenizer, trained on the questions."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
        GPT2Config,
        LlamaConfig,
        PreTrainedTokenizerFast,
        T5Config,
    )

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    folder = ASSETS / "synthetic"
    lines = [row["question"] for name in subjects(folder) for row in rows(folder, name, "test")]
    made.train_from_iterator(
        [*lines, *("Answer: A\n\n", " B", " C", " D") * 50],
        trainers.BpeTrainer(
            vocab_size=5000, special_tokens=["<pad>", "</s>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    # As many tokens as the model has, so that whatever it writes is a text.
    spec = json.loads(made.to_str())
    vocabulary = spec["model"]["vocab"]
    vocabulary |= {f"w{number}": number for number in range(len(vocabulary), VOCABULARY)}
    made = Tokenizer.from_str(json.dumps(spec))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", model_max_length=WINDOW
    )
    special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1, "vocab_size": VOCABULARY}
    torch.manual_seed(0)
    causal = AutoModelForCausalLM.from_config(GPT2Config(n_positions=WINDOW, **special))
    encdec = AutoModelForSeq2SeqLM.from_config(
        T5Config(decoder_start_token_id=0, **special)
    )  # T5 small: 6 + 6 layers of 512
    llama = AutoModelForCausalLM.from_config(
        LlamaConfig(
            hidden_size=256, intermediate_size=688, num_hidden_layers=6, num_attention_heads=8,
            num_key_value_heads=4, max_position_embeddings=WINDOW, **special,
        )
    )  # fmt: skip
    for name, model in (("causal", causal), ("encdec", encdec), ("llama", llama)):
        model.save_pretrained(ASSETS / name)
        tokenizer.save_pretrained(ASSETS / name)
    return {}


def write_real(mirror: Path | None) -> dict[str, Any]:
    """SmolLM2-135M-Instruct, and questions of the first files of MMLU and BBH."""
    import yaml
    from brainalign.datasets import bbh, blimp, mmlu
    from brainalign.datasets.question_settings import Bbh, Blimp, Mmlu
    from brainalign.datasets.raw import locate
    from brainalign.models.settings import Fetched
    from brainalign.models.sources import resolve
    from brainalign.settings import read

    downloads = Path(__file__).parents[1] / "downloads"
    study = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    source = study["models"]["smollm2-135m-instruct"]["source"]
    resolve(read(source, Fetched), converted=ASSETS / "smollm2", mirror=mirror, downloads=downloads)
    for kind, reader, asked in (("mmlu", mmlu, Mmlu), ("bbh", bbh, Bbh)):
        questions = asked(per_subject=REAL_QUESTIONS)
        records = locate(reader.raw_files(questions), mirror, downloads)
        table = reader.read(records, questions, seed=1)
        folder = ASSETS / "real" / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(table["subject"].unique())[:REAL_SUBJECTS]:
            of_subject = table[table["subject"] == name]
            test = of_subject[of_subject["split"] == "test"]
            parts = {"dev": of_subject[of_subject["split"] == "dev"], "test": test}
            if kind == "bbh":
                parts = {"dev": test[:3], "test": test[3:]}
            for split, part in parts.items():
                part.to_json(folder / f"{name}_{split}.jsonl", orient="records", lines=True)
    pairs = Blimp(paradigms=REAL_PARADIGMS, per_subject=REAL_PAIRS)
    table = blimp.read(locate(blimp.raw_files(pairs), mirror, downloads), pairs, seed=1)
    folder = ASSETS / "real" / "blimp"
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in table.groupby("subject"):
        part.to_json(folder / f"{name}_test.jsonl", orient="records", lines=True)
    return {}


def ours(work: str) -> dict[str, Any]:
    """Answer with brainalign."""
    import pandas as pd
    import torch
    from brainalign.capability.answering import answer
    from brainalign.capability.settings import Generation, MinimalPairs, MultipleChoice
    from brainalign.capability.tasks import Task
    from brainalign.models.loading import load
    from brainalign.models.manifest import describe

    kind, architecture = work.split("-")
    questions = questions_of(work)
    folder = ASSETS / architecture
    manifest = describe(
        folder, architecture, {"type": "folder", "path": str(folder)}, simulated=True,
        max_context=WINDOW,
    )  # fmt: skip
    model = load(manifest, "cpu", 1)
    frame = pd.DataFrame(
        {"category": "all", "task": subject} | row | {"subject": subject, "split": split}
        for subject in subjects(questions)
        for split in ("dev", "test")
        for row in rows(questions, subject, split)
    )
    if kind == "mmlu":
        task = Task.of(MultipleChoice(scoring="loglikelihood"))
    elif kind == "blimp":
        task = Task.of(MinimalPairs())
    else:  # the shots are the file's first questions
        dev = frame["split"] == "dev"
        frame = frame[~dev | (frame.groupby("subject").cumcount() < 3)].assign(split="test")
        task = Task.of(Generation(scoring="legacy", max_new_tokens=NEW_TOKENS))
    rate = matrix_rate(torch.randn)
    touch(model.model)
    with Measured() as cost:
        records = [record for batch in answer(model, frame, task) for record in batch]
    answers = {
        record["question_id"]: record["generated"].strip()
        if kind == "bbh"
        else record["choice_loglikelihoods"]
        for record in records
    }
    rate = max(rate, matrix_rate(torch.randn))
    limit = None
    if kind == "mmlu":
        limit = flops(model, frame, records) / rate
    elif kind == "blimp":
        limit = pair_flops(model, records) / rate
    result = report(cost, answers, limit)
    return {**result, "ties": sum(record["tie"] for record in records)}


def report(cost: Measured, answers: dict[str, Any], limit: float | None = None) -> dict[str, Any]:
    """What is written of one side."""
    ids = sorted(answers)
    return {**cost.report([answers[one] for one in ids], limit=limit), "ids": np.array(ids)}


def flops(model: Any, frame: Any, records: list[dict[str, Any]]) -> float:
    """Multiplications and additions of each distinct token once, the head once per question."""
    from brainalign.capability.prompts import instructeval_choice

    weights = sum(
        parameter.numel()
        for name, parameter in model.model.named_parameters()
        if any(block in name for block in BLOCKS)
    )
    question_tokens = {
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
            tokens += question_tokens[record["question_id"]]
            before = record["prompt_tokens"] - question_tokens[record["question_id"]]
            shared[record["subject"]] = before
    tokens += sum(shared.values())
    head = model.model.get_output_embeddings().weight
    return 2.0 * weights * tokens + 2.0 * len(records) * head.numel()


def pair_flops(model: Any, records: list[dict[str, Any]]) -> float:
    """Multiplications and additions of every token of every sentence, the head's among them."""
    head = model.model.get_output_embeddings().weight.numel()
    weights = sum(
        parameter.numel()
        for name, parameter in model.model.named_parameters()
        if any(block in name for block in BLOCKS)
    )
    return 2.0 * (weights + head) * sum(sum(record["choice_tokens"]) for record in records)


def touch(network: Any) -> None:
    """Read every weight: a checkpoint that is mapped into memory takes it when it is first read."""
    for weight in network.parameters():
        weight.sum()


def peer(work: str) -> dict[str, Any]:
    """Answer the same prompts with lm-eval."""
    logging.disable(logging.WARNING)
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(1)
    kind, architecture = work.split("-")
    folder = Path(tempfile.mkdtemp())
    questions = questions_of(work)
    names = subjects(questions)
    for name in names:
        (folder / f"{name}.yaml").write_text(peer_task(questions, kind, name), encoding="utf-8")
    model = HFLM(
        pretrained=str(ASSETS / architecture),
        backend="seq2seq" if architecture == "encdec" else "causal",
        device="cpu", dtype="float32", batch_size=8, max_length=WINDOW,
    )  # fmt: skip
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    touch(model.model)
    with Measured() as cost:
        evaluation = lm_eval.simple_evaluate(
            model=model,
            tasks=[f"{kind}_{name}" for name in names],
            num_fewshot=SHOTS[kind],
            task_manager=manager,
            log_samples=True,
            bootstrap_iters=0,
        )
    answers: dict[str, Any] = {}
    for samples in evaluation["samples"].values():
        for sample in samples:
            given = sample["resps"]
            answers[sample["doc"]["question_id"]] = (
                given[0][0].strip() if kind == "bbh" else [float(one[0][0]) for one in given]
            )
    return report(cost, answers)


def peer_task(questions: Path, kind: str, name: str) -> str:
    """A task of lm-eval that puts our prompts, as YAML; minimal pairs as its template of blimp."""
    if kind == "blimp":
        return f"""task: {kind}_{name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {questions}/{name}_test.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: ""
doc_to_target: 0
doc_to_choice: "{{{{[good, bad]}}}}"
metric_list:
  - metric: acc
"""
    common = f"""task: {kind}_{name}
dataset_path: json
dataset_kwargs:
  data_files:
    dev: {questions}/{name}_dev.jsonl
    test: {questions}/{name}_test.jsonl
test_split: test
fewshot_split: dev
fewshot_config:
  sampler: first_n
"""
    if kind == "mmlu":
        options = "".join(
            f"\\n{letter}. {{{{choices[{index}]}}}}" for index, letter in enumerate("ABCD")
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


def main() -> None:
    """Do what is asked for, and write what was found."""
    side, what, target = sys.argv[1:]
    if side == "peer":
        write(peer(what), target)
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    if side == "models":
        write_models()
    elif side == "real":
        write_real(Path(what) if what else None)
    write(ours(what) if side == "ours" else {}, target)


if __name__ == "__main__":
    main()
