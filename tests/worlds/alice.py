"""Alice in small: a TextGrid and courses of three subjects, written line by line."""

import numpy as np
from dataset_files import record

NAME = "DownTheRabbitHoleFinal_exp120_pad_1.TextGrid"


def textgrid(labels, start=12.0, step=0.5, declared=None):
    """A Praat word tier in long form; the first label lasts until 20 s."""
    edges = [start, *(20.0 + step * i for i in range(len(labels)))]
    lines = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"xmin = {start} ",
        f"xmax = {edges[-1]} ", "tiers? <exists> ", "size = 1 ", "item []: ", "    item [1]:",
        '        class = "IntervalTier" ', '        name = "word" ', f"        xmin = {start} ",
        f"        xmax = {edges[-1]} ", f"        intervals: size = {declared or len(labels)} ",
    ]  # fmt: skip
    for i, label in enumerate(labels):
        quoted = label.replace('"', '""')
        lines += [
            f"        intervals [{i + 1}]:", f"            xmin = {edges[i]} ",
            f"            xmax = {edges[i + 1]} ", f'            text = "{quoted}" ',
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


LABELS = ["sp", "Alice", "was", "sp", "sp", "", "very ", 'so "called"', "tired", "sp"]


def write_world(folder):
    rng = np.random.default_rng(0)
    (folder / "10mm").mkdir()
    (folder / NAME).write_text(textgrid(LABELS), encoding="utf-8")
    for subject in ("s18", "s22", "s33"):
        course = rng.normal(100, 5, (362, 6)) * (subject != "s33")
        np.savetxt(folder / f"10mm/{subject}-timecourses.txt", course)
        np.savetxt(folder / f"{subject}-rate.txt", rng.random(362))
        np.savetxt(folder / f"{subject}-sndpwr.txt", rng.random(362))
        np.savetxt(folder / f"{subject}-rp_run05.e02.txt", rng.random((372, 6)))


def records(folder):
    return [
        record(path, f"alice_fmri/{path.relative_to(folder)}")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
