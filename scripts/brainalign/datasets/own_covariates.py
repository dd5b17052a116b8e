"""Covariates of words that an own table lacks."""

import pandas as pd

from brainalign.datasets.own_findings import Findings
from brainalign.datasets.words import covariates, sentences, unknown_words

OF_WORDS = ("length", "log_frequency", "punctuation")
OF_SENTENCES = ("sentence_id", "word_in_sentence")
# What `with_covariates` makes, so no table needs it.
MADE = (*OF_WORDS, "frequency_known", *OF_SENTENCES)


def with_covariates(stimuli: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Words with the covariates that their table lacks, made of their texts.

    `length`, `log_frequency` (with `frequency_known`) and `punctuation` as `words.covariates`,
    `sentence_id` as `words.sentences` in each context group, `word_in_sentence` counted from 1 in
    each sentence. What the table holds stays as it is.
    """
    texts = stimuli["text"].tolist()
    absent = [name for name in OF_WORDS if name not in stimuli]
    if absent:
        made = covariates(texts)
        if "log_frequency" in absent:
            absent.append("frequency_known")
            findings.made += unknown_words(made.assign(text=texts))
        stimuli = stimuli.assign(**{name: made[name].to_numpy() for name in absent})
    groups = stimuli.groupby("context_group", sort=False)
    if not set(OF_SENTENCES) & set(stimuli):
        absent += OF_SENTENCES
        stimuli = pd.concat([_with_sentences(part) for _, part in groups]).sort_index()
        stimuli["sentence_id"] = _numbered(stimuli)
    elif "sentence_id" not in stimuli:
        absent.append("sentence_id")
        begins = ~(groups["word_in_sentence"].diff() > 0)
        stimuli = stimuli.assign(sentence_id=begins.cumsum())
    elif "word_in_sentence" not in stimuli:
        absent.append("word_in_sentence")
        of_sentence = stimuli.groupby(["context_group", "sentence_id"], sort=False, dropna=False)
        stimuli = stimuli.assign(word_in_sentence=of_sentence.cumcount() + 1)
    if absent:
        findings.made.insert(
            0,
            f"made of the texts, as the table has no such columns: {', '.join(absent)} "
            "(log_frequency: wordfreq's English list)",
        )
    return stimuli


def _with_sentences(group: pd.DataFrame) -> pd.DataFrame:
    sentence, index = sentences(group["text"].tolist())
    return group.assign(sentence_id=sentence, word_in_sentence=index)


def _numbered(stimuli: pd.DataFrame) -> pd.Series:
    """Sentences numbered from 1 through all context groups."""
    keys = ["context_group", "sentence_id"]
    return stimuli.groupby(keys, sort=False).ngroup() + 1
