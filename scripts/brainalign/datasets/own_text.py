"""A running text of the user's own, for next-word prediction."""

from collections.abc import Sequence

from brainalign.datasets.raw import RawFile, Record, content, user_file
from brainalign.datasets.text_settings import OwnText
from brainalign.errors import InputError
from brainalign.formats.text import decode


def raw_files(source: OwnText) -> list[RawFile]:
    """The file that the config names."""
    return [user_file(source.path)]


def read(records: Sequence[Record]) -> list[str]:
    """The text as it stands, as one article; its line ends become `\\n`.

    Raises
    ------
    InputError : it is not in UTF-8, or there is nothing in it.
    """
    (record,) = records
    text = decode(content(record), record.path).replace("\r\n", "\n").strip("\n")
    if not text.strip():
        raise InputError(f"{record.path}: the text is empty")
    # Files of old Macs end their lines at carriage returns.
    return [text if "\n" in text else text.replace("\r", "\n")]
