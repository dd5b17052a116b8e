"""Natural Stories in small: two stories of one text, means and single readers."""

from dataset_files import record

TEXT = "The \"old\" king spoke, and nobody listened! 'Come here!' he said. Mr. Fox ran. Who came?"
WORDS = [(word, zone, item) for item in (1, 2) for zone, word in enumerate(TEXT.split(), start=1)]


def time_of(zone, item):
    return 300.0 + zone + 10 * item


def write_world(tmp_path):
    lines = ["word\tzone\titem", *(f"{w}\t{z}\t{i}" for w, z, i in WORDS)]
    (tmp_path / "all_stories.tok").write_text("\n".join(lines) + "\n", encoding="utf-8")
    head = "word\tzone\titem\tnItem\tmeanItemRT\tsdItemRT\tgmeanItemRT\tgsdItemRT"
    rows = [
        f"{w}\t{z}\t{i}\t{50 + z}\t{time_of(z, i)}\t{10.5 * i}\t{time_of(z, i) - 5}\t{1 + i / 9}"
        for w, z, i in sorted(WORDS)
    ]
    (tmp_path / "processed_wordinfo.tsv").write_text(
        "\n".join([head, *rows]) + "\n", encoding="utf-8"
    )
    readers = [
        f"A{reader:02d}\t{w}\t{z}\t{i}\t{time_of(z, i) + reader - (49 + z) / 2}"
        for w, z, i in WORDS
        for reader in range(50 + z)
    ]
    head = "WorkerId\tword\tzone\titem\tRT"
    (tmp_path / "processed_RTs.tsv").write_text(
        "\n".join([head, *readers]) + "\n", encoding="utf-8"
    )


def records(folder, readers):
    names = ["all_stories.tok", "processed_wordinfo.tsv", "processed_RTs.tsv"]
    return [
        record(folder / name, f"natural_stories/{name}")
        for name in (names if readers == "each" else names[:2])
    ]
