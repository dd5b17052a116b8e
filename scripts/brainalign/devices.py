"""Which device a job runs on."""

import re
import shutil
import sys

from brainalign.errors import InputError

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]+)?|sharded")


def choose_device(requested: str) -> str:
    """Where a model or a regression runs, for the study's `device`.

    `cpu`, `cuda` and `cuda:N` are themselves. `auto` and `sharded` (over several GPUs, from the
    first on; a regression has no use for the others) are `cuda` where there is a GPU, else `cpu`.
    torch is imported only where it is already, where an NVIDIA driver is installed or a GPU is
    asked for.

    Raises
    ------
    InputError : unknown device, or a GPU that torch does not see on this machine.
    """
    if not _DEVICE.fullmatch(requested):
        raise InputError(
            f"device: {requested!r}, expected auto, cpu, cuda, cuda:N (N from 0) or sharded"
        )
    asked = requested.startswith("cuda")
    unlikely = "torch" not in sys.modules and shutil.which("nvidia-smi") is None
    if requested == "cpu" or (not asked and unlikely):
        return "cpu"
    import torch

    result = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not asked:
        return "cuda" if result else "cpu"
    if int(requested.partition(":")[2] or 0) >= result:
        raise InputError(
            f"device: {requested}, but torch finds {result or 'no'} GPU on this machine"
        )
    return requested
