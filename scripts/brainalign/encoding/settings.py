"""A benchmark of the config's section `alignment`: how a layer is scored, and its ceiling."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from msgspec.structs import replace

from brainalign.datasets.names import NOT_AVERAGE, Models
from brainalign.encoding.splits import (
    Contiguous,
    Grouped,
    HeldOut,
    Shuffled,
    Wehbe,
    require_groups,
)
from brainalign.errors import InputError
from brainalign.settings import Settings, key, part, tag_of

Mode = Literal["legacy", "controlled"]


class Alphas(Settings, frozen=True):
    """Ridge's grid of penalties: n values in equal steps of the logarithm."""

    low: Annotated[float, key("the smallest", gt=0)] = 1e-3
    high: Annotated[float, key("the largest", gt=0)] = 1e3
    n: Annotated[int, key("how many", ge=1)] = 7
    relative: Annotated[
        bool, key("multiples of the mean eigenvalue of the training rows' Gram matrix")
    ] = False

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise InputError(f"low: {self.low:g} is above high, {self.high:g}")
        if self.n < 1 + (self.low < self.high):
            raise InputError(f"n: {self.n}, expected 2 or more where low and high differ")


class Pairs(Settings, frozen=True):
    """The pairs of rows that a similarity compares."""

    contexts: Annotated[
        Literal["all", "apart"], key("pairs in one context group count (all) or not (apart)")
    ] = "all"
    gap: Annotated[int, key("rows between the two of a pair, at least", ge=0)] = 0


class Ols(Settings, tag_field="type", tag="ols", frozen=True):
    """Least squares."""

    intercept: Annotated[bool, key("false only where rows are z-scored by fold")] = True


class Ridge(Settings, tag_field="type", tag="ridge", frozen=True):
    """Ridge regression, its penalty chosen on training rows."""

    selection: Annotated[
        Literal["gcv-shared", "loo-per-target", "gcv-per-target", "folds-per-target"],
        key("how the penalty is chosen: one for all targets (gcv-shared), else one per target"),
    ] = "folds-per-target"
    alphas: Annotated[Alphas, key("the penalties to choose from")] = Alphas()
    inner_folds: Annotated[
        int, key("folds inside the training rows, of selection folds-per-target", ge=2)
    ] = 5
    criterion: Annotated[
        Literal["squared-error", "r2"],
        key("what those folds compare penalties by, of selection folds-per-target"),
    ] = "squared-error"
    intercept: Annotated[bool, key("false only where rows are z-scored by fold")] = True

    def __post_init__(self) -> None:
        if self.selection == "folds-per-target":
            return
        for name in ("criterion", "inner_folds"):
            if getattr(self, name) != getattr(RIDGE, name):
                raise InputError(
                    f"{name}: only selection folds-per-target has it, not {self.selection}"
                )


RIDGE = Ridge()


class Rsa(Settings, tag_field="type", tag="rsa", frozen=True):
    """Spearman's r of two dissimilarity matrices; no fit."""

    pairs: Annotated[Pairs, key("the pairs of rows that count")] = Pairs()
    permutations: Annotated[int, key("draws of the null distribution", ge=0)] = 0


class Cka(Settings, tag_field="type", tag="cka", frozen=True):
    """Linear centred kernel alignment; no fit."""

    estimator: Annotated[
        Literal["debiased", "biased"], key("biased nears 1 where units exceed rows")
    ] = "debiased"
    pairs: Annotated[Pairs, key("the pairs of rows that count (debiased)")] = Pairs()
    permutations: Annotated[int, key("draws of the null distribution", ge=0)] = 0

    def __post_init__(self) -> None:
        if self.estimator == "biased" and self.pairs != Pairs():
            raise InputError("pairs: the biased estimator of CKA takes all pairs")


Regression = Ols | Ridge
Similarity = Rsa | Cka
Split = Shuffled | Grouped | HeldOut | Contiguous | Wehbe


class Disattenuation(Settings, tag_field="method", tag="disattenuation", frozen=True):
    """Spearman's correction: how far predictions from other subjects agree."""

    pairs: Annotated[int, key("halvings of the other subjects", ge=1)] = 5
    bootstraps: Annotated[int, key("resamples of the interval", ge=2)] = 200


class Extrapolation(Settings, tag_field="method", tag="extrapolation", frozen=True):
    """Brain-Score's ceiling: pools of subjects, extrapolated to infinitely many (mode legacy)."""

    subsets: Annotated[int, key("pools of each size that are drawn; null: all", ge=1)] | None = 10
    bootstraps: Annotated[int, key("resamples of the curve", ge=1)] = 100


class LeaveOneSubjectOut(Settings, tag_field="method", tag="leave-one-subject-out", frozen=True):
    """r of each subject with the mean of the others."""

    folds: Annotated[bool, key("by fold; false: over all rows at once")] = True
    clean: Annotated[bool, key("after the benchmark's detrending and nuisance regression")] = True
    bootstraps: Annotated[int, key("resamples of subjects", ge=1)] = 1000


class SplitHalf(Settings, tag_field="method", tag="split-half", frozen=True):
    """r of the means of two halves of the subjects, corrected for their number."""

    folds: Annotated[bool, key("by fold; false: over all rows at once")] = True
    clean: Annotated[bool, key("after the benchmark's detrending and nuisance regression")] = True
    splits: Annotated[int, key("halvings", ge=1)] = 100


class FromRepeats(Settings, tag_field="method", tag="repeats", frozen=True):
    """How far responses return when a subject hears a text again: cc_max, explainable variance."""

    bootstraps: Annotated[int, key("resamples of blocks of rows", ge=2)] = 200


class NoCeiling(Settings, tag_field="method", tag="none", frozen=True):
    """No ceiling."""


Ceiling = Disattenuation | Extrapolation | LeaveOneSubjectOut | SplitHalf | FromRepeats | NoCeiling


class Depth(Settings, frozen=True):
    """The layer nearest to a relative depth."""

    depth: Annotated[float, key("0 enters the first block, 1 is the last layer", ge=0, le=1)]
    stack: Annotated[
        Literal["encoder", "decoder"], key("whose depth, in an encoder-decoder model")
    ] = "encoder"


UNIT_METHODS = ("localizer", "nonwords", "random")
"""Methods of a reduction that keep units as they are."""


class Reduction(Settings, frozen=True):
    """Fewer dimensions of every layer, so that its width is not what is measured."""

    method: Annotated[
        Literal["pca", "projection", "localizer", "nonwords", "random"],
        key(
            "pca: principal components of the training rows; projection: a random projection; or "
            "units alone: localizer, those that prefer a localizer's sentences; nonwords, those "
            "that prefer its non-words; random, any"
        ),
    ]
    dimensions: Annotated[
        Annotated[int, key("", ge=1)] | Annotated[float, key("", gt=0, lt=1)],
        key(
            "columns of every layer that is wider; of units also their share",
            allowed="a number of columns, or of units also a share between 0 and 1",
        ),
    ]
    localizer: (
        Annotated[
            str,
            key(
                "a localizer among the datasets, of methods localizer and nonwords",
                names="localizer of this study",
            ),
        ]
        | None
    ) = None
    among: Annotated[
        Literal["layer", "model"],
        key(
            "units are the first of each layer, or of all blocks together, which are then one layer"
        ),
    ] = "layer"

    def __post_init__(self) -> None:
        if (self.method in ("localizer", "nonwords")) != (self.localizer is not None):
            raise InputError(
                f"localizer: method {self.method} needs one, a dataset of the study"
                if self.localizer is None
                else f"localizer: method {self.method} has none; leave the key out"
            )
        if self.method in UNIT_METHODS:
            return
        if isinstance(self.dimensions, float):
            raise InputError(
                f"dimensions: {self.dimensions:g} is a share of units, which method {self.method} "
                "does not keep; give a number"
            )
        if self.among != "layer":
            raise InputError(f"among: method {self.method} takes each layer by itself")

    def number(self, units: int) -> int:
        """How many of `units` are asked for; of a share one or more."""
        if isinstance(self.dimensions, int):
            return self.dimensions
        return max(1, int(self.dimensions * units))


class UniqueVariance(Settings, frozen=True):
    """The variance that the chosen layer explains beyond baselines."""

    beyond: Annotated[
        tuple[str, ...],
        key("baselines of the study", min_length=1, unique=True, names="baseline of this study"),
    ]
    candidates: Annotated[int, key("mixtures of penalties that are tried", ge=1)] = 5
    shifts: Annotated[int, key("shifted copies of the layer, its null distribution", ge=0)] = 0


class Cosine(Settings, frozen=True):
    """Slow cosines that are taken out of a scan."""

    cosine: Annotated[float, key("the shortest period, in seconds", gt=0)]


class Timing(Settings, frozen=True):
    """From words to the volumes of a scan, and how scans are cleaned (timed data)."""

    features: Annotated[
        Literal["fir", "lanczos", "hrf"],
        key(
            "fir: words averaged in their volume, then delayed; lanczos: low-pass resampled, then "
            "delayed; hrf: convolved with the response"
        ),
    ] = "fir"
    delays: Annotated[
        tuple[Annotated[int, key("", ge=0)], ...], key("volumes, of fir and lanczos", min_length=1)
    ] = (1, 2, 3, 4)
    trim: Annotated[
        tuple[Annotated[int, key("", ge=0)], Annotated[int, key("", ge=0)]],
        key("volumes that each run loses at its start and its end"),
    ] = (0, 0)
    detrend: Annotated[
        Annotated[int, key("", ge=0)] | Cosine | None,
        key(
            "drift taken out of responses and features",
            allowed="an order of polynomial, or {cosine: seconds}",
        ),
    ] = None
    nuisance: Annotated[bool, key("remove the scans' nuisance regressors from the responses")] = (
        False
    )
    zscore: Annotated[
        tuple[Literal["run", "fold"], ...],
        key("run: features within each run; fold: features and responses of each part of a fold"),
    ] = ()
    silence: Annotated[
        Literal["mean", "zero"],
        key("a volume without words holds the mean word, or zeros (zero: they tell speech rate)"),
    ] = "mean"
    pca: Annotated[int, key("principal components of every layer (as reduce)", ge=1)] | None = None

    @property
    def copies(self) -> int:
        """How often each unit stands in a volume's features: once for each delay."""
        return 1 if self.features == "hrf" else len(self.delays)


SurrogateMethod = Literal["blocks", "shifts", "phases"]


class Chance(Settings, frozen=True):
    """Whether targets are predicted better than by chance: p of each, by surrogate responses."""

    distribution: Annotated[
        Literal["test", "refit"],
        key("test: held-out responses are surrogates; refit: the map is fitted to surrogates"),
    ] = "test"
    method: Annotated[
        SurrogateMethod,
        key("blocks of rows change their order; shifts move a run in a circle; phases are redrawn"),
    ] = "blocks"
    block: (
        Annotated[int, key("rows of a block, of timed data; untimed: whole context groups", ge=1)]
        | None
    ) = None
    block_seconds: Annotated[float, key("the same in seconds, of timed data", gt=0)] | None = None
    permutations: Annotated[int, key("surrogates that are drawn", ge=1)] = 1000
    level: Annotated[
        float, key("false discoveries among significant targets, per subject", gt=0, lt=1)
    ] = 0.05

    def __post_init__(self) -> None:
        lengths = [n for n in ("block", "block_seconds") if getattr(self, n) is not None]
        if len(lengths) > 1:
            raise InputError("block: block and block_seconds are given, expected one")
        if lengths and self.method != "blocks":
            raise InputError(f"{lengths[0]}: only method blocks has it, not {self.method}")
        least = math.ceil(round(1 / self.level, 6))
        if self.permutations < least:
            raise InputError(
                f"permutations: {self.permutations}, expected {least} or more, for no p is below "
                f"1 / (1 + permutations) and level is {self.level:g}"
            )

    def in_rows(self, tr: float | None) -> "Chance":
        """The same with a block in rows, which are `tr` seconds apart (None: not timed)."""
        if self.block_seconds is None or tr is None:
            return self
        return replace(self, block=math.ceil(round(self.block_seconds / tr, 6)), block_seconds=None)


class Scoring(Settings, frozen=True):
    """All that the scores of a layer depend on."""

    regression: Annotated[Regression | Similarity, key("the map, or a similarity without one")]
    split: Annotated[Split, key("which rows train and which test")]
    aggregate: Annotated[
        Literal["median-pooled", "median-within-subject", "mean"],
        key(
            "from targets to one number, over all targets; median-within-subject: per subject, "
            "then the mean over subjects"
        ),
    ] = "median-within-subject"
    layers: Annotated[
        Literal["best", "nested"] | Depth,
        key(
            "the layer that stands for the model; nested: chosen on training folds",
            allowed="best, nested, or {depth: 0 to 1}, if need be with stack: encoder or decoder",
        ),
    ] = "best"
    reduce: Annotated[Reduction | None, key("equal width of every layer")] = None
    epsilon: Annotated[float, key("added to both norms of r; Brain-Score has 1e-8", ge=0)] = 0.0
    unique_variance: Annotated[
        UniqueVariance | None, key("what the chosen layer adds to baselines")
    ] = None
    timing: Annotated[Timing | None, key("of timed data")] = None
    chance: Annotated[
        Chance | None, key("p of every target, count of significant ones, p of the group")
    ] = None

    def __post_init__(self) -> None:
        if self.chance is not None:
            self._check_chance(self.chance)
        if self.reduce is not None and self.timing is not None and self.timing.pca:
            raise InputError("reduce: and timing.pca are given, expected one of them")
        if isinstance(self.layers, Depth) and self.reduce and self.reduce.among == "model":
            raise InputError("layers: a depth, but reduce.among: model leaves one layer")
        similarity = isinstance(self.regression, Similarity)
        kind = tag_of(self.regression)
        if similarity and self.reduction is not None and self.reduction.method == "pca":
            name = "reduce.method" if self.reduce is not None else "timing.pca"
            raise InputError(f"{name}: pca is fitted to training rows, and {kind} has none")
        if similarity and self.unique_variance is not None:
            raise InputError(f"unique_variance: {kind} explains no variance; leave the key out")
        zscore = () if self.timing is None else self.timing.zscore
        if not getattr(self.regression, "intercept", True) and "fold" not in zscore:
            raise InputError(
                "regression.intercept: false needs rows that are z-scored by fold "
                "(timing.zscore), for else the mean of test rows would be known"
            )

    def _check_chance(self, chance: Chance) -> None:
        """Raise an InputError where p of targets would not be what they say."""
        length = "block_seconds" if chance.block is None else "block"
        given = getattr(chance, length) is not None
        if given and self.timing is None:
            raise InputError(
                f"chance.{length}: blocks of untimed data are whole context groups; leave it out"
            )
        if chance.method == "blocks" and self.timing is not None and not given:
            raise InputError(
                "chance: key 'block' (volumes) or 'block_seconds' is missing; a block has to be "
                "longer than the autocorrelation of the responses"
            )
        if isinstance(self.regression, Similarity):
            kind = tag_of(self.regression)
            raise InputError(f"chance: {kind} has regression.permutations instead; leave it out")
        if isinstance(self.split, Shuffled):
            raise InputError(
                "chance: shuffled folds train on the neighbours of what they test, whose noise is "
                "shared, so that p would be small by chance; take grouped or contiguous folds"
            )
        if self.layers == "best":
            raise InputError(
                "chance: layers: best picks the layer by the rows that are tested, so that p "
                "would be too small; take nested, or {depth: 0 to 1}"
            )

    @property
    def reduction(self) -> Reduction | None:
        """`reduce`, or what `timing.pca` says of it."""
        if self.timing is not None and self.timing.pca:
            return Reduction("pca", self.timing.pca)
        return self.reduce

    def inner_levels(self) -> list[tuple[str, str, int]]:
        """The levels of folds inside the training rows, as `splits.require_groups` takes them.

        There is one at most: the folds that choose the penalty choose the layer, too.
        """
        regression = self.regression
        if isinstance(regression, Ridge) and regression.selection == "folds-per-target":
            asking = "regression.selection: folds-per-target"
            return [("the penalty", asking, regression.inner_folds)]
        if self.layers == "nested":
            return [("the layer", "layers: nested", self.split.inner_folds)]
        return []

    def require_groups(self, groups: Sequence[Any] | np.ndarray) -> None:
        """Raise an InputError unless there are groups enough for folds that hold out groups, and
        for the folds inside these; `groups` [row]."""
        if not isinstance(self.split, Grouped):
            return
        require_groups(self.split.folds, groups, self.inner_levels())
        regression = self.regression
        per_target = isinstance(regression, Ridge) and regression.selection != "gcv-shared"
        if self.unique_variance is not None and not per_target:
            # Its banded ridge then chooses its penalties by inner folds of its own.
            level = ("the penalties of unique variance", "unique_variance", Ridge().inner_folds)
            require_groups(self.split.folds, groups, [level])

    @property
    def of_responses(self) -> "Scoring":
        """The same without all that concerns features alone: what a noise ceiling depends on."""
        timing = None if self.timing is None else replace(self.timing, pca=None)
        return Scoring(
            self.regression, self.split, self.aggregate, epsilon=self.epsilon, timing=timing
        )


class KeptTargets(Settings, frozen=True):
    """The scores of every target, in a file beside the table."""

    layers: Annotated[
        Literal["chosen", "all"], key("the layer that stands for the model, or every layer")
    ] = "chosen"
    draws: Annotated[
        bool,
        key(
            "r under every draw of chance, too: by these tuned models are compared with their "
            "vanilla partners target by target"
        ),
    ] = False


class BrainBenchmark(Scoring, kw_only=True, frozen=True):
    """A brain benchmark: data, how each layer is scored, and the noise ceiling."""

    dataset: Annotated[str, key("a dataset of the study", names="dataset of this study")]
    mode: Annotated[Mode, key("legacy: as the paper did; controlled: the sound way")]
    report_as: (
        Annotated[
            str,
            key(
                "benchmarks of one name and mode are averaged; default: the dataset",
                pattern=NOT_AVERAGE,
                allowed="a name other than average, which is the mean's in tables",
            ),
        ]
        | None
    ) = None
    models: Models = None
    companion: Annotated[
        bool, key("shown beside the others, but in no average, contrast or correlation")
    ] = False
    ceiling: Annotated[Ceiling, key("how the noise ceiling is estimated")] = NoCeiling()
    targets: Annotated[
        bool | KeptTargets,
        key(
            "a file with the scores of every target; true: of the chosen layer",
            allowed="true, false, or {layers: chosen or all, draws: true or false}",
        ),
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.targets and isinstance(self.regression, Similarity):
            raise InputError(
                f"targets: {tag_of(self.regression)} scores all targets of a subject at once; "
                "leave the key out"
            )
        if self.kept_targets is not None and self.kept_targets.draws and self.chance is None:
            raise InputError(
                "targets.draws: true, but there is no chance to draw from; give chance"
            )
        if isinstance(self.regression, Similarity) and not isinstance(self.ceiling, NoCeiling):
            raise InputError(
                f"ceiling.method: {tag_of(self.ceiling)} is of regressions, not of "
                f"{tag_of(self.regression)}"
            )
        if isinstance(self.split, HeldOut) and isinstance(
            self.ceiling, Disattenuation | Extrapolation
        ):
            raise InputError(
                f"ceiling.method: {tag_of(self.ceiling)} resamples folds, of which split.scheme "
                "held-out has one; take repeats where the dataset has them, or split-half"
            )
        if self.mode == "controlled":
            for fault in self._uncontrolled():
                raise InputError(fault)

    def _uncontrolled(self) -> Iterator[str]:
        """What mode controlled does not allow."""
        if isinstance(self.ceiling, Extrapolation):
            yield (
                "ceiling.method: extrapolation is Brain-Score's formula, of mode legacy; a "
                "controlled benchmark takes disattenuation"
            )
        if isinstance(self.split, Shuffled):
            yield (
                "split.scheme: shuffled, but mode is controlled: neighbouring rows, whose noise is "
                "shared, would train and test; take grouped or contiguous"
            )
        if self.layers == "best":
            yield (
                "layers: best, but mode is controlled: the rows that choose the layer would score "
                "it; take nested, or {depth: 0 to 1}"
            )
        if isinstance(self.regression, Ols):
            yield (
                "regression.type: ols, but mode is controlled: r would fall with the number of "
                "units; take ridge"
            )
        if isinstance(self.regression, Cka) and self.regression.estimator == "biased":
            yield (
                "regression.estimator: biased, but mode is controlled: CKA of independent data is "
                "then near 1 where units exceed rows; take debiased"
            )
        elif isinstance(self.regression, Similarity):
            if self.regression.pairs == Pairs():
                yield (
                    "regression.pairs: mode controlled compares no neighbours, whose noise is "
                    "shared; give {contexts: apart}, or {gap: rows} longer than the "
                    "autocorrelation"
                )
            if not self.regression.permutations:
                yield (
                    "regression.permutations: mode controlled needs the null distribution of "
                    f"{tag_of(self.regression)}; give a number of permutations, for "
                    "instance 99"
                )

    @property
    def kept_targets(self) -> KeptTargets | None:
        """What is kept of every target; None: nothing."""
        if isinstance(self.targets, KeptTargets):
            return self.targets
        return KeptTargets() if self.targets else None

    @property
    def scoring(self) -> Scoring:
        """What an alignment depends on: neither names nor the ceiling."""
        return part(self, Scoring)
