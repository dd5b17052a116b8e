"""The number of a word's tokens as its surprisal: what any tokenizer says of reading times."""

import pandas as pd

from brainalign.errors import InputError


def token_counts(surprisal: pd.DataFrame, where: str) -> pd.DataFrame:
    """A table in the form of a surprisal file, with counts of tokens in column `bits`.

    Untrained, a language model gives each token about the same probability, so the surprisal of a
    word is about proportional to the number of its tokens. That number goes with length, frequency
    and punctuation, and with reading times.

    Parameters
    ----------
    surprisal : a surprisal file of any model that has the tokenizer: `stimulus_id`, `word`,
        `n_tokens`.
    where : the file's path, for messages.

    Raises
    ------
    InputError : the numbers of tokens are not known.
    """
    counts = pd.to_numeric(surprisal["n_tokens"], errors="coerce")
    if counts.isna().all():
        raise InputError(f"{where}: n_tokens is empty: the model's tokens are not known")
    return surprisal[["stimulus_id", "word", "n_tokens"]].assign(bits=counts.astype(float))
