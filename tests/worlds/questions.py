"""MMLU, BBH and BLiMP in small, in each of their releases."""

import csv
import gzip
import io
import json
import tarfile

import pandas as pd
import pytest
from brainalign.datasets import bbh, blimp, mmlu
from brainalign.resources import RESOURCES
from dataset_files import record

SUBJECTS = pd.read_csv(RESOURCES / "categories/mmlu.csv")["subject"].tolist()
FILES = pd.read_csv(RESOURCES / "categories/bbh.csv")["subject"].tolist()
HEADER = ["question", "choice0", "choice1", "choice2", "choice3", "answer"]


@pytest.fixture(autouse=True)
def small_counts(monkeypatch):
    """The worlds of these tests: 5 dev and 4 test questions a subject, 6 examples, 8 pairs."""
    monkeypatch.setattr(mmlu, "COUNTS", {"dev": 5 * 57, "test": 4 * 57})
    monkeypatch.setattr(bbh, "EXAMPLES", 6 * 27)
    monkeypatch.setattr(blimp, "PAIRS", 8)


def mmlu_rows(subject, split):
    n = 5 if split == "dev" else 4
    return [
        [f'What, "{subject}"\nof {split} {i}?', *(f"{c}, {i}" for c in "abcd"), i % 4]
        for i in range(n)
    ]


def csv_bytes(rows, header):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerows([HEADER, *rows] if header else rows)
    return stream.getvalue().encode()


def write_mmlu_csv(folder):
    records = []
    for split in ("dev", "test"):
        for subject in SUBJECTS:
            path = folder / f"{subject}_{split}.csv.gz"
            path.write_bytes(gzip.compress(csv_bytes(mmlu_rows(subject, split), header=True)))
            records.append(record(path, f"mmlu/{split}/{subject}_{split}.csv"))
    return records


def write_mmlu_tar(folder, letters="ABCD"):
    path = folder / "data.tar"
    with tarfile.open(path, "w") as tar:
        for split in ("auxiliary_train", "val", "dev", "test"):
            for subject in reversed(SUBJECTS):
                rows = mmlu_rows(subject, "dev" if split == "dev" else "test")
                data = csv_bytes([[*row[:5], letters[row[5]]] for row in rows], header=False)
                info = tarfile.TarInfo(f"data/{split}/{subject}_{split}.csv")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return [record(path, "mmlu/data.tar")]


def write_mmlu_hub(folder):
    records = []
    for split in ("dev", "test"):
        rows = [
            {"question": r[0], "subject": s, "choices": r[1:5], "answer": r[5]}
            for s in reversed(SUBJECTS)
            for r in mmlu_rows(s, split)
        ]
        path = folder / f"{split}-00000-of-00001.parquet"
        pd.DataFrame(rows).to_parquet(path)
        records.append(record(path, f"mmlu/hub/{path.name}"))
    return records


def write_bbh(folder, change=None):
    records = []
    for name in FILES:
        data = {"canary": "c", "examples": [
            {"input": f"{name} {i}?", "target": f"({'ABC'[i % 3]})"} for i in range(6)
        ]}  # fmt: skip
        if change and name == "snarks":
            data = change(data)
        path = folder / f"{name}.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        records.append(record(path, f"bbh/bbh/{name}.json"))
    for name in FILES:
        path = folder / f"{name}.txt"
        path.write_text(
            f"canary\n-----\nDo {name}.\n\nQ: q\nA: Let's think step by step.\na", encoding="utf-8"
        )
        records.append(record(path, f"bbh/cot-prompts/{name}.txt"))
    return records


def blimp_pair(paradigm, i):
    """A line of a paradigm's file; no real pair."""
    return {
        "sentence_good": f"A heron sees {i} boats.", "sentence_bad": f"A heron see {i} boats.",
        "field": "syntax", "linguistics_term": "agreement", "UID": paradigm, "pairID": str(i),
    }  # fmt: skip


def write_blimp(folder):
    records = []
    for paradigm in ("adjunct_island", "causative"):
        path = folder / f"{paradigm}.jsonl"
        lines = [json.dumps(blimp_pair(paradigm, i)) + "\n" for i in range(8)]
        path.write_text("".join(lines), encoding="utf-8")
        records.append(record(path, f"blimp/data/{path.name}"))
    return records
