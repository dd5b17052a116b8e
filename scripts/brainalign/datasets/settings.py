"""Where data come from, the user's and published ones: a class for each type of `source`.

The module that reads a source is named like its type, unless its class says otherwise (`reader`).
"""

from collections.abc import Collection, Iterable
from typing import Annotated, ClassVar, Literal

from brainalign.datasets.measures import MEASURES
from brainalign.datasets.own_keys import (
    OF_SCANS,
    OF_SURFACES,
    Hemisphere,
    Runs,
    form_of,
    own_fault,
)
from brainalign.errors import InputError
from brainalign.settings import Settings, key


class Source(Settings, tag_field="type", frozen=True):
    """Where data come from.

    timed : rows are volumes of a scan. reading : responses are reading times. neighbours : rows
    follow each other in a text or scan. measures : several of each word, a region each; a benchmark
    names one. localizer : stimuli of two conditions, to which nobody's responses are known.
    word_classes : a class of every word. located : targets have coordinates in a brain. None: only
    the files tell. of_paper : the tables of Aw et al. 2024 have scores on it. memory : MB that a
    cluster gives the job that prepares it, without the user's scans
    (`study.resources.preparing_memory_mb`).
    """

    reader: ClassVar[str] = ""
    memory: ClassVar[int] = 4000

    timed: ClassVar[bool | None] = False
    reading: ClassVar[bool | None] = False
    neighbours: ClassVar[bool | None] = True
    measures: ClassVar[tuple[str, ...] | None] = ()
    localizer: ClassVar[bool] = False
    word_classes: ClassVar[bool | None] = False
    located: ClassVar[bool | None] = False
    of_paper: ClassVar[bool] = False


class Own(Source, tag="own", frozen=True):
    """Your own data (docs/adding-a-dataset.md)."""

    timed = reading = neighbours = measures = word_classes = located = None

    stimuli: Annotated[
        str,
        key(
            "table of stimuli",
            pattern=r"\.(csv|tsv|parquet)(\.gz)?$",
            allowed="a path that ends in .csv, .tsv or .parquet (export a spreadsheet as CSV)",
        ),
    ]
    responses: Annotated[
        str | dict[str, Runs] | None,
        key(
            "netCDF-4 (.nc), a table (.csv, .tsv, .parquet) or an array (.npy, .mat); of NIfTI "
            "scans subject → its files, one per run; of GIFTI surfaces subject → left, right → its "
            "files; a localizer has none",
            allowed=f"a path, {OF_SCANS}, or {OF_SURFACES}",
        ),
    ] = None
    kind: (
        Annotated[
            Literal["brain", "reading-times", "localizer"],
            key("of the responses; netCDF files say it themselves"),
        ]
        | None
    ) = None
    targets: (
        Annotated[
            str,
            key(
                "table of whose response each column is (subject, region); of an atlas, which "
                "region each label is (label, region)"
            ),
        ]
        | None
    ) = None
    atlas: Annotated[
        str | dict[Hemisphere, str] | None,
        key(
            "of NIfTI scans: regions, or a mask, on their grid; of surfaces left, right → labels",
            allowed="a path, or {left: FILE, right: FILE}",
        ),
    ] = None
    voxels: Annotated[
        bool,
        key(
            "of scans and surfaces: each voxel or vertex of the atlas is a target, and maps are "
            "drawn; false: each region is a target. Surfaces need an atlas for regions only"
        ),
    ] = False
    space: (
        Annotated[str, key("of surfaces: their name; maps are drawn of fsaverage5, fsaverage6 …")]
        | None
    ) = None
    variable: Annotated[str, key("of a .mat file with several arrays: the responses")] | None = None
    tr: Annotated[float, key("rows are volumes so many seconds apart", gt=0)] | None = None
    runs: (
        Annotated[tuple[int, ...], key("volumes of each run of an array; default: one run")] | None
    ) = None
    units: Annotated[str, key("of brain responses, for the data card")] | None = None
    citation: Annotated[str, key("for the data card")] = ""

    def __post_init__(self) -> None:
        if fault := own_fault(self):
            raise InputError(fault)

    @property
    def localizer(self) -> bool:  # type: ignore[override]
        """Whether the stimuli are strings of two conditions."""
        return self.kind == "localizer"

    @property
    def form(self) -> str:
        """As `own_keys.form_of`."""
        return form_of(self.responses)

    @property
    def images(self) -> dict[str, Runs]:
        """Subject → its scans or surfaces; {} where responses are in one file."""
        return self.responses if isinstance(self.responses, dict) else {}


class Alice(Source, tag="alice", frozen=True):
    """Alice in Wonderland: fMRI of 27 listeners."""

    timed = True

    radius: Annotated[Literal["10mm", "6mm"], key("of the spheres that are averaged")] = "10mm"


class NaturalStories(Source, tag="natural-stories", frozen=True):
    """Natural Stories: self-paced reading times."""

    reading = of_paper = True

    readers: Annotated[
        Literal["mean", "each"], key("mean: the mean of the readers; each: every reader")
    ] = "mean"


class NaturalStoriesMaze(Source, tag="natural-stories-maze", frozen=True):
    """Natural Stories: maze times of single readers."""

    reading = True


class ReadingBrain(Source, tag="reading-brain", frozen=True):
    """Reading Brain: eye movements, several measures; a benchmark names one."""

    reading = True
    measures = MEASURES


class Pereira2018(Source, tag="pereira2018", frozen=True):
    """Pereira 2018: fMRI of sentences in passages."""

    of_paper = True

    experiment: Annotated[Literal[243, 384], key("number of sentences")]
    passages: Annotated[Literal["index", "label"], key("what a context group is")] = "index"


class Blank2014(Source, tag="blank2014", frozen=True):
    """Blank 2014: fMRI of stories, 12 regions."""

    of_paper = True


class Wehbe2014(Source, tag="wehbe2014", frozen=True):
    """Wehbe 2014: fMRI of a chapter, word by word."""

    timed = of_paper = True


LEBEL_STORIES = (
    "alternateithicatom", "souls", "avatar", "legacy", "odetostepfather",
    "undertheinfluence", "howtodraw", "myfirstdaywiththeyankees", "naked", "life",
    "stagefright", "tildeath", "fromboyhoodtofatherhood", "sloth", "exorcism",
    "haveyoumethimyet", "adollshouse", "inamoment", "theclosetthatateeverything",
    "adventuresinsayingyes", "buck",
    "swimmingwithastronauts", "thatthingonmyarm", "eyespy", "itsabox", "hangtime",
)  # fmt: skip
LEBEL_TEST = "wheretheressmoke"


class Lebel2023(Source, tag="lebel2023", frozen=True):
    """LeBel 2023: fMRI of listeners to stories, every voxel of the cortex."""

    timed = located = True
    memory = 16000

    subjects: Annotated[
        tuple[Annotated[str, key("", pattern=r"^UTS\d\d$", allowed="a subject: UTS01")], ...],
        key("whose scans are read", min_length=1, unique=True),
    ] = ("UTS03",)
    stories: Annotated[
        tuple[Annotated[str, key("", pattern=r"^\w+$")], ...],
        key("in the order of the responses", min_length=1, unique=True),
    ] = (*LEBEL_STORIES, LEBEL_TEST)
    test: Annotated[tuple[str, ...], key("stories that are held out", unique=True)] = (LEBEL_TEST,)
    places: Annotated[bool, key("where voxels lie, from the cortical masks, for maps")] = True

    def __post_init__(self) -> None:
        _check_test(self.test, self.stories)


class Narratives(Source, tag="narratives", frozen=True):
    """Narratives: fMRI of listeners to stories, voxels or vertices of the cortex."""

    timed = located = True
    memory = 16000

    scans: Annotated[
        dict[
            Annotated[str, key("", pattern=r"^\w+$")],
            Annotated[
                tuple[
                    Annotated[
                        str,
                        key(
                            "",
                            pattern=r"^sub-\d{3}_task-[a-z0-9]+(_run-\d+)?$",
                            allowed="a scan: sub-001_task-tunnel",
                        ),
                    ],
                    ...,
                ],
                key("", min_length=1, unique=True),
            ],
        ],
        key("of each story its scans, as their files begin: sub-001_task-tunnel", min_length=1),
    ]
    derivative: Annotated[
        Literal["fmriprep", "afni-smooth", "afni-nosmooth"],
        key("whose outputs are read; the authors took confounds out of both of AFNI's"),
    ] = "afni-nosmooth"
    space: Annotated[
        Literal["fsaverage6", "MNI152NLin2009cAsym"], key("surface (GIFTI) or volume (NIfTI)")
    ] = "fsaverage6"
    confounds: Annotated[
        Literal["none", "motion6", "motion24", "acompcor"],
        key("of fMRIPrep's table, taken out of each of its scans"),
    ] = "none"
    text: Annotated[
        Literal["transcript", "aligned"],
        key("words with the transcript's punctuation, or as the alignment has them"),
    ] = "transcript"
    test: Annotated[tuple[str, ...], key("stories that are held out", unique=True)] = ()

    def __post_init__(self) -> None:
        _check_test(self.test, self.scans)
        scans = [scan for of_story in self.scans.values() for scan in of_story]
        for scan in scans:
            if scans.count(scan) > 1:
                raise InputError(f"scans: {scan} stands in two stories, expected one")
        if self.confounds != "none" and self.derivative != "fmriprep":
            raise InputError(
                f"confounds: {self.confounds}, but the authors took confounds out of "
                f"{self.derivative}; take none, or derivative fmriprep"
            )


SECTIONS = tuple(range(1, 10))


class PetitPrince(Source, tag="petit-prince", frozen=True):
    """Le Petit Prince, English: fMRI of listeners to an audiobook, every voxel of the brain."""

    timed = located = True
    memory = 16000

    runs: Annotated[
        dict[
            Annotated[str, key("", pattern=r"^EN\d{3}$", allowed="a subject: EN057")],
            Annotated[
                tuple[Annotated[int, key("", ge=0)], ...], key("", min_length=1, unique=True)
            ],
        ],
        key(
            "of each subject the numbers in the names of its runs, in the order of the sections",
            min_length=1,
        ),
    ]
    sections: Annotated[
        tuple[Annotated[int, key("", ge=1, le=9)], ...],
        key("of the book, that are read", min_length=1, unique=True),
    ] = SECTIONS
    mask: (
        Annotated[
            str,
            key(
                "NIfTI of the voxels that are read; default: all that vary",
                pattern=r"\.nii(\.gz)?$",
                allowed="a path that ends in .nii or .nii.gz",
            ),
        ]
        | None
    ) = None
    test: Annotated[
        tuple[Annotated[int, key("", ge=1, le=9)], ...],
        key("sections that are held out", unique=True),
    ] = ()

    def __post_init__(self) -> None:
        _check_test(self.test, self.sections)
        for subject, runs in self.runs.items():
            if len(runs) != len(self.sections):
                raise InputError(
                    f"runs.{subject}: {len(runs)} runs for {len(self.sections)} sections, expected "
                    "one each"
                )


def _check_test(test: Iterable[object], stories: Collection[object]) -> None:
    for one in test:
        if one not in stories:
            known = ", ".join(map(str, stories))
            raise InputError(f"test: {one!r} is not among those that are read: {known}")


class Futrell2018(Source, tag="futrell2018", frozen=True):
    """Futrell 2018: reading times as Brain-Score packages them."""

    reading = of_paper = True


class Tuckute2024(Source, tag="tuckute2024", frozen=True):
    """Tuckute 2024: fMRI of 1,000 sentences without context."""

    neighbours = False


class Fedorenko2016(Source, tag="fedorenko2016", frozen=True):
    """Fedorenko 2016: electrodes, sentences word by word."""


class Langloc(Source, tag="langloc", frozen=True):
    """Fedorenko 2010: sentences and strings of non-words, a localizer of language units."""

    localizer = True
    neighbours = False


RealDataset = (
    Own
    | Alice
    | NaturalStories
    | NaturalStoriesMaze
    | ReadingBrain
    | Pereira2018
    | Blank2014
    | Wehbe2014
    | Lebel2023
    | Narratives
    | PetitPrince
    | Futrell2018
    | Tuckute2024
    | Fedorenko2016
    | Langloc
)
