"""Next-word prediction: a model's loss on running text, comparable between tokenizers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from brainalign.errors import InputError
from brainalign.models.loading import LanguageModel
from brainalign.reading.prediction import predictor, read_bits
from brainalign.reading.sequences import TokenSequence


def next_word_loss(
    model: LanguageModel,
    documents: Sequence[str],
    bos: str = "default",
    method: str = "prefix",
    window: int | None = None,
    stride: int | None = None,
    max_tokens: int | None = None,
    batch_tokens: int | None = None,
) -> dict[str, Any]:
    """Bits per token, word and byte of running text.

    Each token is scored once, after at least `window` - `stride` tokens of context where its
    document has so many. Contexts never cross documents.

    Parameters
    ----------
    documents : texts; a single one is a stream.
    bos : what stands before each window (see `sequences.special_tokens`).
    method : for encoder-decoder models (see `prediction.predictor`).
    window : most text tokens in view, the scored ones among them; default: the model's limit.
    stride : tokens scored per window; default: half a window.
    max_tokens : stop after so many tokens of the text; default: read all.
    batch_tokens : padded tokens of a batch (default: `forward.batch_budget`).

    Returns
    -------
    `bits_per_token`, `bits_per_word` (words are divided by whitespace), `bits_per_byte` (UTF-8),
    `perplexity` (per token), `bits`, the counts `tokens`, `words`, `bytes` of the scored text (a
    character of several tokens counts with each of them in part), `unknown_tokens` (scored ones
    that stand for text outside the vocabulary, whatever it is: the fewer bits per byte),
    `unscored_tokens` (the first of a document where nothing precedes it), `windows`, and the
    settings `model`, `window`, `stride`, `bos`, `method` (encoder-decoder models).

    Raises
    ------
    InputError : an unknown setting; a window beyond the model's limit; a stride that leaves no
        context; no text to score; probabilities that are not finite.
    """
    reader = predictor(model, bos, method)
    window = reader.limit if window is None else window
    stride = max(1, window // 2) if stride is None else stride
    if not 1 < window <= reader.limit:
        raise InputError(f"window {window}: expected 2 to {reader.limit}, what the model reads")
    if not 1 <= stride < window:
        raise InputError(f"stride {stride}: expected 1 to {window - 1}, less than the window")
    sequences: list[TokenSequence] = []
    counts = {"tokens": 0, "words": 0, "unknown_tokens": 0, "unscored_tokens": 0}
    n_bytes = 0.0
    budget = math.inf if max_tokens is None else max_tokens
    for document in documents:
        encoded = model.tokenizer(
            document, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        ids = np.array(encoded["input_ids"], np.int64)
        ends = np.array([end for _, end in encoded["offset_mapping"]], np.int64)
        n = int(min(len(ids), budget))
        first = 0 if reader.predicts_first else 1
        budget -= n
        counts["unscored_tokens"] += min(n, first)
        if n <= first:
            continue
        scored = document[ends[first - 1] if first else 0 : ends[n - 1]]
        counts["tokens"] += n - first
        counts["words"] += len(scored.split())
        counts["unknown_tokens"] += int((ids[first:n] == model.tokenizer.unk_token_id).sum())
        n_bytes += float(_bytes(document, ends)[first:n].sum())
        sequences += _windows(ids[:n], first, window, stride, reader.share, len(sequences))
    if not sequences:
        raise InputError("next-word loss: the text holds no token to predict")
    names = [f"window {k}" for k in range(len(sequences))]
    bits = float(read_bits(reader, sequences, names, batch_tokens).sum())
    result = {
        "model": model.name,
        "window": window,
        "stride": stride,
        "bos": bos,
        "windows": len(sequences),
        **counts,
        "bytes": n_bytes,
        "bits": bits,
        "bits_per_token": bits / counts["tokens"],
        "bits_per_word": bits / max(1, counts["words"]),
        "bits_per_byte": bits / n_bytes if n_bytes else math.nan,
        "perplexity": 2 ** (bits / counts["tokens"]),
    }
    return result | ({"method": method} if model.architecture == "encoder-decoder" else {})


def _bytes(text: str, ends: np.ndarray) -> np.ndarray:
    """UTF-8 bytes of each token, float64 [token], from the character offsets that tokens end at.

    What lies between two tokens is the latter's; tokens that end at one character share its bytes.
    """
    positions, token, sharing = np.unique(ends, return_inverse=True, return_counts=True)
    starts = [0, *positions[:-1].tolist()]
    sizes = [len(text[a:b].encode()) for a, b in zip(starts, positions.tolist(), strict=True)]
    return (np.array(sizes) / sharing)[token]


def _windows(
    ids: np.ndarray, first: int, window: int, stride: int, fill: bool, row: int
) -> list[TokenSequence]:
    """Windows that score the tokens from `first` on, each once, from number `row` on.

    `fill`: the first window scores as many as fit (nothing is lost: they see what precedes them).
    """
    result = []
    done = first
    while done < len(ids):
        stop = min(len(ids), max(window if fill else 0, done + stride))
        begin = max(0, stop - window)
        result.append(TokenSequence(ids[begin:stop], [row], [done - begin], [stop - begin]))
        row, done = row + 1, stop
    return result
