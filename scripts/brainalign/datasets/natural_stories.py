"""Natural Stories: self-paced reading times, corrected release (Futrell et al. 2021)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.raw import RawFile, Record, by_name, raw_table, tab_separated
from brainalign.datasets.reading_times import (
    check_milliseconds,
    lag_profile,
    lean,
    reading_responses,
    warn_if_misaligned,
)
from brainalign.datasets.settings import NaturalStories
from brainalign.datasets.words import sentences, unknown_words, word_stimuli
from brainalign.errors import InputError

CITATION = "Futrell et al. 2021, Language Resources and Evaluation 55:63-77"
SOURCE = "languageMIT/naturalstories, corrected release of 13 May 2025 (commit 4700daad)"
LICENCE = "CC BY-NC-SA 4.0"
FOLDER = "natural_stories"
WORDS = f"{FOLDER}/all_stories.tok"
MEANS = f"{FOLDER}/processed_wordinfo.tsv"
READERS = f"{FOLDER}/processed_RTs.tsv"
# Variable of responses.nc → column of the means. Geometric moments are those of log times.
MOMENTS = {
    "responses": "meanItemRT", "sd": "sdItemRT", "n": "nItem",
    "log_mean": "gmeanItemRT", "log_sd": "gsdItemRT",
}  # fmt: skip


def raw_files(source: NaturalStories) -> list[RawFile]:
    """The words, the mean reading times, and the per-reader table for `readers: each`."""
    table = raw_table("natural_stories", LICENCE)
    names = (WORDS, MEANS, READERS) if source.readers == "each" else (WORDS, MEANS)
    return [table[name] for name in names]


def read(records: Sequence[Record], source: NaturalStories) -> Prepared:
    """Words of the ten stories with covariates, and their reading times in milliseconds.

    Raises
    ------
    InputError : a table lacks a column, a word is out of order, words and times do not match, or
        times are no milliseconds; or the per-reader times do not have the published means.
    """
    files, each = by_name(records), source.readers == "each"
    words, stimuli = story_words(files[WORDS])
    means = _means(words, files[MEANS])
    if each:
        values, targets = _each(words, files[READERS])
        _check_means(values, means, stimuli["stimulus_id"], files[READERS].path)
        variables = {"responses": values}
    else:
        variables, targets = means, ["mean"]
    responses = reading_responses(
        variables, stimuli, targets, attributes("reading-times", "ms", SOURCE, LICENCE, records)
    )
    if files[WORDS].verified:
        where = files[WORDS].path
        expect(len(stimuli), 10256, where, "number of words")
        expect(int(stimuli["context_group"].nunique()), 10, where, "number of stories")
        expect(int(stimuli["sentence_id"].nunique()), 481, where, "number of sentences")
    profile = lag_profile(
        stimuli["length"].to_numpy(),
        means["responses"][:, 0],
        stimuli["context_group"].to_numpy(),
    )
    misaligned = warn_if_misaligned(profile, f"{FOLDER}, the corrected release")
    notes = [
        "length counts a word's characters as shown, punctuation included",
        "sentences by the rule of Brain-Score's Futrell2018 (481); the paper counts 485",
        *unknown_words(stimuli),
        lean(profile),
        *misaligned,
    ]
    return Prepared.of(
        stimuli, responses, records,
        dataset="natural-stories", citation=CITATION, notes=notes,
        release="corrected", lag_profile=profile, readers=source.readers,
        sentences=int(stimuli["sentence_id"].nunique()),
    )  # fmt: skip


def story_words(record: Record) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The words of the ten stories, a row each: the raw table (`word`, `zone`, `item`), and the
    stimuli table with covariates.

    Raises
    ------
    InputError : a column is missing, a word is empty or out of order.
    """
    words = _table(record, ("word", "zone", "item"))
    return words, _stimuli(words, record.path)


def _table(record: Record, columns: Sequence[str]) -> pd.DataFrame:
    """The raw table, story (`item`) and word (`zone`) as whole numbers, all else as text."""
    table = tab_separated(record, columns)
    for name in ("item", "zone"):
        if not table[name].str.fullmatch(r"\d+").all():
            raise InputError(f"{record.path}: column {name} holds other than whole numbers")
        table[name] = table[name].astype(np.int64)
    return table


def _numbers(cells: pd.Series) -> np.ndarray:
    """Text as float64, each the nearest to its digits; NaN where it is no number."""
    known = pd.to_numeric(cells, errors="coerce").notna()
    return cells.where(known, "nan").to_numpy(object).astype(float)


def _stimuli(words: pd.DataFrame, where: str) -> pd.DataFrame:
    order = words[["item", "zone"]].to_numpy()
    steps = np.diff(order, axis=0)
    bad = np.flatnonzero(~((steps[:, 0] > 0) | ((steps[:, 0] == 0) & (steps[:, 1] > 0))))
    if bad.size:
        item, zone = order[bad[0] + 1]
        raise InputError(f"{where}: row {bad[0] + 1}: story {item}, word {zone} is out of order")
    shown = words["word"].tolist()
    if "" in shown:
        raise InputError(f"{where}: row {shown.index('')}: the word is empty")
    sentence, index = sentences(shown)
    story = words["item"].map(lambda item: f"story{item:02d}")
    ids = [f"{item:02d}.{zone:04d}" for item, zone in order]
    return word_stimuli(ids, shown, story, words["zone"], sentence, index)


def _means(words: pd.DataFrame, record: Record) -> dict[str, np.ndarray]:
    """The moments over readers, of times (ms) and of log times: float64 [word, 1] each."""
    table = _table(record, ("word", "zone", "item", *MOMENTS.values()))
    _refuse_repeats(table, ["item", "zone"], record)
    joined = words.merge(table, on=["item", "zone"], how="left", suffixes=("", "_timed"))
    if len(table) != len(words) or joined["meanItemRT"].isna().any():
        raise InputError(
            f"{record.path}: {len(table)} timed words, "
            f"{int(joined['meanItemRT'].notna().sum())} of them among the {len(words)} words"
        )
    other = joined["word"] != joined["word_timed"]
    if other.any():
        row = joined[other].iloc[0]
        raise InputError(
            f"{record.path}: story {row['item']}, word {row['zone']} is {row['word_timed']!r}, "
            f"expected {row['word']!r}"
        )
    moments = {}
    for name, column in MOMENTS.items():
        values = _numbers(joined[column])
        valid = {"sd": values >= 0, "log_sd": values >= 1}.get(name, values > 0)
        if not valid.all():
            row = joined.iloc[int(np.flatnonzero(~valid)[0])]
            expected = {"n": "a number of readers", "log_sd": "a factor from 1 up"}.get(
                name, "milliseconds"
            )
            raise InputError(
                f"{record.path}: story {row['item']}, word {row['zone']}: {column} "
                f"{row[column]!r}, expected {expected}"
            )
        moments[name] = (np.log(values) if name.startswith("log") else values)[:, None]
    check_milliseconds(moments["responses"], record.path)
    return moments


def _each(words: pd.DataFrame, record: Record) -> tuple[np.ndarray, list[str]]:
    table = _table(record, ("WorkerId", "item", "zone", "RT"))
    _refuse_repeats(table, ["WorkerId", "item", "zone"], record)
    times = _numbers(table["RT"])
    if not (times > 0).all():
        row = int(np.flatnonzero(~(times > 0))[0])
        raise InputError(
            f"{record.path}: row {row}: RT {table['RT'].iloc[row]!r}, expected milliseconds"
        )
    check_milliseconds(times, record.path)
    wide = table.assign(RT=times).pivot(index=["item", "zone"], columns="WorkerId", values="RT")
    positions = pd.MultiIndex.from_frame(words[["item", "zone"]])
    strange = wide.index.difference(positions)
    if len(strange):
        item, zone = strange[0]
        raise InputError(f"{record.path}: story {item} has no word {zone}")
    wide = wide.reindex(positions).sort_index(axis=1)
    return wide.to_numpy(float), [str(reader) for reader in wide.columns]


def _check_means(
    values: np.ndarray, means: Mapping[str, np.ndarray], ids: pd.Series, where: str
) -> None:
    """The per-reader table has no published hash, but the means that were made from it have.

    So a part of it, or the table of a release whose times stand elsewhere, is found.
    """
    n = (~np.isnan(values)).sum(axis=1)
    mean = np.nansum(values, axis=1) / np.maximum(n, 1)
    published_n, published = means["n"][:, 0], means["responses"][:, 0]
    wrong = (n != published_n) | ~np.isclose(mean, published, rtol=1e-6)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}: word {ids.iloc[at]} has {n[at]} readers with mean {mean[at]:.2f} ms, "
            f"expected {published_n[at]:g} with {published[at]:.2f} ({MEANS}); {int(wrong.sum())} "
            "such words: the table is truncated, or of another release"
        )


def _refuse_repeats(table: pd.DataFrame, keys: list[str], record: Record) -> None:
    repeated = table.duplicated(keys)
    if repeated.any():
        row = table[repeated].iloc[0]
        where = ", ".join(f"{key} {row[key]}" for key in keys)
        raise InputError(f"{record.path}: {where} appears twice")
