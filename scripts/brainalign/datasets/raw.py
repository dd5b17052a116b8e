"""Raw files: where they come from, whether they are the right ones, where they lie here."""

import csv
import gzip
import hashlib
import io
import logging
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from brainalign.errors import REMAKE, InputError
from brainalign.formats.atomic import atomic_path, sha256_of
from brainalign.formats.tables import read_json, write_json
from brainalign.formats.text import decode
from brainalign.resources import RESOURCES

if TYPE_CHECKING:
    import pandas as pd


LOG = logging.getLogger("brainalign")
GZIP = b"\x1f\x8b"  # the first bytes of a file
OPENNEURO = "https://s3.amazonaws.com/openneuro.org"


class Record(msgspec.Struct, frozen=True):
    """A raw file that was found, as raw.json has it.

    Attributes
    ----------
    name : its path in the mirror's layout.
    path : the local file, which may be packed (`.gz`).
    sha256, bytes : of the unpacked content.
    origin : `mirror` or `download`.
    verified : whether a published digest was compared.
    """

    name: str
    path: str
    sha256: str
    bytes: int = 0
    url: str = ""
    licence: str = ""
    origin: str = ""
    verified: bool = False


class Raw(msgspec.Struct, frozen=True):
    """raw.json: the source as the config has it, and its raw files."""

    source: dict[str, Any]
    files: tuple[Record, ...]


@dataclass(frozen=True)
class RawFile:
    """One raw file of a dataset.

    Attributes
    ----------
    path : where it lies under the mirror and under the downloads folder.
    url : its official address; empty if the user has to download it by hand.
    digest : `sha256:…` or `sha1:…` of the unpacked content; empty when none is published.
    by_hand : how the user gets a file without url.
    """

    path: str
    url: str = ""
    digest: str = ""
    licence: str = ""
    by_hand: str = ""


def raw_table(name: str, licence: str) -> dict[str, RawFile]:
    """The raw files listed in resources/raw/`name`.csv, by path."""
    with (RESOURCES / "raw" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["path"]: RawFile(
                path=row["path"],
                url=row["url"],
                digest=f"sha256:{row['sha256']}" if row["sha256"] else "",
                licence=licence,
            )
            for row in csv.DictReader(file)
        }


def openneuro(names: Iterable[str], licence: str) -> list[RawFile]:
    """Files of OpenNeuro's datasets, by dataset and path (`ds003020/stimuli/…`)."""
    return [RawFile(path=name, url=f"{OPENNEURO}/{name}", licence=licence) for name in names]


def user_file(path: str) -> RawFile:
    """A user's file that a config names, as a path from the working directory."""
    return RawFile(
        path=str(Path(path).absolute()), by_hand="the config names it", licence="your own"
    )


def locate(
    files: Iterable[RawFile], mirror: str | Path | None, downloads: str | Path
) -> list[Record]:
    """Find every file in the mirror, else in the downloads folder, else download it; check it.

    In the mirror, and in the downloads folder, `PATH.gz` may stand for `PATH`: the digest is of
    the unpacked content.

    Returns
    -------
    A record per file, in the order of `files`.

    Raises
    ------
    InputError : a file is neither here nor to be downloaded, or its content is another.
    """
    if mirror is not None and not Path(mirror).is_dir():
        raise InputError(f"mirror: {mirror} is not a folder")
    return [_located(file, mirror, Path(downloads)) for file in files]


def write_raw(source: dict[str, Any], records: Sequence[Record], path: str | Path) -> None:
    """Write raw.json."""
    write_json(msgspec.to_builtins(Raw(source, tuple(records))), path)


def read_raw(path: str | Path) -> Raw:
    """Read raw.json.

    Raises
    ------
    InputError : it is damaged, or has not the records of raw files.
    """
    try:
        return msgspec.convert(read_json(path), Raw)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}; {REMAKE}") from error


def content(record: Record) -> bytes:
    """The unpacked content of a located file.

    Raises
    ------
    InputError : the file has gone, or is a damaged gzip file.
    """
    return _content(Path(record.path), record.name)


def _content(path: Path, name: str) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: raw file {name} is no longer there") from error
    return _decompress(data, str(path)) if _is_packed(path, name) else data


def unpacked(content: bytes, where: str) -> bytes:
    """The content of a file that may be packed with gzip, as its first bytes say.

    Raises
    ------
    InputError : it is a damaged gzip file.
    """
    return _decompress(content, where) if content.startswith(GZIP) else content


@contextmanager
def open_unpacked(path: str | Path) -> Iterator[IO[bytes]]:
    """A file that may be packed with gzip, as its first bytes say, unpacked as far as it is read.

    Raises
    ------
    OSError : there is no such file. OSError, EOFError, zlib.error : on reading, gzip is damaged.
    """
    with Path(path).open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        if not packed:
            yield file
            return
        with gzip.open(file) as content:
            yield content  # type: ignore[misc]  # it has all that is used of a file


def _decompress(packed: bytes, where: str) -> bytes:
    """The content of a gzip file, or an InputError that names the file: it is damaged."""
    try:
        return gzip.decompress(packed)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{where}: not a whole gzip file ({error})") from error


def keep(record: Record, downloads: str | Path) -> Path:
    """The path of a located file under the downloads folder; it is copied there if need be."""
    path = Path(record.path)
    packed = ".gz" if _is_packed(path, record.name) else ""
    target = Path(downloads) / f"{record.name}{packed}"
    if not target.is_file():
        with atomic_path(target) as partial:
            shutil.copyfile(path, partial)
    return target


def text(record: Record) -> str:
    """The unpacked content of a located file as UTF-8 text, line ends as they are.

    Raises
    ------
    InputError : as `content`, or as `decode`.
    """
    return decode(content(record), record.path)


def table_rows(record: Record, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a located Parquet file, `columns` of them.

    Raises
    ------
    InputError : as `content`, or it is not a whole Parquet file that has the columns.
    """
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content(record)))
        missing = [name for name in columns if name not in table.column_names]
        rows = [] if missing else table.select(list(columns)).to_pylist()
    except InputError:
        raise
    # A damaged file makes the Parquet layer fail in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{record.path}: not a whole Parquet file ({error})") from error
    if missing:
        raise InputError(f"{record.path}: column {', '.join(missing)} is missing")
    return rows


def tab_separated(record: Record, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """`columns` (None: all) of a located table of tab-separated text, cells as they stand.

    Quote marks and `n/a` are words like others.

    Raises
    ------
    InputError : as `text`, or the table is cut short or lacks a column.
    """
    import pandas as pd

    lines = text(record)
    if not lines.endswith("\n"):
        raise InputError(f"{record.path}: cut short: its last line has no end")
    try:
        table = pd.read_csv(
            io.StringIO(lines), sep="\t", dtype=str, quoting=csv.QUOTE_NONE, na_filter=False
        )
    except ValueError as error:  # of which pandas' errors of parsing are kinds
        raise InputError(f"{record.path}: not a tab-separated table ({error})") from error
    columns = list(table.columns if columns is None else columns)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(
            f"{record.path}: column {', '.join(missing)} is missing; it has "
            f"{', '.join(table.columns)}"
        )
    return table[columns].fillna("")


def needed(files: Mapping[str, Record], name: str, what: str) -> Record:
    """The located file of a name; the error names `what` if the file is absent.

    Raises
    ------
    InputError : no such file.
    """
    if name not in files:
        raise InputError(f"{name}: {what} is not among the raw files")
    return files[name]


def by_name(records: Iterable[Record]) -> dict[str, Record]:
    """Located files by their path in the mirror's layout."""
    return {record.name: record for record in records}


def _located(file: RawFile, mirror: str | Path | None, downloads: Path) -> Record:
    for root, origin in ((mirror, "mirror"), (downloads, "download")):
        path = _present(Path(root), file.path) if root is not None else None
        if path is not None:
            return _checked(file, path, origin)
    if not file.url:
        roots = [root for root in (mirror, downloads) if root is not None]
        paths = " or ".join(dict.fromkeys(str(Path(root) / file.path) for root in roots))
        raise InputError(f"raw file {file.path} is not here; {file.by_hand}; put it at {paths}")
    return _downloaded(file, mirror, downloads)


def _present(root: Path, name: str) -> Path | None:
    plain, packed = root / name, root / f"{name}.gz"
    return next((path for path in (plain, packed) if path.is_file()), None)


def _downloaded(file: RawFile, mirror: str | Path | None, downloads: Path) -> Record:
    """Download, check, then keep: a file of another content never lies under the file's name."""
    import pooch

    target = downloads / file.path
    LOG.info("downloading %s", file.url)
    with atomic_path(target) as temporary:
        try:
            # Without a digest here: a wrong one is reported by _checked, in our words.
            pooch.retrieve(file.url, known_hash=None, fname=temporary.name, path=temporary.parent)
        except (OSError, ValueError) as error:
            where = f"{Path(mirror) / file.path} or {target}" if mirror is not None else str(target)
            raise InputError(
                f"raw file {file.path} could not be downloaded from {file.url} "
                f"({type(error).__name__}); without network, put it (or its .gz) at {where}"
                + ("" if mirror is not None else ", or name a folder that holds it as mirror")
            ) from error
        record = _checked(file, temporary, "download", f"{file.url}, not kept")
    return replace(record, path=str(target))


def _checked(file: RawFile, path: Path, origin: str, where: str = "") -> Record:
    """The record of a file; `where` names it in errors if `path` is temporary."""
    if _is_packed(path, file.path):
        data = _content(path, file.path)
        sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    else:
        sha256, size = sha256_of(path), path.stat().st_size
        with path.open("rb") as stream:
            sha1 = hashlib.file_digest(stream, "sha1").hexdigest()
    digests = {"sha256": sha256, "sha1": sha1}
    algorithm, _, expected = file.digest.partition(":")
    if expected and digests[algorithm] != expected:
        raise InputError(
            f"{where or path}: {algorithm} of its content is {digests[algorithm]}, expected "
            f"{expected}; it is truncated, damaged or another release: "
            f"{'run again' if where else 'remove it and run again'}"
        )
    return Record(
        file.path, str(path), sha256, size, file.url, file.licence, origin, bool(file.digest)
    )


def _is_packed(path: Path, name: str) -> bool:
    return path.suffix == ".gz" and not name.endswith(".gz")
