"""Make a local conda channel `conda-forge` of the wheels that envs/*.yaml and these need.

    python channel.py FOLDER ENV.yaml... --constraints constraints.txt

Run by the Python of requirements.txt beside this file. FOLDER/wheels is filled by `pip download`
(it is looked at first), FOLDER/conda-forge is the channel. Packages have the names of the
environment files, and the versions and needs that the wheels' own metadata declare; `python` is a
skeleton on the interpreter that runs this.
"""

import argparse
import asyncio
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from rattler.index import index_fs
from rattler_build import assemble_package

SUBDIR = "linux-64"
PYTHON = ".".join(platform.python_version_tuple()[:2])
SITE_PACKAGES = f"lib/python{PYTHON}/site-packages"
PYPI_NAMES = {"pytorch": "torch"}  # of conda-forge → of PyPI


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(environments: list[Path]) -> dict[str, str]:
    """PyPI's name → conda-forge's, of all packages that the environment files name."""
    result = {}
    for path in environments:
        for line in yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]:
            name = re.split(r"[ =<>]", line)[0]
            if name != "python":
                result[plain(PYPI_NAMES.get(name, name))] = name
    return result


def download(names: list[str], constraints: Path, folder: Path) -> None:
    """The wheels of packages and of all that they need, at the constraints' versions."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
        "--find-links", str(folder), "--dest", str(folder), "-c", str(constraints), *names,
    ]  # fmt: skip
    subprocess.run(command, check=True)


def needs(metadata: str, conda_names: dict[str, str]) -> Iterator[str]:
    """A wheel's requirements as conda has them; extras are left out."""
    for line in HeaderParser().parsestr(metadata).get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            name = plain(requirement.name)
            yield f"{conda_names.get(name, name)} {requirement.specifier}".strip()


def pack_wheel(wheel: Path, conda_names: dict[str, str], channel: Path, work: Path) -> None:
    """Repack a wheel: its modules go to site-packages, its `.data/scripts` are left out."""
    name, version = wheel.name.split("-")[:2]
    folder = work / name
    site = folder / SITE_PACKAGES
    site.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for data in site.glob("*.data"):
        for kind in ("purelib", "platlib"):
            if (data / kind).exists():
                shutil.copytree(data / kind, site, dirs_exist_ok=True)
        shutil.rmtree(data)
    metadata = next(site.glob("*.dist-info/METADATA")).read_text(encoding="utf-8")
    assemble_package(
        conda_names.get(plain(name), plain(name)), version.partition("+")[0], SUBDIR, "0",
        channel / SUBDIR, files_dir=folder, compression_level=1,
        depends=[f"python {PYTHON}.*", *needs(metadata, conda_names)],
    )  # fmt: skip
    shutil.rmtree(folder)


def pack_python(channel: Path, work: Path) -> None:
    """A `python` that is a virtual environment's skeleton on this interpreter.

    Its sitecustomize tells, at the end of each program, what the program took from where:
    a line of JSON in the file that $PYTHON_IMPORTS names (see test_conda.py).
    """
    folder = work / "python"
    base = Path(sys.base_prefix) / "bin" / f"python{PYTHON}"
    (folder / "bin").mkdir(parents=True)
    for name in ("python", "python3", f"python{PYTHON}"):
        (folder / "bin" / name).symlink_to(base)
    (folder / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
        f"version = {platform.python_version()}\n",
        encoding="utf-8",
    )
    site = folder / SITE_PACKAGES
    site.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("sitecustomize.py"), site)
    assemble_package(
        "python", platform.python_version(), SUBDIR, "0_cpython", channel / SUBDIR,
        files_dir=folder,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("environments", type=Path, nargs="+")
    parser.add_argument("--constraints", type=Path, required=True)
    options = parser.parse_args()
    conda_names = requirements(options.environments)
    wheels = options.folder / "wheels"
    download(sorted(conda_names), options.constraints, wheels)
    channel, work = options.folder / "conda-forge", options.folder / "unpacked"
    for folder in (channel, work):
        shutil.rmtree(folder, ignore_errors=True)
    pack_python(channel, work)
    for wheel in sorted(wheels.glob("*.whl")):
        pack_wheel(wheel, conda_names, channel, work)
    shutil.rmtree(work)
    asyncio.run(index_fs(channel))


if __name__ == "__main__":
    main()
