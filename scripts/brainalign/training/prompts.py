"""Prompt templates of instruction tuning: how a sample becomes a prompt and a response."""

from collections.abc import Mapping
from typing import NamedTuple

ALPACA = {
    "instruction and input": (
        "Below is an instruction that describes a task, paired with an input that provides further "
        "context. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
    ),
    "instruction": (
        "Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request.\n\n### Instruction:\n{instruction}\n\n### Response:"
    ),
    "input": "### Input:\n{input}\n\n### Response:",
    "nothing": "### Response:",
}
"""Stanford Alpaca's prompts with and without input (tatsu-lab/stanford_alpaca, train.py,
PROMPT_DICT); the last two are ours, for samples whose instruction is left out."""

PLAIN = {
    "instruction and input": "{instruction}\n\n{input}",
    "instruction": "{instruction}",
    "input": "{input}",
    "nothing": "",
}
"""The sample's words, as in FLAN (Wei et al. 2022): what evaluations look like."""

TEMPLATES: Mapping[str, tuple[Mapping[str, str], str]] = {
    "alpaca": (ALPACA, ""),
    "plain": (PLAIN, " "),
}
"""Name → templates, and what stands between prompt and response."""


class Example(NamedTuple):
    """What a model is tuned on: it reads `prompt + response` and learns the response."""

    prompt: str
    response: str


def example(sample: Mapping[str, str], template: str, *, instructed: bool = True) -> Example:
    """Put a sample (instruction, input, output, history) into a template.

    Parameters
    ----------
    template : a key of `TEMPLATES`.
    instructed : False leaves out the instruction and what was said before; where the input is
        empty too, only the response (after the template's header) is left.
    """
    wordings, separator = TEMPLATES[template]
    has_input = bool(sample.get("input", "").strip())
    if instructed:
        wording = wordings["instruction and input" if has_input else "instruction"]
    else:
        wording = wordings["input" if has_input else "nothing"]
    # One replacement per field: braces in a sample are its own.
    before, _, after = wording.partition("{input}")
    prompt = before.replace("{instruction}", sample["instruction"])
    if "{input}" in wording:
        prompt += sample["input"] + after
    if instructed and sample.get("history"):
        prompt = f"{sample['history']}\n\n{prompt}"
    return Example(prompt, separator + sample["output"])
