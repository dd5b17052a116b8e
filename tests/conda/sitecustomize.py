"""Part of the stand-in's `python`: tells where a program's modules came from."""

import atexit
import json
import os
import sys


def _tell() -> None:
    files = {
        name.partition(".")[0]: module.__file__
        for name, module in list(sys.modules.items())
        if getattr(module, "__file__", None)
    }
    with open(os.environ["PYTHON_IMPORTS"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps({"prefix": sys.prefix, "argv": sys.argv, "files": files}) + "\n")


if "PYTHON_IMPORTS" in os.environ:
    atexit.register(_tell)
