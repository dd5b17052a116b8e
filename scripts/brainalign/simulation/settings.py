"""The study's `simulation` section, and the kinds of simulated datasets."""

from typing import Annotated

from brainalign.datasets.settings import Source
from brainalign.errors import InputError
from brainalign.settings import Settings, key


class Simulation(Settings, frozen=True):
    """Size and truth of the simulated world; the defaults are the default study's."""

    things_per_domain: Annotated[
        int,
        key(
            "size of the world: 12 domains × this × 3 facts",
            allowed="an even number from 4 up",
            ge=4,
            multiple_of=2,
        ),
    ] = 6
    documents: Annotated[int, key("pre-training documents", ge=1)] = 12000
    instructions: Annotated[int, key("samples of instruction data", ge=1)] = 6000
    items_per_task: Annotated[
        int,
        key("reasoning items in each of 6 tasks; the first 3 are worked examples", ge=1),
    ] = 25
    features: Annotated[int, key("dimensions of the planted semantic state", ge=1)] = 12
    knowledge: Annotated[
        float,
        key("share of a thing's concept that is its facts; the rest is its name's", ge=0, le=1),
    ] = 1.0
    half_life: Annotated[
        float,
        key("tokens after which half of a concept is left in the state", gt=0),
    ] = 8.0
    subject_weights: Annotated[
        float,
        key(
            "standard deviation, over subjects, of the logarithm of how much they weigh a "
            "dimension of the state",
            ge=0,
        ),
    ] = 0.0
    subject_lag: Annotated[
        float,
        key(
            "seconds by which the earliest and the latest subject's haemodynamic response differ "
            "from the canonical one (kind chapter)",
            ge=0,
            le=3,
        ),
    ] = 0.0
    drift: Annotated[
        float,
        key("standard deviation of the autocorrelated drift, in units of the signal's", ge=0),
    ] = 1.0
    subject_noise: Annotated[
        float, key("standard deviation of the noise that a subject's targets share", ge=0)
    ] = 0.3
    voxel_noise: Annotated[
        float, key("standard deviation of the noise of each target alone", ge=0)
    ] = 0.8


class Passages(Source, tag="simulated kind=passages", frozen=True):
    """Sentences in passages of 12 topics, untimed (as Pereira2018)."""

    word_classes = True

    passages_per_topic: Annotated[int, key("passages on each of the 12 topics", ge=1)] = 5
    sentences: Annotated[int, key("sentences of a passage", ge=1)] = 4
    subjects: Annotated[int, key("simulated subjects", ge=1)] = 5
    targets: Annotated[int, key("targets of each subject", ge=1)] = 60

    def __post_init__(self) -> None:
        if self.passages_per_topic * self.sentences < 2:
            raise InputError("sentences: 1 in 1 passage_per_topic, expected 2 rows per topic")


class Story(Source, tag="simulated kind=story", frozen=True):
    """Fragments of 2 s of stories, a target per region (as Blank2014)."""

    word_classes = True

    stories: Annotated[int, key("number of stories", ge=1)] = 6
    sentences: Annotated[int, key("sentences of a story", ge=1)] = 32
    subjects: Annotated[int, key("simulated subjects", ge=1)] = 5


class Chapter(Source, tag="simulated kind=chapter", frozen=True):
    """Words with times, scanned every 2 s (as Wehbe2014)."""

    timed = True

    runs: Annotated[int, key("runs of the scan", ge=1)] = 4
    volumes: Annotated[int, key("volumes of a run; the last 5 are silent", ge=6)] = 110
    subjects: Annotated[int, key("simulated subjects", ge=1)] = 4
    targets: Annotated[int, key("targets of each subject", ge=1)] = 60


class WholeBrain(Source, tag="simulated kind=whole-brain", frozen=True):
    """Stories scanned every 2 s, voxels of a whole head; the last story is held out, heard again.

    Only voxels of one region follow the text. Responses to the last story are means of repeats.
    """

    timed = located = True

    runs: Annotated[int, key("runs of the scan, a story each", ge=3)] = 5
    volumes: Annotated[int, key("volumes of a run; the last 5 are silent", ge=6)] = 150
    subjects: Annotated[int, key("simulated subjects", ge=1)] = 3
    spacing: Annotated[float, key("mm between voxels", ge=4, le=20)] = 10.0
    repeats: Annotated[int, key("how often the last story is heard", ge=2)] = 4


class Reading(Source, tag="simulated kind=reading", frozen=True):
    """Reading times of each word (as Futrell2018)."""

    reading = True

    stories: Annotated[int, key("number of stories", ge=1)] = 6
    sentences: Annotated[int, key("sentences of a story", ge=1)] = 25
    readers: Annotated[int, key("simulated readers", ge=1)] = 20


class Localizer(Source, tag="simulated kind=localizer", frozen=True):
    """Sentences of stories, and lists of random words of the same lengths."""

    localizer = True
    neighbours = False

    sentences: Annotated[int, key("sentences, and as many lists of words", ge=2)] = 120
