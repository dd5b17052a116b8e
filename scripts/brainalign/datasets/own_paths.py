"""Which files of the user a source names."""

from collections.abc import Iterator, Mapping, Sequence

from brainalign.settings import Settings

KEYS = ("path", "stimuli", "responses", "targets", "atlas", "mask")


def own_paths(source: Settings) -> list[str]:
    """The paths that the config gives, each once: of a dataset, questions, a text or a model."""
    given = [getattr(source, key, None) for key in KEYS]
    return list(dict.fromkeys(path for one in given for path in named_paths(one)))


def named_paths(given: object) -> Iterator[str]:
    """The paths in a path, a list, or a mapping (scans: subject → its files), nested or not."""
    if isinstance(given, str):
        yield given
    elif isinstance(given, Mapping):
        yield from named_paths(list(given.values()))
    elif isinstance(given, Sequence):
        for part in given:
            yield from named_paths(part)
