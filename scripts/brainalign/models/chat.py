"""Chat templates: a text as the user's turn, the same on every day."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# For templates that say what day it is: values would change with it, and killed jobs go on with
# other prompts than they began with.
DATE = datetime(2024, 7, 26)


def as_user(tokenizer: PreTrainedTokenizerFast, text: str, answer: bool = False) -> str:
    """What the tokenizer's chat template makes of a user's message, as text.

    `answer`: with the opening of the assistant's turn after it.
    """
    return str(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            tokenize=False,
            add_generation_prompt=answer,
            strftime_now=DATE.strftime,
        )
    )
