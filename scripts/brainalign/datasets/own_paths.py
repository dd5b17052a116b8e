"""Which files of the user a source names."""

from brainalign.settings import Settings

KEYS = ("path", "stimuli", "responses", "targets", "atlas", "mask")


def own_paths(source: Settings) -> list[str]:
    """The paths that the config gives, each once: of a dataset, questions, a text or a model."""
    paths: list[str] = []
    for key in KEYS:
        given = getattr(source, key, None)
        if isinstance(given, str):
            paths.append(given)
        elif given is not None:  # scans: subject → its files
            paths += [path for files in given.values() for path in files]
    return list(dict.fromkeys(paths))
