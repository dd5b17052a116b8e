"""Finding raw files: mirror, downloads, the network; hashes; one clear error otherwise."""

import gzip
import hashlib
import http.server
import threading
from pathlib import Path
from typing import get_args

import pytest
from brainalign.datasets import alice
from brainalign.datasets.raw import RawFile, content, keep, locate, raw_table, text
from brainalign.datasets.registry import KINDS, read_source, reader
from brainalign.datasets.settings import Alice
from brainalign.errors import InputError

DATA = "one\ntwo – three\n".encode()
SHA256 = hashlib.sha256(DATA).hexdigest()
SHA1 = hashlib.sha1(DATA).hexdigest()


@pytest.fixture
def server(tmp_path):
    """A web server over tmp_path/web; counts what was asked of it."""
    root = tmp_path / "web"
    root.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(root))

        def log_message(self, *args):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}", root, asked
        web.shutdown()


def written(path, data=DATA):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("digest", [f"sha256:{SHA256}", f"sha1:{SHA1}", ""])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_in_the_mirror_is_used_plain_or_packed(digest, packed, tmp_path):
    name = "set/a.txt.gz" if packed else "set/a.txt"
    written(tmp_path / "mirror" / name, gzip.compress(DATA) if packed else DATA)
    (record,) = locate([RawFile("set/a.txt", "", digest)], tmp_path / "mirror", tmp_path / "d")
    assert record.path == str(tmp_path / "mirror" / name)
    assert (record.origin, record.verified) == ("mirror", bool(digest))
    assert (record.sha256, record.bytes) == (SHA256, len(DATA))
    assert content(record) == DATA
    assert text(record) == DATA.decode()


@pytest.mark.parametrize("packed", [False, True])
def test_a_mirrored_file_is_kept_under_the_downloads_and_read_there(packed, tmp_path):
    name = "set/a.txt.gz" if packed else "set/a.txt"
    written(tmp_path / "mirror" / name, gzip.compress(DATA) if packed else DATA)
    file = RawFile("set/a.txt", "", f"sha256:{SHA256}")
    (record,) = locate([file], tmp_path / "mirror", tmp_path / "d")
    assert keep(record, tmp_path / "d") == tmp_path / "d" / name
    (again,) = locate([file], None, tmp_path / "d")
    assert content(again) == DATA
    assert keep(again, tmp_path / "d") == Path(again.path)


def test_the_mirror_goes_before_the_downloads_and_both_before_the_network(server, tmp_path):
    url, root, asked = server
    file = RawFile("a.txt", f"{url}/a.txt", f"sha256:{SHA256}")
    written(root / "a.txt")
    mirror, downloads = tmp_path / "mirror", tmp_path / "downloads"
    mirror.mkdir()
    (record,) = locate([file], mirror, downloads)
    assert (record.origin, record.path) == ("download", str(downloads / "a.txt"))
    assert len(asked) == 1
    (again,) = locate([file], mirror, downloads)
    assert again == record
    assert len(asked) == 1
    written(mirror / "a.txt")
    assert locate([file], mirror, downloads)[0].origin == "mirror"


def test_a_wrong_download_names_both_hashes_and_is_not_kept(server, tmp_path):
    url, root, asked = server
    written(root / "a.txt", DATA[:-1])
    result = hashlib.sha256(DATA[:-1]).hexdigest()
    file = RawFile("set/a.txt", f"{url}/a.txt", f"sha256:{SHA256}")
    with pytest.raises(InputError, match=f"a.txt, not kept: .* is {result}, expected {SHA256}; "):
        locate([file], None, tmp_path / "d")
    assert list((tmp_path / "d/set").iterdir()) == []
    written(root / "a.txt")  # the server has been mended: another run fetches it, nothing to remove
    assert content(*locate([file], None, tmp_path / "d")) == DATA
    assert len(asked) == 2


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_a_download_cut_at_any_byte_leaves_nothing(percent, tmp_path):
    """The connection breaks after a part of what the server has announced."""
    full = DATA * 50

    class Breaking(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(full)))
            self.end_headers()
            self.wfile.write(full[: len(full) * percent // 100])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as web:
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{web.server_address[1]}/a.txt"
        with pytest.raises(InputError, match=r"could not be downloaded|not kept: sha256"):
            digest = f"sha256:{hashlib.sha256(full).hexdigest()}"
            locate([RawFile("a.txt", url, digest)], None, tmp_path / "d")
        web.shutdown()
    assert list((tmp_path / "d").iterdir()) == []


def test_a_wrong_file_in_the_mirror_is_an_error_not_a_reason_to_download(server, tmp_path):
    url, root, asked = server
    written(root / "a.txt")
    written(tmp_path / "mirror/a.txt", b"another")
    with pytest.raises(InputError, match=r"mirror/a\.txt: sha1 of its content is .*, expected"):
        locate([RawFile("a.txt", f"{url}/a.txt", f"sha1:{SHA1}")], tmp_path / "mirror", tmp_path)
    assert asked == []


def test_without_network_the_error_names_file_and_folder(tmp_path):
    file = RawFile("set/a.txt", "http://127.0.0.1:9/a.txt", f"sha256:{SHA256}")
    with pytest.raises(InputError) as error:
        locate([file], None, tmp_path / "d")
    message = str(error.value)
    assert "could not be downloaded from http://127.0.0.1:9/a.txt" in message
    assert str(tmp_path / "d/set/a.txt") in message
    assert "mirror" in message
    assert "\n" not in message
    assert not list((tmp_path).rglob("*a.txt*"))


def test_a_page_that_is_not_there_is_the_same_error(server, tmp_path):
    url, _, _ = server
    with pytest.raises(InputError, match=r"could not be downloaded .*HTTPError"):
        locate([RawFile("a.txt", f"{url}/a.txt")], None, tmp_path / "d")


def test_a_file_to_be_had_by_hand_says_from_where_and_where_to(tmp_path):
    (tmp_path / "mirror").mkdir()
    with pytest.raises(InputError, match=r"ask the authors; put it at .*mirror/a or .*downloads/a"):
        locate(
            [RawFile("a", by_hand="ask the authors")], tmp_path / "mirror", tmp_path / "downloads"
        )


def test_a_mirror_that_is_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"mirror: .* is not a folder"):
        locate([], tmp_path / "nothing", tmp_path)


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_a_packed_file_cut_at_any_byte_is_an_input_error(percent, tmp_path):
    packed = gzip.compress(DATA * 50)
    written(tmp_path / "m/a.txt.gz", packed[: len(packed) * percent // 100])
    digest = f"sha256:{hashlib.sha256(DATA * 50).hexdigest()}"
    with pytest.raises(InputError, match=r"a\.txt\.gz: (not a whole gzip file|sha256)"):
        locate([RawFile("a.txt", "", digest)], tmp_path / "m", tmp_path)


@pytest.mark.parametrize("index", range(0, len(DATA)))
def test_any_flipped_bit_of_a_file_changes_its_hash(index, tmp_path):
    broken = bytearray(DATA)
    broken[index] ^= 1
    written(tmp_path / "m/a.txt", bytes(broken))
    with pytest.raises(InputError, match=f"expected {SHA256}"):
        locate([RawFile("a.txt", "", f"sha256:{SHA256}")], tmp_path / "m", tmp_path)


def test_text_that_is_not_utf8_and_a_file_that_has_gone(tmp_path):
    written(tmp_path / "m/a.txt", b"caf\xe9")
    (record,) = locate([RawFile("a.txt")], tmp_path / "m", tmp_path)
    with pytest.raises(InputError, match="not UTF-8"):
        text(record)
    (tmp_path / "m/a.txt").unlink()
    with pytest.raises(InputError, match="no longer there"):
        content(record)


SOURCES = {
    "dataset": [
        {"type": "alice"},
        {"type": "alice", "radius": "6mm"},
        {"type": "natural-stories"},
        {"type": "natural-stories", "readers": "each"},
        {"type": "natural-stories-maze"},
        {"type": "reading-brain"},
        {"type": "pereira2018", "experiment": 243},
        {"type": "blank2014"},
        {"type": "fedorenko2016"},
        {"type": "tuckute2024"},
        {"type": "futrell2018"},
        {"type": "wehbe2014"},
        {"type": "langloc"},
        {"type": "lebel2023"},
        {"type": "narratives", "scans": {"tunnel": ["sub-004_task-tunnel"]}},
        {"type": "petit-prince", "runs": {"EN057": list(range(15, 24))}},
        {"type": "own", "stimuli": "a.csv", "responses": "a.nc"},
    ],
    "questions": [
        {"type": "mmlu"},
        {"type": "mmlu", "release": "tar"},
        {"type": "mmlu", "release": "hub"},
        {"type": "bbh"},
        {"type": "bbh", "release": "hub"},
        {"type": "blimp"},
        {"type": "own", "path": "a.csv"},
    ],
    "text": [
        {"type": "wikitext2"},
        {"type": "own", "path": "a.txt"},
    ],
    "instructions": [
        {"type": "alpaca"},
    ],
}


def test_every_type_has_raw_files_with_a_source():
    named = {(kind, one["type"]) for kind, sources in SOURCES.items() for one in sources}
    classes = {(kind, c) for kind in SOURCES for c in get_args(KINDS[kind]) or (KINDS[kind],)}
    assert named == {(kind, c.__struct_config__.tag) for kind, c in classes}
    for kind, one in ((kind, one) for kind, sources in SOURCES.items() for one in sources):
        source = read_source(one, kind)
        files = reader(source).raw_files(source)
        assert files
        assert len({file.path for file in files}) == len(files)
        for file in files:
            assert file.url.startswith("https://") or file.by_hand
            assert file.licence


def test_alice_asks_for_one_radius_only():
    for radius, other in (("6mm", "10mm"), ("10mm", "6mm")):
        files = alice.raw_files(Alice(radius))
        assert len(files) == 113
        assert not [file for file in files if f"/{other}/" in file.path]


def test_tables_of_raw_files_have_hashes_of_the_right_form():
    for name in ("alice", "natural_stories", "mmlu", "bbh", "blimp", "alpaca", "wikitext2"):
        for file in raw_table(name, "").values():
            algorithm, _, digest = file.digest.partition(":")
            assert not file.digest or (algorithm == "sha256" and len(digest) == 64)


def test_an_unknown_type_names_the_known_ones():
    with pytest.raises(InputError, match=r"source\.type: 'alise' .*allowed: own, alice,"):
        read_source({"type": "alise"}, "dataset")
    with pytest.raises(InputError, match="allowed: mmlu, bbh, blimp, own"):
        read_source({"type": "alice"}, "questions")
