"""Datasets of which a study needs only the means of activations over volumes (`keep: volumes`)."""

from brainalign.encoding.settings import BrainBenchmark
from brainalign.study.settings import Study


def averaged_by_volume(study: Study) -> set[str]:
    """The datasets whose words every benchmark averages in their volume; none without the key.

    Benchmarks that filter or convolve words, or fit principal components to them, need each word.
    """
    if study.keep != "volumes":
        return set()
    datasets = {benchmark.dataset for benchmark in study.alignment.values()}
    return datasets - {b.dataset for b in study.alignment.values() if not _averages(b)}


def _averages(benchmark: BrainBenchmark) -> bool:
    timing, reduction = benchmark.timing, benchmark.reduction
    if timing is None or timing.features != "fir":
        return False
    return reduction is None or reduction.method != "pca"
