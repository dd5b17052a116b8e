"""NumPy object files, read without the power that a pickle has to run code.

NumPy's rebuilding of an array trusts the pickle's sizes, so a damaged file can crash the
interpreter. Here the four names that NumPy writes stand for inert records, and the arrays are
built from them after their sizes have been compared. Python's unpickler trusts the numbers under
which a pickle remembers objects: it makes a table up to the largest, so they are looked at first.
"""

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np

from brainalign.errors import InputError


class _Dtype:
    """What the pickle says of a dtype: its code, such as `b1` or `O8`."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Byte order and alignment, which matter for neither code."""


class _Array:
    """What the pickle says of an array: (version, shape, dtype, column order, content)."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """`_codecs.encode`, by which pickles of protocol 2 keep bytes as latin-1 text."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    """Admits the names that an array of plain containers and arrays needs, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}") from None


def load_object(data: bytes, where: str) -> Any:
    """The one object of a 0-d object array in a .npy file: containers and boolean arrays.

    Raises
    ------
    InputError : not such a file, truncated, or its pickle names anything but what NumPy needs to
        rebuild arrays (it is refused before anything of it runs).
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise ValueError(f"version {version}")
    # NumPy parses the header as a Python literal; damaged ones fail in many ways.
    except Exception as error:
        raise InputError(f"{where}: not a .npy file ({error})") from error
    if shape != () or dtype != np.dtype(object):
        raise InputError(f"{where}: {dtype} of shape {shape}, expected one object (shape ())")
    try:
        _check_memo(data[stream.tell() :])
        loaded = _built(_Unpickler(stream, encoding="latin1").load())
    except pickle.UnpicklingError as error:
        raise InputError(f"{where}: its pickle is refused or damaged: {error}") from error
    # A damaged pickle fails in as many ways as there are opcodes.
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise InputError(f"{where}: its pickle is damaged ({message})") from error
    if not isinstance(loaded, np.ndarray) or loaded.shape != ():
        raise InputError(f"{where}: its pickle holds a {type(loaded).__name__}, not one object")
    return loaded.item()


def _check_memo(pickled: bytes) -> None:
    """Raise UnpicklingError where an object is remembered under a number that takes gigabytes.

    Every remembered object takes at least a byte, and they are numbered from 0.
    """
    for opcode, argument, index in pickletools.genops(pickled):
        remembers = opcode.name in ("PUT", "BINPUT", "LONG_BINPUT")
        if remembers and int(argument or 0) > len(pickled):
            raise pickle.UnpicklingError(
                f"byte {index} remembers an object as number {argument}, of {len(pickled)} bytes"
            )


def _built(result: Any) -> Any:
    """Records turned into arrays, through dicts, lists and tuples; plain values as they are."""
    if isinstance(result, _Array):
        return _array(result)
    if isinstance(result, dict):
        return {_built(key): _built(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return type(result)(_built(entry) for entry in result)
    if result is None or isinstance(result, str | bytes | bool | int | float):
        return result
    raise pickle.UnpicklingError(f"a {type(result).__name__} where plain values are expected")


def _array(record: _Array) -> np.ndarray:
    _, shape, dtype, _, raw = record.state
    if not isinstance(dtype, _Dtype) or len(shape) > 1 or any(type(n) is not int for n in shape):
        raise pickle.UnpicklingError("an array that numpy would not have written so")
    if dtype.code in ("O8", "O4", "O"):
        values = np.empty(len(raw), dtype=object)
        for index, entry in enumerate(raw):
            values[index] = _built(entry)
    elif dtype.code == "b1":
        data = np.frombuffer(raw.encode("latin1") if isinstance(raw, str) else raw, np.uint8)
        if (data > 1).any():
            raise pickle.UnpicklingError("a mask with values beside 0 and 1")
        values = data.astype(bool)
    else:
        raise pickle.UnpicklingError(f"an array of {dtype.code!r}, neither objects nor a mask")
    if values.size != math.prod(shape):
        raise pickle.UnpicklingError(f"{values.size} entries for an array of shape {shape}")
    return values.reshape(shape)
