"""Import what jobs import, once, so that Python keeps the compiled modules: part of the set-up.

Compiling every file of every package, as pip does, takes four times as long.
"""

import importlib
from pathlib import Path

from brainalign.study.forks import ALWAYS, LATER, imports

if __name__ == "__main__":
    scripts = sorted(Path(__file__).parents[2].glob("*.py"))
    later = [module for modules in LATER.values() for module in modules]
    for module in ("snakemake.cli", *ALWAYS, *imports(scripts), *later):
        importlib.import_module(module)
