"""NumPy object files, read without the power that a pickle has to run code."""

import io
import pickle
from typing import Any

import numpy as np

from brainalign.errors import InputError


def _empty_array(subtype: type, shape: tuple[int, ...], typecode: bytes) -> np.ndarray:
    """What numpy's `_reconstruct` gives for the arguments that numpy itself writes."""
    if subtype is not np.ndarray or shape != (0,) or typecode not in (b"b", "b"):
        raise pickle.UnpicklingError("an array that numpy would not have written so")
    return np.ndarray((0,), dtype=np.int8)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What `_codecs.encode` gives; numpy's pickles of protocol 2 keep bytes as latin-1 text."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    """Admits the four names that an array of plain containers and arrays needs, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}") from None


def load_object(data: bytes, where: str) -> Any:
    """The one object of a 0-d object array in a .npy file.

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
    except ValueError as error:
        raise InputError(f"{where}: not a .npy file ({error})") from error
    if shape != () or dtype != np.dtype(object):
        raise InputError(f"{where}: {dtype} of shape {shape}, expected one object (shape ())")
    try:
        array = _Unpickler(stream, encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise InputError(f"{where}: its pickle is refused or damaged: {error}") from error
    # A damaged pickle fails in as many ways as there are opcodes.
    except Exception as error:
        raise InputError(
            f"{where}: its pickle is damaged ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(array, np.ndarray) or array.shape != () or array.dtype != np.dtype(object):
        raise InputError(f"{where}: its pickle holds a {type(array).__name__}, not one object")
    return array.item()
