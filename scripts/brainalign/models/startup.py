"""A short start-up: transformers without what a job with one model never uses."""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch.distributed

from brainalign.models import processes

_COMPILER = "torch._dynamo"
_FIRST = "transformers" not in sys.modules
_MASKS = f"{_COMPILER}._trace_wrapped_higher_order_op"


def _unmarked(function: Any = None, *_: Any, **__: Any) -> Any:
    """Stands for decorators that only tell the compiler something."""
    return _unmarked if function is None else function


class _Compiler(ModuleType):
    """torch's compiler, imported when more than a mark is asked of it."""

    allow_in_graph = assume_constant_result = disable = staticmethod(_unmarked)

    def __getattr__(self, name: str) -> Any:
        if name == "__file__":  # asked of every module by whoever looks for a line of source code
            raise AttributeError(name)
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]
        return getattr(importlib.import_module(_COMPILER), name)


class _TransformGetItemToIndex:
    """torch's class of that name, imported, and the compiler with it, when it is made."""

    def __new__(cls) -> Any:
        return importlib.import_module(_MASKS).TransformGetItemToIndex()


@contextmanager
def short() -> Iterator[None]:
    """Import transformers' classes in here: that takes a third of the time.

    Nothing that is imported becomes garbage: its collector, a sixth of the time, waits.
    Left out are scikit-learn (for assisted generation), scipy (object detection), torch's sharded
    training, and, until something asks for it, torch's compiler. All of them are there where
    transformers was imported before, as it has made its choices then, and where several processes
    train together.
    """
    if not _FIRST or processes.count() > 1:
        yield
        return
    sys.modules.setdefault(_COMPILER, _Compiler(_COMPILER))
    masks: Any = ModuleType(_MASKS)
    masks.TransformGetItemToIndex = _TransformGetItemToIndex
    stand_ins = {"sklearn": None, "scipy": None, _MASKS: masks}
    hidden = [name for name in stand_ins if name not in sys.modules]
    is_available = torch.distributed.is_available
    sys.modules.update({name: stand_ins[name] for name in hidden})
    torch.distributed.is_available = lambda: False
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        torch.distributed.is_available = is_available
        for name in hidden:
            del sys.modules[name]


with short():
    # What the classes of all architectures stand on, which are imported where a model is loaded.
    import transformers.modeling_utils  # noqa: F401
