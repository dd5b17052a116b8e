"""One timed run of encoding.py: `ours` or `peer` does one work and writes what it found.

`peer` runs in the peer's environment, without ours. Only the work itself is timed, in float32 (a
work whose name ends in -double: the peer in float64, its arrays' usual type): arrays are made and
imports are done before. `share` is the part of the work that was done, where a peer is slow. The
values that are compared are those of the first targets in float64, which are computed after the
timed run. The flop limit is of a machine that is warm, so a second run of ours is held against it.
"""

import itertools
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Measured, matrix_rate, write

ALPHAS = np.logspace(-3, 3, 7)
INNER_FOLDS = 5
CEILING_TARGETS = 12155
PEER_CEILING_TARGETS = 3
SIZES = np.arange(2, 9)
COMPARED_TARGETS = 200
# Work → the metric of Brain-Score's that does it.
BRAIN_SCORES = {"ols-pereira": "linear_pearsonr", "ridge-shared-pereira": "ridge_pearsonr"}
PEREIRA, WEHBE = (627, 4096, 12155), (1295, 1024, 30000)
DELAYS = (3000, 4 * 768, 20000)  # a layer in four delays; the first of five folds alone


def arrays(rows: int, units: int, targets: int) -> tuple[np.ndarray, np.ndarray]:
    """Activations with a decaying spectrum and an outlier unit; autocorrelated responses."""
    random = np.random.default_rng(0)
    latent = random.standard_normal((rows, 200)) * np.arange(1, 201) ** -0.5
    x = latent @ random.standard_normal((200, units))
    x += 0.3 * random.standard_normal((rows, units))
    x[:, 3] += 50
    y = 0.5 * latent[:, :20] @ random.standard_normal((20, targets)) / 4.5
    noise = random.standard_normal((rows, targets))
    noise[1:] += 0.4 * noise[:-1]
    return x.astype(np.float32), (y + noise).astype(np.float32)


def blocks(rows: int, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows of contiguous folds."""
    edges = np.linspace(0, rows, folds + 1).round().astype(int)
    tests = [np.arange(a, b) for a, b in itertools.pairwise(edges)]
    return [(np.setdiff1d(np.arange(rows), test), test) for test in tests]


def pearson(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """r of each column."""
    p, t = prediction - prediction.mean(axis=0), truth - truth.mean(axis=0)
    return (p * t).sum(axis=0) / np.sqrt((p * p).sum(axis=0) * (t * t).sum(axis=0))


def ceiling_scores() -> list[np.ndarray]:
    """Scores [target, pool × split] for each number of subjects, of a known curve."""
    random = np.random.default_rng(0)
    asymptote = random.uniform(0.2, 0.6, CEILING_TARGETS)
    pools = [min(40, int(np.prod(np.arange(8, 8 - n, -1)) / np.prod(np.arange(1, n + 1))))
             for n in SIZES]  # fmt: skip
    return [
        asymptote[:, None] * (1 - np.exp(-n / 2))
        + 0.08 * random.standard_normal((CEILING_TARGETS, 10 * n_pools))
        for n, n_pools in zip(SIZES, pools, strict=True)
    ]


def numpy_rate() -> float:
    """Operations per second of numpy's float32 matrix product on this machine."""
    random = np.random.default_rng(0)
    return matrix_rate(lambda *shape: random.standard_normal(shape).astype(np.float32))


def flops(work: str, rows: int, units: int, targets: int, folds: int) -> float:
    """Operations of the cheapest known exact route, the Gram matrix's symmetric half included."""
    train, test = rows - rows // folds, rows // folds
    gram = rows * units * min(rows, units)
    folds = 1 if work == "ridge-delays" else folds
    product = 2 * test * train * targets
    if work.startswith("ols"):
        return gram + folds * (min(train, units) ** 3 / 3 + product)
    if work == "ridge-shared-pereira":  # the losses of all targets by the responses' Gram matrix
        choosing = len(ALPHAS) * train**3
        return gram + rows * rows * targets + folds * (9 * train**3 + choosing + product)
    if work == "ridge-gcv-pereira":
        spectrum = 9 * train**3 + 2 * train * train * targets
        return gram + folds * (spectrum + product)
    # Per alpha an inverse, a squared operator and its triangle, and that times the responses.
    per_alpha = train**3 + train**3 + train**3 / 3 + train * train * targets
    return gram + folds * (len(ALPHAS) * per_alpha + product)


def ours(work: str) -> dict[str, Any]:
    """Our side of a work."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
    import torch  # noqa: F401  large products need it; the peers' imports are not timed either
    from brainalign.encoding.benchmark import RegressionBenchmark
    from brainalign.encoding.extrapolation import extrapolate
    from brainalign.encoding.features import Features
    from brainalign.encoding.regression import LeastSquares, Ridge
    from brainalign.encoding.responses import Responses, Targets
    from brainalign.encoding.scoring import score_layer
    from brainalign.encoding.splits import Contiguous, contiguous

    if work == "ceiling":
        scores = ceiling_scores()
        with Measured() as cost:
            samples = extrapolate(SIZES, scores, 100, np.random.default_rng(0))
            center = np.median(samples, axis=1)
        return cost.report(center[:PEER_CEILING_TARGETS])
    if work == "whole-model":
        return all_layers()
    rows, units, targets, layers, folds = sizes_of(work)
    x, y = arrays(rows, units, targets)
    alphas = tuple(ALPHAS.tolist())
    regression = {
        "ridge-pereira": Ridge("folds-per-target", alphas, inner_folds=INNER_FOLDS),
        "ridge-delays": Ridge("folds-per-target", alphas, inner_folds=INNER_FOLDS),
        "ridge-gcv-pereira": Ridge("gcv-per-target", alphas),
        "ridge-shared-pereira": Ridge("gcv-shared", alphas),
    }.get(work.removesuffix("-double"), LeastSquares())
    splits = contiguous(rows, folds)[: 1 if work == "ridge-delays" else folds]
    epsilon = 1e-8 if work in BRAIN_SCORES else 0.0
    benchmark = RegressionBenchmark(
        regression=regression, scheme=Contiguous(), splits=tuple(splits), groups=None,
        aggregate="mean", layers="best", reduce=None, epsilon=epsilon, seed=0,
    )  # fmt: skip

    def responses_of(y: np.ndarray) -> Responses:
        names = np.full(y.shape[1], "x")
        return Responses(y, Targets(np.arange(y.shape[1]).astype(str), names, names))

    responses = responses_of(y)
    known = not work.startswith("growth")
    limit = flops(work, rows, units, targets, folds) / numpy_rate() if known else None
    with Measured() as cost:
        for _ in range(layers):
            scores = score_layer(Features(x), responses, benchmark, splits)
    if not known:
        return cost.report([])
    with Measured() as again:
        score_layer(Features(x), responses, benchmark, splits)
    x, y = compared(x, y)
    exact = score_layer(Features(x), responses_of(y), benchmark, splits).r
    single = np.abs(scores.r[:, :COMPARED_TARGETS] - exact).max()
    report = cost.report(exact, limit=limit)
    return {**report, "warm_s": again.cpu, "single_precision": float(single)}


def compared(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The arrays on which values are compared: the first targets, in float64."""
    return x.astype(np.float64), y[:, :COMPARED_TARGETS].astype(np.float64)


def sizes_of(work: str) -> tuple[int, int, int, int, int]:
    """rows, units, targets, layers, folds."""
    if work.startswith("growth-"):
        sizes = {"rows": 400, "units": 1024, "targets": 4000, "layers": 1, "folds": 5}
        _, axis, size = work.split("-")
        sizes[axis] = int(size)
        return tuple(sizes.values())  # type: ignore[return-value]
    return (*{"ols-wehbe": WEHBE, "ridge-delays": DELAYS}.get(work, PEREIRA), 1, 5)


def all_layers() -> dict[str, Any]:
    """33 layers of 4096 units, both Pereira experiments, legacy and controlled."""
    import tempfile

    import pandas as pd
    import xarray as xr
    from brainalign.encoding.alignment import align
    from brainalign.encoding.settings import Scoring
    from brainalign.formats.activations import open_activations, write_activations
    from brainalign.settings import read

    controlled = {
        "regression": {
            "type": "ridge", "selection": "gcv-per-target",
            "alphas": {"low": 1e-4, "high": 1e4, "n": 17, "relative": True},
        },
        "split": {"scheme": "grouped", "folds": 10, "seed": 1}, "layers": "nested",
    }  # fmt: skip
    legacy = {
        "regression": {"type": "ols"}, "split": {"scheme": "shuffled"},
        "aggregate": "median-pooled",
    }  # fmt: skip
    made = []
    folder = tempfile.TemporaryDirectory()
    for rows, targets, passages in ((384, 12155, 96), (243, 8121, 72)):
        x, y = arrays(rows, 4096, targets)
        ids = [f"s{i}" for i in range(rows)]
        path = Path(folder.name) / f"{rows}.safetensors"
        write_activations({f"layer.{i}": x for i in range(33)}, ids, path, {})
        topics = (np.arange(rows) * passages // rows // (passages // 24)).astype(str)
        stimuli = pd.DataFrame({"stimulus_id": ids, "split_group": topics})
        names = np.array([f"s{i % 9}" for i in range(targets)], dtype=object)
        dataset = xr.Dataset(
            {"responses": (("stimulus", "target"), y)},
            coords={
                "target_id": ("target", np.arange(targets).astype(str).astype(object)),
                "subject": ("target", names),
                "region": ("target", np.full(targets, "language", dtype=object)),
            },
        )
        made.append((open_activations(path), stimuli, dataset))
    with Measured() as cost:
        for file, stimuli, dataset in made:
            for entry in (legacy, controlled):
                align(file, stimuli, dataset, read(entry, Scoring), "cpu", 0)
    return cost.report([])


def peer(work: str) -> dict[str, Any]:
    """The peer's side of a work."""
    warnings.filterwarnings("ignore")
    if work == "ceiling":
        return brainscore_ceiling()
    rows, units, targets, _, folds = sizes_of(work)
    x, y = arrays(rows, units, targets)
    if work in BRAIN_SCORES:
        return brainscore_regression(x, y, folds, BRAIN_SCORES[work])
    splits = blocks(rows, folds)[: 1 if work == "ridge-delays" else folds]
    if work == "ols-wehbe":
        from sklearn.linear_model import LinearRegression

        def least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            model = LinearRegression
            folds = [pearson(model().fit(x[a], y[a]).predict(x[b]), y[b]) for a, b in splits]
            return np.stack(folds)

        with Measured() as cost:
            least_squares(x, y)
        return cost.report(least_squares(*compared(x, y)))
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV

    set_backend("numpy")
    batches = {"n_targets_batch": 2000, "n_targets_batch_refit": 2000, "n_alphas_batch": 1}

    def kernel_ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        r = []
        for a, b in splits:
            mean_x, mean_y = x[a].mean(axis=0), y[a].mean(axis=0)
            model = KernelRidgeCV(alphas=ALPHAS, cv=INNER_FOLDS, solver_params=batches, warn=False)
            model.fit(x[a] - mean_x, y[a] - mean_y)
            r.append(pearson(np.asarray(model.predict(x[b] - mean_x)), y[b]))
        return np.stack(r)

    given = [array.astype(np.float64 if work.endswith("-double") else x.dtype) for array in (x, y)]
    with Measured() as cost:
        kernel_ridge(*given)
    return cost.report(kernel_ridge(*compared(x, y)))


def brainscore_regression(x: np.ndarray, y: np.ndarray, folds: int, name: str) -> dict[str, Any]:
    """A metric of Brain-Score's over the same folds, as groups that are held out in turn."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly
    from brainscore_language import load_metric

    rows = len(x)
    story = np.empty(rows, dtype=object)
    for fold, (_, test) in enumerate(blocks(rows, folds)):
        story[test] = f"block{fold}"
    ids = [f"s{i:05d}" for i in range(rows)]
    shown = {"stimulus_id": ("presentation", ids), "story": ("presentation", story.tolist())}
    settings = {"splits": folds, "split_coord": "story", "kfold": "group", "random_state": 1}
    metric = load_metric(name, crossvalidation_kwargs=settings)

    def assembly(values: np.ndarray, name: str) -> NeuroidAssembly:
        coords = {
            **shown, "neuroid_id": ("neuroid", np.arange(values.shape[1])),
            name: ("neuroid", [name] * values.shape[1]),
        }  # fmt: skip
        return NeuroidAssembly(values, dims=["presentation", "neuroid"], coords=coords)

    source, target = assembly(x, "layer"), assembly(y, "subject")
    with Measured() as cost:
        metric(source, target)
    exact_x, exact_y = compared(x, y)
    raw = metric(assembly(exact_x, "layer"), assembly(exact_y, "subject")).attrs["raw"]
    raw = raw.attrs.get("raw", raw)
    raw = raw.sortby("neuroid_id") if "neuroid_id" in raw.coords else raw
    # Its folds are shuffled groups: put them in the order of the blocks.
    order = np.random.RandomState(1).permutation([f"block{i}" for i in range(folds)])
    return cost.report(raw.transpose("split", "neuroid").values[np.argsort(order)])


def brainscore_ceiling() -> dict[str, Any]:
    """ExtrapolationCeiling.extrapolate_neuroid for the first targets."""
    from brainscore_core.metrics import Score
    from brainscore_language.benchmarks.blank2014.ceiling import ExtrapolationCeiling

    scores = ceiling_scores()
    pools = [s.shape[1] // 10 for s in scores]
    names = [f"{n}-{j}" for n, m in zip(SIZES, pools, strict=True) for j in range(m)]
    ceiling = ExtrapolationCeiling(subject_column="subject", num_bootstraps=100)
    values = []
    with Measured() as cost:
        for target in range(PEER_CEILING_TARGETS):
            block = np.full((len(SIZES), len(names), 10), np.nan)
            for i, n in enumerate(SIZES):
                for j in range(pools[i]):
                    part = scores[i][target].reshape(-1, 10)[j]
                    block[i, names.index(f"{n}-{j}")] = part
            coords = {"num_subjects": SIZES, "sub_subject": names, "split": np.arange(10)}
            given = Score(block, coords=coords, dims=["num_subjects", "sub_subject", "split"])
            values.append(float(ceiling.extrapolate_neuroid(given)))
    return cost.report(values, share=PEER_CEILING_TARGETS / CEILING_TARGETS)


if __name__ == "__main__":
    side, what, target = sys.argv[1:]
    write((ours if side == "ours" else peer)(what), target)
