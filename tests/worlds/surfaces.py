"""GIFTI files of a user's surfaces, as nibabel writes them."""

import nibabel
import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable, GiftiMetaData

STRUCTURES = {"left": "CortexLeft", "right": "CortexRight"}


def write_surface(path, values, side=None, encoding="GIFTI_ENCODING_B64GZ"):
    """A scan of a hemisphere: `values` [volume, vertex], an array per volume."""
    arrays = [
        GiftiDataArray(
            np.asarray(volume), intent="NIFTI_INTENT_TIME_SERIES", encoding=encoding,
            datatype="NIFTI_TYPE_FLOAT32",
        )
        for volume in values
    ]  # fmt: skip
    about = {"AnatomicalStructurePrimary": STRUCTURES[side]} if side else {}
    nibabel.save(GiftiImage(darrays=arrays, meta=GiftiMetaData(about)), path)


def write_labels(path, numbers, names, side=None):
    """Labels of a hemisphere: `numbers` [vertex], and label → name."""
    table = GiftiLabelTable()
    for number, name in names.items():
        label = GiftiLabel(key=number, red=1, green=0, blue=0, alpha=1)
        label.label = name
        table.labels.append(label)
    array = GiftiDataArray(np.asarray(numbers, np.int32), intent="NIFTI_INTENT_LABEL")
    about = {"AnatomicalStructurePrimary": STRUCTURES[side]} if side else {}
    nibabel.save(GiftiImage(darrays=[array], labeltable=table, meta=GiftiMetaData(about)), path)
