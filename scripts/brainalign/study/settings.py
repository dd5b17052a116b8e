"""The whole config of a study."""

from typing import Annotated, Literal

from msgspec import field

from brainalign.behavior.settings import ReadingBenchmark
from brainalign.capability.settings import Task
from brainalign.encoding.settings import BrainBenchmark
from brainalign.models.stages import Stages
from brainalign.reading.settings import Dataset, Text
from brainalign.settings import Settings, key
from brainalign.simulation.settings import Simulation
from brainalign.study.model_settings import Model
from brainalign.training.settings import Experiment

Name = Annotated[
    str,
    key(
        "",
        pattern="^[A-Za-z0-9][A-Za-z0-9.-]*$",
        allowed="a name of letters, digits, hyphens and dots (it becomes a folder)",
    ),
]

DatasetName = Annotated[
    str,
    key(
        "",
        pattern="^(?!average$)[A-Za-z0-9][A-Za-z0-9.-]*$",
        allowed="a name of letters, digits, hyphens and dots (it becomes a folder) other than "
        "average, which is the mean's in tables",
    ),
]


class Study(Settings, frozen=True):
    """A study; a section maps names to entries."""

    seed: Annotated[int, key("every random draw of the study follows from it", ge=0)]
    models: Annotated[dict[Name, Model], key("the models", min_length=1)]
    study: Annotated[Name | None, key("results go to results/, or to results/NAME/")] = None
    mirror: (
        Annotated[str, key("folder of raw data and weights that is looked at before any download")]
        | None
    ) = None
    downloads: Annotated[
        str, key("where downloads are kept, shared by all studies", min_length=1)
    ] = "downloads"
    only: (
        Annotated[
            tuple[str, ...], key("models to narrow the study to", names="model of this study")
        ]
        | None
    ) = None
    published_tables: Annotated[
        bool,
        key("the paper's published tables, also in a study without a dataset, task or model of it"),
    ] = False
    device: Annotated[
        str,
        key(
            "where models run (pre-training always runs on the CPU)",
            pattern=r"^(auto|cpu|cuda(:[0-9]+)?|sharded)$",
            allowed="auto, cpu, cuda, cuda:N or sharded (over all GPUs)",
        ),
    ] = "auto"
    model_threads: Annotated[int, key("threads of a job that runs a language model", ge=1)] = 1
    batch_tokens: (
        Annotated[
            int,
            key(
                "tokens of a batch when a model reads; changes no result; default: by device", ge=16
            ),
        ]
        | None
    ) = None
    keep: Annotated[
        Literal["activations", "volumes", "scores"],
        key(
            "volumes: where all benchmarks of timed data average the words of a volume, only the "
            "averages are kept; scores: activations are removed once all that reads them is done"
        ),
    ] = "activations"
    simulation: Annotated[Simulation | None, key("the simulated world")] = None
    tuning: Annotated[dict[Name, Experiment], key("tuning experiments")] = field(
        default_factory=dict
    )
    stages: Annotated[
        dict[Name, Stages], key("trajectories of checkpoints that others trained")
    ] = field(default_factory=dict)
    datasets: Annotated[dict[DatasetName, Dataset], key("data, and how models read them")] = field(
        default_factory=dict
    )
    alignment: Annotated[dict[Name, BrainBenchmark], key("brain benchmarks")] = field(
        default_factory=dict
    )
    behavior: Annotated[dict[Name, ReadingBenchmark], key("benchmarks of reading times")] = field(
        default_factory=dict
    )
    capability: Annotated[dict[Name, Task], key("tasks: questions")] = field(default_factory=dict)
    next_word: Annotated[dict[Name, Text], key("texts whose next words are predicted")] = field(
        default_factory=dict
    )

    @property
    def scorable(self) -> list[str]:
        """Names of all that models are scored on: benchmarks, tasks and texts."""
        return [*self.alignment, *self.behavior, *self.capability, *self.next_word]
