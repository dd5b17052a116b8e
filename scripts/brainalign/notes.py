"""Notes of tables that say why a value is missing: `not computable: WHY`."""

_BEGINNING = "not computable: "


def not_computable(why: str) -> str:
    """The note of a value that cannot be computed; '' where `why` is empty."""
    return _BEGINNING + why if why else ""


def is_not_computable(note: object) -> bool:
    """Whether a note says so; an empty one is NaN in a table that was read from CSV."""
    return isinstance(note, str) and note.startswith(_BEGINNING)


def why_not(note: str) -> str:
    """The reason in a note, without its beginning."""
    return note.removeprefix(_BEGINNING)
