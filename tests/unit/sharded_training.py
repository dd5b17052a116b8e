"""Training over CPU processes: accelerate shards on accelerators only, so it is shown one."""

import os
from pathlib import Path
from typing import Any

import torch
from accelerate.state import DistributedType, PartialState
from brainalign.errors import InputError
from brainalign.training import processes
from brainalign.training.tuned_checkpoint import Training, write_checkpoint


def write_on_cpus(trainings: list[Training], folders: list[Path]) -> list[Any]:
    """`write_checkpoint` of each training in one of several processes."""
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)
    torch.distributed.init_process_group("gloo")
    return [
        write_checkpoint(training, folder)
        for training, folder in zip(trainings, folders, strict=True)
    ]


def fail_in(rank: int) -> None:
    """An error of one process, for which the others wait at a barrier."""
    torch.distributed.init_process_group("gloo")
    processes.LOG.info("here")
    if int(os.environ["RANK"]) == rank:
        raise InputError(f"process {rank} found a fault")
    torch.distributed.barrier()


def add(one: int, other: int) -> int:
    """What the first process returns; all tell something."""
    processes.LOG.info("process %s of %d", os.environ["RANK"], processes.count())
    return one + other
