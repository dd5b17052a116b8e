"""Token sequences: what a model is fed so that every stimulus is read once, in its exact context.

The definition is the naive one: the text of a stimulus (its context and itself) is tokenised by
itself, truncated on the left to the model's limit, and fed alone. Stimuli share a sequence where
that changes nothing: left-to-right models, whose tokens of the shorter text are the beginning of
the tokens of the longer one, and which fit whole.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brainalign.errors import InputError
from brainalign.models.chat import as_user
from brainalign.reading.contexts import Chain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# How a text is presented: alone, as the user's turn of the chat template, after a plain instruction
# (of Kuribayashi et al. 2024), or after as many tokens of a text that asks for nothing.
PRESENTATIONS = ("raw", "chat", "instruction", "prefix")
INSTRUCTION = "Please complete the following sentence: "
UNRELATED = (
    "The ferry to the outer islands leaves the harbour at nine and returns in the evening. " * 4
)
# Characters of left context that decide how a word is split. Tokenizers split at whitespace
# before they merge, so this is generous; beyond it a prefix' tokens are not derived again.
_REACH = 256
BOS = ("default", "none", "tokenizer")
UNKNOWN_SHARE = 0.05  # of the tokens, above which a log warns
LOG = logging.getLogger("brainalign")


@dataclass(frozen=True)
class Specials:
    """Token ids that go before and after the text of every sequence.

    `opening` is what `before` says in characters where it is text itself (a chat template's, an
    instruction): a text is then tokenised after it, as one with it. The first `added` of `before`
    are no part of the opening (BOS).
    """

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    opening: str = ""
    added: int = 0
    presentation: str = "raw"

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


NO_SPECIALS = Specials()


@dataclass(frozen=True)
class TokenSequence:
    """One input of the model, without special tokens, and which stimuli are read in it.

    `ids` is int64 [token]. The own tokens of the stimulus in row `rows[i]` are
    `ids[starts[i]:stops[i]]`.
    """

    ids: np.ndarray
    rows: list[int]
    starts: list[int]
    stops: list[int]


@dataclass(frozen=True)
class Plan:
    """Sequences in which every stimulus is read once, and what each stimulus sees.

    `n_tokens`, `context_tokens` and `unknown_tokens` (int64 [stimulus]) count the stimulus' own
    tokens, the text tokens before them that are in view, and its own ones that stand for text
    outside the vocabulary; `truncated` (bool [stimulus]) marks lost context.
    """

    sequences: list[TokenSequence]
    n_tokens: np.ndarray
    context_tokens: np.ndarray
    unknown_tokens: np.ndarray
    truncated: np.ndarray

    @property
    def tokens(self) -> int:
        """Text tokens fed in all."""
        return sum(len(sequence.ids) for sequence in self.sequences)


@dataclass(frozen=True)
class _Tokenised:
    """A stimulus in its text: own tokens `ids[start:stop]`; rows of a chain share `ids`."""

    row: int
    ids: np.ndarray
    start: int
    stop: int


def special_tokens(
    tokenizer: PreTrainedTokenizerFast, architecture: str, bos: str, presentation: str = "raw"
) -> Specials:
    """The special tokens around a text, and the text that it is presented after.

    Parameters
    ----------
    bos : `default`: what the tokenizer puts before a text by itself (GPT-2: nothing, LLaMA: its
        BOS token), as training texts had it. `none`: nothing. `tokenizer`: the tokenizer's BOS
        token, once, if it has one. Encoders always get what their tokenizer adds by itself ([CLS]
        and [SEP], </s>): no input that they were trained on lacked it.
    presentation : `raw`: the text alone. `chat`: the text is the user's turn of the tokenizer's
        chat template, which stands for `bos`. `instruction`: after `INSTRUCTION`. `prefix`: after
        as many tokens of `UNRELATED` as the instruction has. An encoder reads these, a decoder
        beside it goes on with the text alone.

    Raises
    ------
    InputError : `bos` or `presentation` is none of these; `chat` for a model without a chat
        template.
    """
    if bos not in BOS:
        raise InputError(f"bos {bos!r}: expected one of {', '.join(BOS)}")
    if presentation not in PRESENTATIONS:
        raise InputError(f"presentation {presentation!r}: expected {', '.join(PRESENTATIONS)}")
    around = _around(tokenizer, architecture, bos)
    if presentation == "raw":
        return around
    if presentation == "chat":
        if architecture == "decoder-only":
            around = NO_SPECIALS
        text = _chat_opening(tokenizer)
    else:
        text = INSTRUCTION if presentation == "instruction" else _unrelated(tokenizer)
    return _opening(tokenizer, text, presentation, around)


def _around(tokenizer: PreTrainedTokenizerFast, architecture: str, bos: str) -> Specials:
    added = _added(tokenizer)
    if architecture == "decoder-only":  # it goes on, so that no end token stands behind the text
        added = Specials(added.before) if bos == "default" else Specials()
    begin = tokenizer.bos_token_id
    if bos != "tokenizer" or begin is None or begin in added.before:
        return added
    return Specials((begin, *added.before), added.after)


def _added(tokenizer: PreTrainedTokenizerFast) -> Specials:
    """What the tokenizer puts around a text by itself."""
    marked = tokenizer("a", return_special_tokens_mask=True)
    text = [k for k, special in enumerate(marked["special_tokens_mask"]) if not special]
    ids = marked["input_ids"]
    return Specials(tuple(ids[: text[0]]), tuple(ids[text[-1] + 1 :]))


def _chat_opening(tokenizer: PreTrainedTokenizerFast) -> str:
    if not tokenizer.chat_template:
        raise InputError("presentation chat: the model's tokenizer has no chat template")
    text = "\N{OBJECT REPLACEMENT CHARACTER}"
    return as_user(tokenizer, text).partition(text)[0]


def _unrelated(tokenizer: PreTrainedTokenizerFast) -> str:
    """The beginning of `UNRELATED` that has as many tokens as the instruction."""
    asked = _encode(tokenizer, [INSTRUCTION.rstrip()])[0]
    ends = _encode(tokenizer, [UNRELATED])[0].ends
    return UNRELATED[: ends[len(asked.ids) - 1]].rstrip() + " "


def _opening(
    tokenizer: PreTrainedTokenizerFast, opening: str, presentation: str, around: Specials
) -> Specials:
    # A space that ends the opening is the first word's, as spaces between words are.
    encoded = _encode(tokenizer, [f"{opening}a"])[0]
    ids = tuple(encoded.ids[encoded.ends <= len(opening.rstrip(" "))].tolist())
    begin = around.before
    return Specials((*begin, *ids), around.after, opening, len(begin), presentation)


def plan(
    chains: Sequence[Chain],
    tokenizer: PreTrainedTokenizerFast,
    limit: int,
    names: Sequence[str],
    *,
    share: bool,
    stride: int | None = None,
    specials: Specials = NO_SPECIALS,
) -> Plan:
    """Lay the stimuli of all chains into token sequences.

    Parameters
    ----------
    chains : as `contexts.chains` makes them; they hold each row once.
    limit : the most text tokens of a sequence (the model's limit less special tokens).
    names : stimulus ids, for messages.
    share : whether stimuli may share a sequence (left-to-right models).
    stride : approximation for texts longer than `limit`: consecutive stimuli share a window as
        long as none loses more than `stride` tokens of context. None: each is exact.
    specials : what stands around each text; their opening, if any, is tokenised with it.

    Raises
    ------
    InputError : a stimulus without tokens, or with more than `limit`; a stride below 1; a text that
        changes the tokens of the opening.
    """
    if stride is not None and stride < 1:
        raise InputError(f"stride {stride}: expected a positive number of tokens, or none")
    n_rows = sum(len(chain.rows) for chain in chains)
    n_tokens, context_tokens, unknown_tokens = np.zeros((3, n_rows), np.int64)
    truncated = np.zeros(n_rows, bool)
    sequences = []
    tokenised = _tokenise(chains, tokenizer, specials)
    for members in (m for chain in tokenised for m in _together(chain, limit, share, stride)):
        last = members[-1]
        begin = max(0, last.stop - limit)
        for member in members:
            size = member.stop - member.start
            if size < 1 or member.start < begin:
                result = f"has {size} tokens, the model reads at most {limit}"
                raise InputError(
                    f"stimulus {names[member.row]} {result if size else 'has no token'}"
                )
            n_tokens[member.row] = size
            context_tokens[member.row] = member.start - begin
            read = member.ids[member.start : member.stop]
            unknown_tokens[member.row] = (read == tokenizer.unk_token_id).sum()
            truncated[member.row] = begin > 0
        sequences.append(
            TokenSequence(
                last.ids[begin : last.stop],
                [member.row for member in members],
                [member.start - begin for member in members],
                [member.stop - begin for member in members],
            )
        )
    return Plan(sequences, n_tokens, context_tokens, unknown_tokens, truncated)


def warn_of_unknown(model: str, unknown: int, tokens: int) -> None:
    """Log a warning where many of the tokens stand for text outside the vocabulary."""
    if unknown > UNKNOWN_SHARE * tokens:
        LOG.warning(
            "%d of %d tokens are unknown words to %s: its score tells little about this text",
            unknown, tokens, model,
        )  # fmt: skip


def _together(
    chain: list[_Tokenised], limit: int, share: bool, stride: int | None
) -> Iterator[list[_Tokenised]]:
    """The stimuli of each sequence, in order; those of `chain` have the same `ids`."""
    members: list[_Tokenised] = []
    for member in chain:
        if members and not (share and _fits(members[0], member, limit, stride)):
            yield members
            members = []
        members.append(member)
    yield members


def _fits(first: _Tokenised, last: _Tokenised, limit: int, stride: int | None) -> bool:
    """Whether one sequence may hold the stimuli from `first` to `last`."""
    if last.stop <= limit:
        return True
    return (
        stride is not None
        and first.stop > limit  # what fits whole stays exact
        and last.stop - first.stop <= stride
        and last.stop - first.start <= limit
    )


def _tokenise(
    chains: Sequence[Chain], tokenizer: PreTrainedTokenizerFast, specials: Specials
) -> Iterator[list[_Tokenised]]:
    """Tokenise the text of every stimulus; those in one list have the same `ids`."""
    opening = specials.opening

    def encode(texts: list[str]) -> list[_Encoded]:
        if not opening:
            return _encode(tokenizer, texts)
        result = _encode(tokenizer, [opening + text for text in texts])
        return [_after(text, specials) for text in result]

    wholes = encode([chain.text for chain in chains])
    prefixes = [(chain, end) for chain in chains for end in chain.ends]
    cuts = [_cut(chain.text, end) for chain, end in prefixes]
    begun = iter(
        encode([c.text[:end] for (c, end), cut in zip(prefixes, cuts, strict=True) if not cut])
    )
    inside = iter(
        _encode(
            tokenizer,
            [c.text[cut:end] for (c, end), cut in zip(prefixes, cuts, strict=True) if cut],
        )
    )
    tails = [next(inside if cut else begun) for cut in cuts]
    k = 0
    for chain, full in zip(chains, wholes, strict=True):
        shared = []
        for row, start, end in zip(chain.rows, chain.starts, chain.ends, strict=True):
            text, cut, tail = full, cuts[k], tails[k]
            k += 1
            if not _agree(full, tail, cut, end):
                text = tail if cut == 0 else encode([chain.text[:end]])[0]
            stop = int(np.searchsorted(text.ends, end, side="right"))
            first = int(np.searchsorted(text.ends[:stop], start, side="right")) if start else 0
            member = _Tokenised(row, text.ids, first, stop)
            if text is full:
                shared.append(member)
            else:
                yield [member]
        if shared:
            yield shared


@dataclass(frozen=True)
class _Encoded:
    """Token ids and the character offset at which each token ends."""

    ids: np.ndarray
    ends: np.ndarray


def _encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[_Encoded]:
    if not texts:
        return []
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return [
        _Encoded(np.array(ids, np.int64), np.array([end for _, end in offsets], np.int64))
        for ids, offsets in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]


def _after(full: _Encoded, specials: Specials) -> _Encoded:
    """The tokens of a text that was tokenised after the opening."""
    expected = specials.before[specials.added :]
    n = len(expected)
    if tuple(full.ids[:n].tolist()) != expected:
        raise InputError(
            f"presentation {specials.presentation}: the tokens of the text before a stimulus "
            "change with the stimulus"
        )
    return _Encoded(full.ids[n:], np.maximum(full.ends[n:] - len(specials.opening), 0))


def _cut(text: str, end: int) -> int:
    """Where the part of `text[:end]` begins that is tokenised to see how it ends."""
    return 0 if end <= 2 * _REACH else max(0, text.rfind(" ", 0, end - _REACH))


def _agree(full: _Encoded, tail: _Encoded, cut: int, end: int) -> bool:
    """Whether the tokens of `text[cut:end]` are those that the whole text has there.

    The first tokens of a part that begins inside the text may differ: the latter half counts.
    """
    stop = int(np.searchsorted(full.ends, end, side="right"))
    sure = cut + _REACH // 2 if cut else 0
    ours = int(np.searchsorted(tail.ends + cut, sure, side="right")) if cut else 0
    theirs = int(np.searchsorted(full.ends[:stop], sure, side="right")) if cut else 0
    return np.array_equal(tail.ids[ours:], full.ids[theirs:stop]) and np.array_equal(
        tail.ends[ours:] + cut, full.ends[theirs:stop]
    )
