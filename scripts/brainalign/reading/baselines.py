"""Baselines without a network: features that any model of meaning has to beat."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.errors import InputError
from brainalign.formats.datasets import VOLUME, is_timed
from brainalign.models import settings


@dataclass(frozen=True)
class Baseline:
    """Features of one baseline for one dataset.

    values : float32 [row, feature].
    rows : `stimulus`, or `volume` where the features are made for the volumes of a scan.
    row_ids : the stimulus ids, or the volumes' numbers.
    notes : what a reader of the file should know (sizes, caps, unknown words).
    """

    values: np.ndarray
    rows: str
    row_ids: list[str]
    notes: dict[str, Any] = field(default_factory=dict)


def features(
    source: settings.Features,
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    seed: int,
    dataset: str = "",
) -> Baseline:
    """The features [row, feature] of a baseline.

    Parameters
    ----------
    source : which baseline.
    stimuli, responses : a prepared dataset (formats/datasets.py).
    seed : used where `source` has none. dataset : its name, which oasm's blur may depend on.

    Raises
    ------
    InputError : an unusable file of vectors, or truth asked of real data.
    """
    if isinstance(source, settings.Oasm):
        return oasm(stimuli, responses, source.rows_for(dataset))
    if isinstance(source, settings.Position):
        return position(stimuli, source.width)
    if isinstance(source, settings.Length):
        return length(stimuli, responses.attrs.get("tr"))
    if isinstance(source, settings.Truth):
        return truth(stimuli, responses)
    seed = seed if source.seed is None else source.seed
    if isinstance(source, settings.Static):
        return static(stimuli, source.path, source.width, seed)
    return random(stimuli, source.width, seed)


def oasm(stimuli: pd.DataFrame, responses: xr.Dataset, sigma: float) -> Baseline:
    """Orthogonal autocorrelated sequences [row, row]: one feature per row, smeared over its
    neighbours.

    The identity matrix over rows, smoothed by exp(−d²/2σ²) over the distance d in rows inside each
    context group (inside each run for timed data) and zero across groups: it holds nothing but time
    (Feghhi, Hadidi et al. 2024, arXiv 2406.01538, who use σ = 2.2 for Pereira2018, 1.8 for
    Fedorenko2016 and 1.5 for Blank2014).
    """
    if is_timed(responses):
        groups, index = _ranks(pd.Series(responses["run"].values.astype(str)))
        rows, ids = VOLUME, [str(volume) for volume in range(len(index))]
    else:
        groups, index = _group_ranks(stimuli)
        rows, ids = "stimulus", stimuli["stimulus_id"].astype(str).tolist()
    values = np.zeros((len(index), len(index)), np.float32)
    for group in range(groups.max() + 1):
        members = np.flatnonzero(groups == group)
        distance = index[members, None] - index[None, members]
        values[np.ix_(members, members)] = np.exp(-0.5 * (distance / sigma) ** 2)
    return Baseline(values, rows, ids, {"sigma": sigma, "groups": int(groups.max()) + 1})


def position(stimuli: pd.DataFrame, width: int) -> Baseline:
    """The position in the context group, one-hot; and the position in the sentence, if it is known.

    Where the longest group has more than `width` positions (`positions` in the notes), neighbouring
    ones share a column: `width` equal stretches of the longest group.
    """
    _, rank = _group_ranks(stimuli)
    blocks = {"position": rank}
    if "word_in_sentence" in stimuli and stimuli["word_in_sentence"].notna().all():
        blocks["word_in_sentence"] = stimuli["word_in_sentence"].to_numpy().astype(int) - 1
    columns, notes = [], dict[str, Any](width=width, positions={})
    for name, index in blocks.items():
        longest = int(index.max()) + 1
        n = min(width, longest)
        notes["positions"][name] = longest
        columns.append(np.eye(n, dtype=np.float32)[index * n // longest])
    return _per_stimulus(np.hstack(columns), stimuli, notes)


def length(stimuli: pd.DataFrame, tr: float | None) -> Baseline:
    """Words and characters of each stimulus [stimulus, 2 or 3]; where it is timed, the word rate
    around its onset.

    The word rate is the number of stimuli whose onset is at most TR/2 away, per second. `stimuli`
    has `text` and `onset` (seconds), `tr` is in seconds.
    """
    texts = [text.strip() for text in stimuli["text"]]
    columns: dict[str, np.ndarray] = {
        "words": np.array([len(text.split()) for text in texts], float),
        "characters": np.array([len(text) for text in texts], float),
    }
    onset = stimuli["onset"].to_numpy(float)
    if tr is not None and np.isfinite(onset).all():
        ordered = np.sort(onset)
        first = np.searchsorted(ordered, onset - tr / 2, side="left")
        last = np.searchsorted(ordered, onset + tr / 2, side="right")
        columns["word_rate"] = (last - first) / tr
    values = np.column_stack(list(columns.values())).astype(np.float32)
    return _per_stimulus(values, stimuli, {"features": list(columns)})


def static(stimuli: pd.DataFrame, path: str | Path | None, width: int, seed: int) -> Baseline:
    """Word embeddings without context, averaged over the words of each stimulus.

    Without `path`, each word has its own random vector (standard normal, `width` numbers) that
    depends on the word's spelling and `seed` only. Words are lower-cased and stripped of
    punctuation at their edges; with `path`, a word is looked up as written first. A stimulus
    without known words is all zero. The notes count the words that the file does not know.
    """
    words = [_words(text) for text in stimuli["text"]]
    if path is None:
        vectors = {
            word: _hashed(word, width, seed) for word in {w.lower() for ws in words for w in ws}
        }
        notes = {"embedding": "hash", "width": width, "seed": seed}
    else:
        wanted = {form for ws in words for w in ws for form in (w, w.lower())}
        vectors = read_vectors(Path(path), wanted)
        width = len(next(iter(vectors.values())))
        notes = {"embedding": str(path), "width": width}
    values = np.zeros((len(stimuli), width), np.float32)
    unknown = set()
    for row, row_words in enumerate(words):
        result = [vectors.get(word, vectors.get(word.lower())) for word in row_words]
        unknown |= {word for word, one in zip(row_words, result, strict=True) if one is None}
        known = [one for one in result if one is not None]
        if known:
            values[row] = np.mean(known, axis=0)
    notes |= {"unknown_words": len(unknown), "empty_rows": int((values == 0).all(axis=1).sum())}
    return _per_stimulus(values, stimuli, notes)


def random(stimuli: pd.DataFrame, width: int, seed: int) -> Baseline:
    """Independent standard normal numbers [stimulus, width]."""
    values = np.random.default_rng(seed).standard_normal((len(stimuli), width), np.float32)
    return _per_stimulus(values, stimuli, {"width": width, "seed": seed})


def truth(stimuli: pd.DataFrame, responses: xr.Dataset) -> Baseline:
    """The state [row, feature] that a simulation planted in its responses (`truth_features`).

    Raises
    ------
    InputError : the responses are real.
    """
    if "truth_features" not in responses:
        raise InputError(
            "baseline truth: the responses have no truth_features; only simulated data have them"
        )
    planted = responses["truth_features"]
    values = planted.values.astype(np.float32)
    if planted.dims[0] == "volume":
        return Baseline(values, VOLUME, [str(volume) for volume in range(len(values))])
    return _per_stimulus(values, stimuli, {})


def read_vectors(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """The vectors of `wanted` words from a word2vec or GloVe file.

    Parameters
    ----------
    path : text, a line `word number number …` each, with or without a first line `count width`
        (word2vec, GloVe, fastText .vec); or word2vec's binary form if it ends in .bin.

    Returns
    -------
    word → float32 [width]; words that the file does not have are absent.

    Raises
    ------
    InputError : no such file, a line of another width, or none of the words in it.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of word vectors")
    read = _read_binary if path.suffix == ".bin" else _read_text
    vectors = read(path, wanted)
    if not vectors:
        raise InputError(f"{path}: holds none of the {len(wanted)} words of the stimuli")
    return vectors


def _read_text(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    vectors: dict[str, np.ndarray] = {}
    width = None
    # A word may be any character but a line feed. Some files hold a few broken words.
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            parts = line.rstrip("\r\n").rstrip(" ").split(" ")
            if parts == [""] or (number == 1 and len(parts) == 2):
                continue  # word2vec's "count width"
            width = width or len(parts) - 1
            if len(parts) <= width or not width:
                raise InputError(
                    f"{path}: line {number}: {line[:40]!r}… expected a word and {width or 'its'} "
                    "numbers, a blank between them (UTF-8)"
                )
            # A word itself may hold spaces (GloVe 840B): the numbers count from the end.
            word = " ".join(parts[:-width])
            if word not in wanted:
                continue
            try:
                vectors[word] = np.array(parts[-width:], np.float32)
            except ValueError as error:
                raise InputError(f"{path}: line {number}: not {width} numbers ({error})") from error
            if not np.isfinite(vectors[word]).all():
                raise InputError(f"{path}: line {number}: numbers of {word!r} are not finite")
    return vectors


def _read_binary(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    vectors: dict[str, np.ndarray] = {}
    with path.open("rb") as file:
        try:
            count, width = map(int, file.readline().split())
        except ValueError as error:
            raise InputError(f"{path}: no word2vec header `count width`") from error
        for _ in range(count):
            word = bytearray()
            while (byte := file.read(1)) not in (b" ", b""):
                word += byte
            numbers = file.read(4 * width)
            if len(numbers) < 4 * width:
                raise InputError(f"{path}: ends after fewer words than its header says ({count})")
            text = word.lstrip(b"\n").decode("utf-8", errors="replace")
            if text in wanted:
                vectors[text] = np.frombuffer(numbers, "<f4")
    return vectors


def _hashed(word: str, width: int, seed: int) -> np.ndarray:
    digest = hashlib.sha256(f"{seed}:{word}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest)).standard_normal(width, np.float32)


def _words(text: str) -> list[str]:
    stripped = (re.sub(r"^\W+|\W+$", "", word) for word in text.split())
    return [word for word in stripped if word]


def _group_ranks(stimuli: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    # Positions increase inside a context group, so the order of rows is the order of reading.
    return _ranks(stimuli["context_group"])


def _ranks(labels: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Group number and position inside the group (from 0) of each row."""
    groups = labels.groupby(labels, sort=False)
    return groups.ngroup().to_numpy(), groups.cumcount().to_numpy()


def _per_stimulus(values: np.ndarray, stimuli: pd.DataFrame, notes: dict[str, Any]) -> Baseline:
    ids = stimuli["stimulus_id"].astype(str).tolist()
    return Baseline(np.ascontiguousarray(values, np.float32), "stimulus", ids, notes)
