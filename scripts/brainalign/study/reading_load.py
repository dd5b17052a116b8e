"""How many tokens a model reads in each job of a study, before any of them has run.

Sizes of published datasets, questions and texts are those of docs/datasets.md; lengths in tokens
are means that were measured on the subsets of studies/alice.yaml (docs/scaling.md).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from brainalign.capability.settings import Task
from brainalign.capability.tasks import NEW_TOKENS
from brainalign.datasets.question_settings import OwnQuestions, SimulatedQuestions
from brainalign.datasets.settings import Pereira2018
from brainalign.datasets.text_settings import OwnText, Wikitext2
from brainalign.reading.settings import Text as RunningText
from brainalign.settings import Settings, tag_of

TOKENS_PER_WORD = 1.3
BYTES_PER_TOKEN = 4.4  # of wikitext2, 1.29 MB
QUESTIONS = {"mmlu": 14042, "bbh": 6511, "blimp": 67_000}
SUBJECTS = {"mmlu": 57, "bbh": 27, "blimp": 67}  # among which `per_subject` questions are drawn
PROMPT = {"mmlu": 625, "bbh": 433, "blimp": 24}  # tokens, with worked examples
OWN = {
    "mmlu": 100,
    "bbh": 130,
    "blimp": 24,
}  # tokens of the question alone: decoders share its prompt's prefix
WIKITEXT = 290_000  # tokens of the test split


@dataclass(frozen=True)
class Text:
    """Size of a dataset's stimuli: rows, words of one, and groups that context does not leave."""

    rows: int
    words: float
    groups: int

    @classmethod
    def of(cls, stimuli: pd.DataFrame) -> "Text":
        """The size of prepared stimuli (columns `text`, `context_group`)."""
        words = sum(len(text.split()) for text in stimuli["text"])
        return cls(len(stimuli), words / len(stimuli), stimuli["context_group"].nunique())


NATURAL_STORIES = Text(10256, 1, 10)
PUBLISHED = {
    "alice": Text(2084, 1, 1),
    "blank2014": Text(1317, 6.23, 8),
    "wehbe2014": Text(5176, 1, 1),
    "fedorenko2016": Text(416, 1, 52),
    "tuckute2024": Text(1000, 6, 1000),
    "natural-stories": NATURAL_STORIES,
    "natural-stories-maze": NATURAL_STORIES,
    "futrell2018": NATURAL_STORIES,
    "reading-brain": Text(1532, 1, 5),
}
PEREIRA2018 = {
    (384, "index"): Text(384, 12, 96),
    (243, "index"): Text(243, 12, 72),
    (243, "label"): Text(243, 12, 24),
}


def text_of(source: Settings, stimuli: Path) -> Text | None:
    """Size of a dataset: of its prepared stimuli where they are there, else as published; None:
    simulated or the user's own, and not prepared yet."""
    if stimuli.exists():
        return Text.of(pd.read_parquet(stimuli, columns=["text", "context_group"]))
    if isinstance(source, Pereira2018):
        return PEREIRA2018[source.experiment, source.passages]
    return PUBLISHED.get(tag_of(source))


def activation_tokens(text: Text, context: str, window: int, apart: bool) -> float:
    """Tokens that are read for the activations of a dataset.

    Parameters
    ----------
    context : the dataset's.
    window : tokens that the model can read at once.
    apart : each stimulus is read alone with its context, by an encoder and a decoder; else all
        that share a context are read together.
    """
    row = text.words * TOKENS_PER_WORD
    if context.startswith("window:"):
        read = text.rows * int(context.removeprefix("window:")) * TOKENS_PER_WORD
    elif context == "none":
        read = text.rows * row
    else:
        groups = 1 if context == "corpus" else text.groups
        alone = apart or context == "reversed"
        read = groups * _stream_tokens(text.rows / groups, row, window, None, alone)
    return 2 * read if apart else read


def surprisal_tokens(
    text: Text, context: str, stride: int | None, window: int, apart: bool
) -> float:
    """Tokens that are read for the surprisal of every word; parameters as above."""
    if context.startswith("window:"):
        length = int(context.removeprefix("window:")) * TOKENS_PER_WORD
        return text.rows * text.words * length
    if context == "none":
        return text.rows * text.words * TOKENS_PER_WORD
    groups = 1 if context == "corpus" else text.groups
    words = text.rows * text.words / groups
    return groups * _stream_tokens(words, TOKENS_PER_WORD, window, stride, apart)


def _stream_tokens(n: float, length: float, window: int, stride: int | None, apart: bool) -> float:
    """Tokens read of one stream of `n` units of `length` tokens.

    Together, what fits the window is read once; beyond it there is a pass over a window for each
    unit, or for each `stride` tokens. Apart, each unit is read with all before it, up to a window.
    """
    fits = min(n, window / length)
    if apart:
        return fits * (fits + 1) / 2 * length + (n - fits) * window
    beyond = (n - fits) * (length / stride if stride else 1)
    return fits * length + beyond * window


def capability_tokens(task: Task, apart: bool) -> float:
    """Tokens that are read and written to answer a task; simulated questions are taken for few. NaN
    where the user's file is not there."""
    if isinstance(task.questions, OwnQuestions):
        return _own_questions_tokens(Path(task.questions.path), task, apart)
    if isinstance(task.questions, SimulatedQuestions):
        return 0.0
    kind = tag_of(task.questions)
    asked = QUESTIONS[kind]
    if per_subject := getattr(task.questions, "per_subject", None):
        asked = SUBJECTS[kind] * per_subject
    read = PROMPT[kind] if apart else OWN[kind]
    return float(asked * (read + _written(task)))


def _written(task: Task) -> int:
    """Tokens of a written answer."""
    given = getattr(task, "max_new_tokens", None)
    return int(given or NEW_TOKENS.get((tag_of(task), task.scoring), 0))


def _own_questions_tokens(file: Path, task: Task, apart: bool) -> float:
    """The file's bytes, read once by decoders, which share a prompt's examples; else the examples
    with every question; and for every line (but of a packed table) the answer that is written."""
    if not file.is_file():
        return math.nan
    read = file.stat().st_size / BYTES_PER_TOKEN * (1 + getattr(task, "shots", 0) * apart)
    lines = 0 if file.suffix == ".parquet" else file.read_bytes().count(b"\n")
    return read + lines * _written(task)


def loss_tokens(text: RunningText) -> float:
    """Tokens that are read of a running text, each in as many windows as overlap; a simulated text
    is taken for short. NaN where the user's file is not there."""
    if isinstance(text.source, Wikitext2):
        tokens: float = WIKITEXT
    elif isinstance(text.source, OwnText):
        file = Path(text.source.path)
        tokens = file.stat().st_size / BYTES_PER_TOKEN if file.is_file() else math.nan
    else:
        return 0.0
    overlap = text.window / text.stride if text.window and text.stride else 1
    return min(tokens, text.max_tokens or tokens) * overlap
