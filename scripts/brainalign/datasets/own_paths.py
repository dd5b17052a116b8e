"""Which files a source of type `own` names."""

from collections.abc import Mapping
from typing import Any

KEYS = ("path", "stimuli", "responses", "targets", "atlas")


def own_paths(source: Mapping[str, Any]) -> list[str]:
    """The paths that the config gives, each once: of a dataset, of questions or of a text."""
    paths: list[str] = []
    for key in KEYS:
        given = source.get(key)
        if isinstance(given, str):
            paths.append(given)
        elif given is not None:  # scans: subject → its files
            paths += [path for files in given.values() for path in files]
    return list(dict.fromkeys(paths))
