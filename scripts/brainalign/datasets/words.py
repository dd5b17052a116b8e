"""Word covariates: length, frequency, punctuation, position in the sentence."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

SENTENCE_ENDS = (".", "?", "!", ".'", "?'", "!'", ";'")


def covariates(words: Sequence[str]) -> pd.DataFrame:
    """Covariates of each word as it was shown.

    Returns
    -------
    DataFrame with `length` (int, characters with punctuation), `log_frequency` (Zipf scale: log10
    of occurrences per billion words in wordfreq's large English list), `frequency_known` (bool)
    and `punctuation` (bool: a character other than a letter or digit at its end). A word outside
    the list has the frequency of its rarest word: it is that rare at least.
    """
    from wordfreq import freq_to_zipf, get_frequency_dict, zipf_frequency

    zipf = {word: zipf_frequency(word, "en") for word in set(words)}
    frequency = np.array([zipf[word] for word in words], dtype=float)
    known = frequency > 0  # wordfreq gives 0 to a word outside its list
    frequency[~known] = freq_to_zipf(min(get_frequency_dict("en").values()))
    return pd.DataFrame(
        {
            "length": np.array([len(word) for word in words], dtype=np.int64),
            "log_frequency": frequency,
            "frequency_known": known,
            "punctuation": np.array([not word[-1].isalnum() for word in words], dtype=bool),
        }
    )


def word_stimuli(
    stimulus_id: Sequence[str] | pd.Series,
    text: Sequence[str],
    story: pd.Series,
    position: pd.Series,
    sentence: pd.Series | np.ndarray,
    in_sentence: pd.Series | np.ndarray,
) -> pd.DataFrame:
    """stimuli.parquet of words that have no times: a row per word, with `covariates`, `sentence_id`
    and `word_in_sentence`.

    Parameters
    ----------
    stimulus_id, text : of each word, [word].
    story : [word], what context does not cross and grouped folds hold out.
    position : [word], in its story.
    sentence, in_sentence : [word], its sentence, and its position in the sentence from 1.
    """
    stimuli = pd.DataFrame(
        {
            "stimulus_id": list(stimulus_id),
            "text": list(text),
            "context_group": story.to_numpy(),
            "position": position.to_numpy(),
            "split_group": story.to_numpy(),
            "onset": np.nan,
            "offset": np.nan,
        }
    )
    return pd.concat([stimuli, covariates(text)], axis=1).assign(
        sentence_id=np.asarray(sentence), word_in_sentence=np.asarray(in_sentence)
    )


def unknown_words(stimuli: pd.DataFrame) -> list[str]:
    """A note for the data card on words without a frequency of their own; none if there are none.

    Parameters
    ----------
    stimuli : `text` and the columns of `covariates`.
    """
    unknown = stimuli[~stimuli["frequency_known"]]
    if unknown.empty:
        return []
    return [
        f"{len(unknown)} words outside wordfreq's list (first {unknown['text'].iloc[0]!r}) have "
        f"the log_frequency of its rarest word, {unknown['log_frequency'].iloc[0]:.2f}"
    ]


def text_covariates(texts: Sequence[str]) -> pd.DataFrame:
    """`length` (characters) and `n_words` of stimuli that are longer than a word, both int64."""
    return pd.DataFrame(
        {
            "length": np.array([len(text) for text in texts], dtype=np.int64),
            "n_words": np.array([len(text.split()) for text in texts], dtype=np.int64),
        }
    )


def sentences(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sentence of each word and its position therein, both from 1, int64 [word].

    A sentence ends at a word with one of `SENTENCE_ENDS` (double quote marks aside), unless the
    next word is in lower case (direct speech goes on) or the word is "Mr."; the rule of
    Brain-Score's Futrell2018 packaging, which finds 481 sentences in Natural Stories.
    """
    sentence, index = np.empty(len(words), np.int64), np.empty(len(words), np.int64)
    current, within = 1, 0
    for i, word in enumerate(words):
        within += 1
        sentence[i], index[i] = current, within
        following = words[i + 1] if i + 1 < len(words) else None
        ends = word.rstrip('"”').endswith(SENTENCE_ENDS) and word != "Mr."
        if ends and following is not None and not following.islower():
            current, within = current + 1, 0
    return sentence, index
