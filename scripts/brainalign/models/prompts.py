"""Prompt templates of instruction tuning: how a sample becomes a prompt and a response."""

from collections.abc import Mapping
from typing import NamedTuple

from brainalign.errors import InputError

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
"""The sample's own words, as in FLAN (Wei et al. 2022): what evaluations look like."""

TEMPLATES: Mapping[str, tuple[Mapping[str, str], str]] = {
    "alpaca": (ALPACA, ""),
    "plain": (PLAIN, " "),
}
"""Name → templates, and what stands between prompt and response."""

ARMS = ("instruction", "no-instruction")


class Example(NamedTuple):
    """What a model is tuned on: it reads `prompt + response` and learns the response."""

    prompt: str
    response: str


def example(sample: Mapping[str, str], arm: str, template: str) -> Example:
    """Put a sample (instruction, input, output) into a template.

    Parameters
    ----------
    arm : `instruction`: the whole sample. `no-instruction`: the same without its instruction;
        where the input is empty too, only the response (after the template's header) is left.
    template : a key of `TEMPLATES`.

    Raises
    ------
    InputError : unknown arm or template.
    """
    if arm not in ARMS:
        raise InputError(f"arm: {arm!r}, expected one of {', '.join(ARMS)}")
    if template not in TEMPLATES:
        raise InputError(f"prompt: {template!r}, expected one of {', '.join(TEMPLATES)}")
    wordings, separator = TEMPLATES[template]
    has_input = bool(sample.get("input", "").strip())
    if arm == "instruction":
        wording = wordings["instruction and input" if has_input else "instruction"]
    else:
        wording = wordings["input" if has_input else "nothing"]
    # One replacement per field: braces in a sample are its own.
    before, _, after = wording.partition("{input}")
    prompt = before.replace("{instruction}", sample["instruction"])
    if "{input}" in wording:
        prompt += sample["input"] + after
    return Example(prompt, separator + sample["output"])
