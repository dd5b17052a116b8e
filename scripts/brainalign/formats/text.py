"""Text files: UTF-8 with or without byte order mark, lines that end at line feeds."""

import codecs
from pathlib import Path

from brainalign.errors import REMAKE, InputError

# UTF-32's mark of little-endian files begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_REMEDY = 'save it as UTF-8 (Excel: "CSV UTF-8 (comma delimited)")'


def decode(content: bytes, where: str) -> str:
    """The text of a file in UTF-8, line ends as they are, without a byte order mark.

    Raises
    ------
    InputError : it is in UTF-16 or UTF-32, in another encoding (says in which line), or holds NUL.
    """
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            raise InputError(f"{where}: the file is in {encoding}; {_REMEDY}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        skipped = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
        at = error.start + skipped
        line = content.count(b"\n", 0, at) + 1
        start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
        around = content[max(start, at - 10) : min(at + 10, end if end > 0 else len(content))]
        raise InputError(
            f"{where}: line {line}: byte 0x{content[at]:02x} is not UTF-8; in Latin-1 it would be "
            f"{around.decode('latin-1').strip()!r}; {_REMEDY}"
        ) from error
    if "\0" in text:
        raise InputError(
            f"{where}: line {text[: text.index(chr(0))].count(chr(10)) + 1} holds NUL: the file is "
            f"damaged ({REMAKE}), or in UTF-16 without a byte order mark ({_REMEDY})"
        )
    return text


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, its line ends all `\\n`.

    Raises
    ------
    InputError : the file cannot be opened, or as `decode`.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    text = decode(content, str(path)).replace("\r\n", "\n")
    # Files of old Macs end their lines at carriage returns; elsewhere these stand inside a line.
    return text if "\n" in text else text.replace("\r", "\n")


def lines(text: str) -> list[str]:
    """The lines of `read_text`, without their ends.

    `str.splitlines` cuts at U+0085, U+2028, U+2029 and form feeds as well, which are no line ends
    in JSON Lines, nor in a text with a document a line.
    """
    return text.removesuffix("\n").split("\n") if text else []
