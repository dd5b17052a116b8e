"""Surprisal: how unexpected each word is to a model, in bits.

The bits of a word are the sum over its tokens of -log2 p(token | everything before it in view).
"""

import pandas as pd

from brainalign.models.loading import LanguageModel
from brainalign.reading.contexts import chains
from brainalign.reading.lens import read_bits_by_layer
from brainalign.reading.prediction import Predictor, predictor, read_bits, whitespace_of
from brainalign.reading.sequences import Plan, plan


def word_surprisal(
    model: LanguageModel,
    stimuli: pd.DataFrame,
    context: str,
    bos: str = "default",
    method: str = "prefix",
    stride: int | None = None,
    presentation: str = "raw",
    whitespace: str = "leading",
    batch_tokens: int | None = None,
) -> pd.DataFrame:
    """The surprisal of every stimulus (word) in its context.

    Parameters
    ----------
    stimuli : table with `stimulus_id`, `text` and `context_group`, in reading order.
    context : a rule of reading/contexts.py; `story` starts afresh in each context group,
        `corpus` never does.
    bos, presentation : what stands before the text (see `sequences.special_tokens`).
    method : for encoder-decoder models (see `prediction.predictor`).
    stride : approximation for contexts beyond the model's limit (see `sequences.plan`); None: each
        word is read after as much context as fits.
    whitespace : `leading` or `trailing` (see `prediction.read_bits`), or `by-tokenizer` (see
        `prediction.whitespace_of`).
    batch_tokens : padded tokens of a batch (default: `forward.batch_budget`).

    Returns
    -------
    A row per stimulus: `stimulus_id`, `word`, `bits` (float64; NaN where nothing precedes the
    word), `n_tokens`, `context_tokens` (text tokens in view before the word), `unknown_tokens`
    (own ones that stand for text outside the vocabulary, whatever it is), `truncated`,
    `whitespace` (`leading` or `trailing`).

    Raises
    ------
    InputError : an unknown setting; a masked model; a stimulus without tokens or longer than the
        model's limit; probabilities that are not finite.
    """
    reader = predictor(model, bos, method, presentation)
    ids = stimuli["stimulus_id"].tolist()
    reading = _planned(reader, stimuli, context, stride)
    space = whitespace_of(model, whitespace)
    return pd.DataFrame(
        {
            "stimulus_id": ids,
            "word": stimuli["text"].to_numpy(),
            "bits": read_bits(reader, reading.sequences, ids, batch_tokens, space),
            "n_tokens": reading.n_tokens,
            "context_tokens": reading.context_tokens,
            "unknown_tokens": reading.unknown_tokens,
            "truncated": reading.truncated,
            "whitespace": space,
        }
    )


def layer_surprisal(
    model: LanguageModel,
    stimuli: pd.DataFrame,
    context: str,
    bos: str = "default",
    method: str = "prefix",
    stride: int | None = None,
    presentation: str = "raw",
    whitespace: str = "leading",
    batch_tokens: int | None = None,
) -> pd.DataFrame:
    """The surprisal of every stimulus by the logit lens at every layer (see `lens`).

    Parameters and errors are those of `word_surprisal`.

    Returns
    -------
    A row per stimulus: `stimulus_id`, and the bits by each layer in a column of its name, float64;
    the last is `bits` of `word_surprisal`.
    """
    reader = predictor(model, bos, method, presentation)
    ids = stimuli["stimulus_id"].tolist()
    sequences = _planned(reader, stimuli, context, stride).sequences
    space = whitespace_of(model, whitespace)
    bits = read_bits_by_layer(reader, sequences, ids, batch_tokens, space)
    return pd.DataFrame({"stimulus_id": ids, **bits})


def _planned(reader: Predictor, stimuli: pd.DataFrame, context: str, stride: int | None) -> Plan:
    return plan(
        chains(stimuli, context),
        reader.model.tokenizer,
        reader.limit,
        stimuli["stimulus_id"].tolist(),
        share=reader.share,
        stride=stride,
        specials=reader.specials,
    )
