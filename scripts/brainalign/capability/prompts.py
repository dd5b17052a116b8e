"""Prompts as text, and as the tokens that a model reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from brainalign.errors import InputError
from brainalign.models.chat import as_user

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Item:
    """A question up to where its answer begins, and the answer with what comes before it."""

    body: str
    answer: str


@dataclass(frozen=True)
class QuestionSet:
    """The questions of one subject as they are put: a header, worked examples, the questions.

    rows : the questions' rows of the table; items : the same as prompts.
    """

    header: str
    shots: tuple[Item, ...]
    rows: tuple[Mapping[Any, Any], ...]
    items: tuple[Item, ...]


def instructeval_header(subject: str) -> str:
    """The line above a subject's questions.

    InstructEval puts a space before each word of the subject and another one in the sentence, so
    two follow "about".
    """
    words = "".join(f" {word}" for word in subject.split("_"))
    return f"The following are multiple choice questions (with answers) about {words}.\n\n"


def instructeval_choice(question: str, choices: Sequence[str], gold: int) -> Item:
    """A multiple-choice question as InstructEval puts it; the answer is a letter."""
    options = "".join(
        f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False)
    )
    return Item(f"{question}{options}\nAnswer:", f" {LETTERS[gold]}")


def cloze_header(subject: str) -> str:
    """The line above a subject's questions whose options are not shown."""
    return f"The following are questions (with answers) about {subject.replace('_', ' ')}.\n\n"


def cloze(question: str, choices: Sequence[str], gold: int) -> Item:
    """A question without its options; the answer is a choice's full text."""
    return Item(f"{question}\nAnswer:", f" {choices[gold]}")


def instructeval_generation(text: str, target: str) -> Item:
    """A BIG-Bench Hard question as InstructEval puts it: no instruction, no reasoning."""
    return Item(f"{text}\nAnswer:", f" {target}")


@dataclass(frozen=True)
class Prompt:
    """A prompt as tokens.

    ids : what the model reads.
    text : the text that the tokens stand for, chat template included.
    shots : how many worked examples were kept.
    """

    ids: tuple[int, ...]
    text: str
    shots: int


class Prompter:
    """Turns questions into tokens for one model.

    Parameters
    ----------
    tokenizer : the model's.
    encoder_decoder : whether the model reads the prompt in an encoder.
    chat : whether the prompt becomes the user's message in the tokenizer's chat template.

    Raises
    ------
    InputError : `chat` is asked for and the tokenizer has no chat template.
    """

    def __init__(
        self, tokenizer: "PreTrainedTokenizerFast", *, encoder_decoder: bool, chat: bool
    ) -> None:
        if chat and tokenizer.chat_template is None:
            raise InputError("chat: true, but the model's tokenizer has no chat template")
        self.tokenizer = tokenizer
        self.encoder_decoder = encoder_decoder
        self.chat = chat
        self._plain = lru_cache(maxsize=1024)(self._encode_plain)  # letters recur

    def prompt(self, header: str, shots: Sequence[Item], body: str, limit: int) -> Prompt:
        """The prompt with as many shots as fit: the last shot is dropped first.

        Raises
        ------
        InputError : the question alone is longer than `limit` tokens.
        """
        for kept in range(len(shots), -1, -1):
            worked = "".join(f"{shot.body}{shot.answer}\n\n" for shot in shots[:kept])
            text, ids = self._encode(f"{header}{worked}{body}")
            if len(ids) <= limit:
                return Prompt(ids, text, kept)
        raise InputError(f"{len(ids)} tokens without any shot, but at most {limit} fit the model")

    def continuations(
        self, prompt: Prompt, answers: Sequence[str]
    ) -> tuple[int, list[tuple[int, ...]]]:
        """Answers as the tokens that follow a prompt.

        Returns
        -------
        overlap : how many of the prompt's last tokens the answers' tokens stand in for; above 0
            only where a token reaches across the end of the prompt.
        continuations : per answer its tokens after the prompt's others. They differ in length where
            the tokenizer splits an answer.
        """
        if self.encoder_decoder:
            return 0, [self._answer(self._plain(answer), answer) for answer in answers]
        if self.chat:  # the reply begins a turn of its own
            answers = [answer.lstrip() for answer in answers]
        # Tokens depend on their neighbours only, so the last lines stand for the whole prompt.
        tail = prompt.text[prompt.text.rfind("\n", 0, -1) :]
        before = self._plain(tail)
        joined = [self._plain(tail + answer) for answer in answers]
        common = min(_common_prefix(before, ids) for ids in joined)
        overlap = len(before) - common
        return overlap, [
            self._answer(ids[common:], answer) for ids, answer in zip(joined, answers, strict=True)
        ]

    def longest(self, answers: Sequence[str]) -> int:
        """How many tokens the longest of some answers has."""
        return max(len(self._plain(answer)) for answer in answers)

    @staticmethod
    def _answer(ids: tuple[int, ...], answer: str) -> tuple[int, ...]:
        if not ids:
            raise InputError(f"the tokenizer has no token for the answer {answer!r}")
        return ids

    def _encode(self, text: str) -> tuple[str, tuple[int, ...]]:
        if self.chat:
            text = as_user(self.tokenizer, text, answer=True)
            return text, self._encode_plain(text)
        ids = self.tokenizer(text)["input_ids"]
        if not self.encoder_decoder and ids and ids[-1] == self.tokenizer.eos_token_id:
            ids = ids[:-1]  # some tokenizers close every text, but this one goes on
        return text, tuple(ids)

    def _encode_plain(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    for length, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return length
    return min(len(one), len(other))
