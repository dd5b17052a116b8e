"""A job imports packages from its own Python environment only."""

import os
import site
import sys
from pathlib import Path
from types import ModuleType

from brainalign.errors import InputError


def leave_outer_packages() -> None:
    """Take the packages of the Python that runs Snakemake out of this job's reach.

    Snakemake appends its own search path to that of a script, to unpack its objects there
    (snakemake.common.get_snakemake_searchpaths). Where a job has an environment of its own (`--sdm
    conda`), a package that this lacks would come from outside, in whatever version is there.

    Raises
    ------
    InputError : a package that the script or the library below it imports came from there already.
    """
    inside = {*site.getsitepackages(), site.getusersitepackages()}
    inside |= {line for folder in inside for line in _path_lines(Path(folder))}
    inside |= set(os.environ.get("PYTHONPATH", "").split(os.pathsep))
    outer = [
        path
        for path in sys.path
        if Path(path).name in ("site-packages", "dist-packages") and path not in inside
    ]
    sys.path[:] = [path for path in sys.path if path not in outer]
    for package in sorted(_imported_packages() if outer else ()):
        file = getattr(sys.modules.get(package), "__file__", None)
        if file and any(Path(file).is_relative_to(path) for path in outer):
            raise InputError(
                f"package {package} is not in this job's environment ({sys.prefix}); add it to the "
                f"rule's file in envs/ (it was found outside, in {Path(file).parent})"
            )


def _path_lines(folder: Path) -> list[str]:
    """The folders that files ending in .pth add to an environment's search path (module site)."""
    lines = [line for file in folder.glob("*.pth") for line in file.read_bytes().splitlines()]
    return [os.fsdecode(line.rstrip()) for line in lines]


def _imported_packages() -> set[str]:
    """Top-level names of what the script and the project's loaded modules have imported."""
    packages = set()
    for name, module in list(sys.modules.items()):
        if name == "__main__" or name.partition(".")[0] == "brainalign":
            for value in vars(module).values():
                is_module = isinstance(value, ModuleType)
                origin = value.__name__ if is_module else getattr(value, "__module__", None)
                packages.add(str(origin).partition(".")[0])
    return packages - {"snakemake", "brainalign"}
