r"""The answer in a written text, whatever a model wraps it in.

The rules, in order; none of them looks at which answer is right.

1. *Reasoning.* Where a block `<think> … </think>` closes, only what follows the last one counts. A
   block that never closes holds no answer.
2. *End.* The text ends at an end-of-turn mark, and where the model goes on to a question of its
   making (a line that begins `Q:` or `Question:`).
3. *Marks.* Bold, code marks, `\boxed{}`, `\text{}` and dollar signs are taken off.
4. *Stated.* What follows "(the) (correct, final, …) answer/option/choice is", "Answer:" or, at the
   start of a line, "A:", on its line or the next that is not empty, if it has the question's form.
5. *Bare.* A line without such words, if the line itself reads as an answer of the question's form
   (`Form`). Reasoned answers are always stated.

A direct answer is in the first line that holds one (a stated one in it goes first), a reasoned one
in the last statement (Suzgun et al. 2023, section 3: what follows "the answer is").
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

BLOCK = r"(?:think|thinking|thought|reasoning)"
OPENED, CLOSED = re.compile(rf"<{BLOCK}>", re.I), re.compile(rf"</{BLOCK}>", re.I)
TURN_ENDS = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|end_of_text|>",
    "<|endoftext|>", "<|return|>", "</s>",
)  # fmt: skip
OVER = re.compile("|".join(map(re.escape, TURN_ENDS)) + r"|\n\s*(?:Q|Question):")
WRAPPED = re.compile(r"\\(?:boxed|text|mathbf|mathrm)\s*\{([^{}]*)\}")
MARKS = re.compile(r"\*\*|__|`|\$|\\[()\[\]]")
STATED = re.compile(
    r"\b(?:answer|option|choice)(?:\s+(?:to|for)\s+(?:this|the)\s+question)?"
    r"\s*(?:(?:is|would\s+be|should\s+be|must\s+be)\b\s*:?|:)|^\s*A:",
    re.I,
)
# Behind a word, and behind a letter, which may be a word: "A date", "I, for one", "I'd say".
WORD_STOP = r"(?=\s*(?:[.,;:!?\"')\]]|$)|\s+(?:because|since|as)\b|\s+[-–—])"
LETTER_STOP = r"(?=\s*(?:[.:)\]]|$)|\s*,?\s+(?:because|since|as)\b|\s+[-–—])"
NUMBER = r"[-+−]?\s?\d[\d,]*(?:\.\d+)?"
BRACKETS = "()[]{}<>"
PAIRS = (("yes", "no"), ("true", "false"), ("valid", "invalid"))
OPENERS = re.compile(r"(?:sure|certainly|of course|okay|ok|great)\b[^.!]*[.!]?$", re.I)


@dataclass(frozen=True)
class Form:
    """What the answers to a question look like.

    kind : `option` (one of lettered options), `word` (one of a few words), `number` (a whole
        number), `brackets`, or `text` (anything).
    options : letter → text, of kind `option`; words : of kind `word`, in small letters.
    """

    kind: str
    options: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, question: str, target: str) -> Self:
        """The form of a question, by its list of options, or else by the kind of its target."""
        lettered = re.findall(r"^\(([A-Z])\)[ \t]*(.*?)[ \t]*$", question, re.M)
        form = cls("option", dict(lettered))
        if form._letter(target) or form._of_text.get(_words(target)):
            return form
        listed = question.rpartition("\nOptions:\n")[2] if "\nOptions:\n" in question else ""
        words = [line[2:].strip().casefold() for line in listed.split("\n") if line[:2] == "- "]
        pairs = [pair for pair in PAIRS if target.strip().casefold() in pair]
        if (words and all(word.isalpha() for word in words)) or pairs:
            return cls("word", words=tuple(words) or pairs[0])
        if re.fullmatch(r"-?\d+", target.strip()):
            return cls("number")
        if target.strip() and not set(target) - set(f"{BRACKETS} "):
            return cls("brackets")
        return cls("text")

    @classmethod
    def of_choices(cls, choices: Sequence[str]) -> Self:
        """The form of a multiple-choice question: an option is answered by its letter."""
        return cls("option", {chr(ord("A") + k): choice for k, choice in enumerate(choices)})

    @cached_property
    def _of_text(self) -> dict[str, str]:
        """Option's text → letter, of the texts that only one option has."""
        texts = [_words(text) for text in self.options.values()]
        return {
            text: letter
            for letter, text in zip(self.options, texts, strict=True)
            if text and texts.count(text) == 1
        }

    def canonical(self, answer: str) -> str:
        """An answer as it is compared with another.

        An option's letter in brackets; a number without commas; brackets without spaces. Else
        case, repeated white space, quotes, commas and a full stop at the end make no difference.
        """
        if self.kind == "option":
            letter = self._letter(answer) or self._of_text.get(_words(answer))
            return f"({letter})" if letter else _words(answer)
        if self.kind == "number":
            number = re.fullmatch(NUMBER, answer.strip())
            text = re.sub(r"[\s,+]", "", answer).replace("\N{MINUS SIGN}", "-")
            return re.sub(r"\.0*$", "", text) if number else answer.strip()
        if self.kind == "brackets":
            return "".join(answer.split())
        return _words(answer)

    def stated(self, text: str) -> str | None:
        """The answer that a text begins with which follows a statement ("the answer is")."""
        text = text.strip().lstrip(":=").strip()
        if self.kind == "option":
            rest = re.sub(r"^(?:option|choice|letter)\s+", "", text, flags=re.I)
            sentence = re.split(r"[.!?](?:\s|$)", rest)[0]
            return self._letter(rest) or self._of_text.get(_words(sentence)) or self._only(sentence)
        if self.kind == "word":
            text = re.sub(r"^(?:that\s+it\s+is\s+)?(?:deductively\s+)?", "", text, flags=re.I)
            return self._word(text, rf"^[\"'(]*(\w+){WORD_STOP}")
        if self.kind == "number":
            number = re.match(NUMBER, text)
            return number[0] if number else None
        if self.kind == "brackets":
            run = re.match(r"[\[\](){}<>\s]+", text.lstrip("\"'"))
            return run[0].strip() or None if run else None
        return text.removesuffix(".").strip() or None

    def bare(self, line: str) -> str | None:
        """The answer that a line consists of, without words such as "the answer is"."""
        if self.kind == "option":
            rest = re.sub(r"^(?:[-•*#]+\s+)?(?:option|choice)\s+", "", line, flags=re.I)
            return self._letter(rest) or self._of_text.get(_words(line)) or self._only(line)
        if self.kind == "word":
            return self._word(line, rf"^[-•*#\s\"'(]*(\w+){WORD_STOP}") or self._word(
                line, r"(?<!\bnot )\b(\w+)[\"')]*[.!]?$"
            )
        if self.kind == "number":
            full = re.fullmatch(rf"(?:.*=)?\s*({NUMBER})\s*[.!]?", line)
            full = full or re.match(rf"({NUMBER})(?=[,;:]\s)", line)
            if full and ("=" in line or re.match(NUMBER, line)):
                return full[1]
            numbers = re.findall(rf"(?<![\w.]){NUMBER}", line)
            return numbers[0] if len(numbers) == 1 and not line.endswith(":") else None
        if self.kind == "brackets":
            text = line.strip("\"'").removesuffix(".").strip()
            return text if text and not set(text) - set(f"{BRACKETS} ") else None
        if line.endswith(":") or OPENERS.match(line):
            return None  # it introduces what follows
        return line

    def _letter(self, text: str) -> str | None:
        """The option's letter that a text begins with: "(B) …", "B. …", "B" or "B, because"."""
        text = text.strip()
        result = (
            re.match(r"\(?([A-Za-z])\)", text)
            or re.match(rf"\(?([A-Z]){LETTER_STOP}", text)
            or re.fullmatch(r"([a-z])\.?", text)
        )
        return result[1].upper() if result and result[1].upper() in self.options else None

    def _only(self, text: str) -> str | None:
        """The only letter in brackets of a text that denies nothing."""
        letters = {letter.upper() for letter in re.findall(r"\(([A-Za-z])\)", text)}
        letters &= set(self.options)
        denied = re.search(r"\b(?:not|neither|nor)\b|n't\b", text)
        return letters.pop() if len(letters) == 1 and not denied else None

    def _word(self, text: str, pattern: str) -> str | None:
        result = re.search(pattern, text.strip())
        return result[1] if result and result[1].casefold() in self.words else None


def thinks_on(text: str) -> bool:
    """Whether a block of reasoning begins in the text and never closes."""
    opened = max((match.end() for match in OPENED.finditer(text)), default=-1)
    return opened > max((match.end() for match in CLOSED.finditer(text)), default=-1)


def unanswered(text: str, answer: str | None, cut: bool) -> str:
    """Why a text holds no answer: `thinking`, `cut` (at its limit), `nothing`; "" if it does."""
    if answer is not None:
        return ""
    if thinks_on(text):
        return "thinking"
    return "cut" if cut else "nothing"


def finished(text: str, form: Form, *, reasoned: bool = False) -> bool:
    """Whether what is written so far settles the answer: no further line can change it.

    A direct answer is settled by the first whole line that holds one; a reasoned one by a blank
    line after a statement. A question of the model's making ends both.
    """
    if thinks_on(text):
        return False
    said = CLOSED.split(text)[-1].lstrip()
    if OVER.search(said):
        return True
    if reasoned and not re.search(r"\n\s*\n\s*$", said):
        return False
    return extract(text.rpartition("\n")[0], form, reasoned=reasoned) is not None


def extract(text: str, form: Form, *, reasoned: bool = False) -> str | None:
    """The answer in a text, by the rules above; None: there is none.

    Parameters
    ----------
    form : what answers to the question look like.
    reasoned : whether reasoning precedes the answer: the last statement counts, not the first line.
    """
    if thinks_on(text):
        return None
    lines = _lines(text)
    if reasoned:
        stated = [
            answer for position in range(len(lines)) for answer in _stated(lines, position, form)
        ]
        return stated[-1] if stated else None
    for position, line in enumerate(lines):
        for answer in _stated(lines, position, form):
            return answer
        if not STATED.search(line) and (bare := form.bare(line)) is not None:
            return bare
    return None


def _stated(lines: Sequence[str], position: int, form: Form) -> Iterator[str]:
    """The answers that a line states; where it ends with the statement, the next line's."""
    for match in STATED.finditer(lines[position]):
        rest = lines[position][match.end() :].strip(" :")
        if not rest and position + 1 < len(lines):
            rest = lines[position + 1]
        if rest and (answer := form.stated(rest)) is not None:
            yield answer


def _lines(text: str) -> list[str]:
    """The lines of a text that are not empty, after its reasoning and without marks."""
    said = CLOSED.split(text)[-1].lstrip()
    said = OVER.split(said)[0]
    said = MARKS.sub("", WRAPPED.sub(r"\1", said))
    return [line.strip() for line in said.split("\n") if line.strip()]


def _words(answer: str) -> str:
    """An answer's words as they are compared: case, white space and punctuation do not count."""
    answer = re.sub(r"(?<=\w),", " " if re.search(r"[^\W\d]", answer) else "", answer.strip())
    return " ".join(answer.casefold().strip("\"'").removesuffix(".").split())
