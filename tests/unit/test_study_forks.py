"""Jobs as forks: they end as Python would end them, and nothing outlives what asked for it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from brainalign.study import forks
from snakemake.script import PythonScript

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def server():
    made = forks.Server(["json", "fractions"])
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "script.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def alive(pid):
    """Whether a process runs (one that has ended and was not waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(what, seconds=20.0):
    end = time.monotonic() + seconds
    while not (result := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return result


def test_snakemakes_method_is_the_one_that_is_stood_in_for():
    """Where this fails, Snakemake has changed: read its method, then change KNOWN or the module."""
    assert forks.is_known()


def test_another_method_is_left_alone(monkeypatch):
    monkeypatch.setattr(forks, "KNOWN", "another")
    before = PythonScript.execute_script
    assert not forks.install(lambda rule: "data", lambda kind: [])
    assert PythonScript.execute_script is before


@pytest.mark.parametrize(
    "job",
    [
        {"threads": 2}, {"conda_env": "env"}, {"container_img": "image"}, {"rulename": "other"},
        {"shadow_dir": "shadow"}, {"env_modules": "modules"},
    ],
)  # fmt: skip
def test_what_is_not_local_and_of_one_thread_runs_as_before(job, monkeypatch):
    ran = []
    monkeypatch.setattr(forks, "is_known", lambda: True)
    monkeypatch.setattr(PythonScript, "execute_script", lambda *arguments: ran.append(arguments))
    monkeypatch.setattr(forks, "Server", lambda modules: pytest.fail("a server was started"))
    assert forks.install({"mine": "data"}.get, lambda kind: [])
    plain = {
        "rulename": "mine", "threads": 1, "conda_env": None, "container_img": None,
        "env_modules": None, "shadow_dir": None,
    }  # fmt: skip
    script = _Script(**plain | job)
    PythonScript.execute_script(script, "a.py")
    assert ran == [(script, "a.py", False)]


class _Script:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def test_the_modules_are_those_that_scripts_import(tmp_path):
    path = tmp_path / "s.py"
    path.write_text("import json\nfrom os.path import join\nif 1:\n    import fractions\n")
    assert forks.imports([path, path]) == ["json", "os.path"]


def test_a_fork_has_what_the_server_imported_and_one_thread(server, script, tmp_path):
    out = tmp_path / "out"
    text = (
        "import os, sys\n"
        "names = [name in sys.modules for name in ('fractions', 'decimal', 'left_here')]\n"
        "sys.modules['left_here'] = sys\n"
        f"with open({str(out)!r}, 'a') as file:\n"
        "    print(names[0], names[2], os.environ['OMP_NUM_THREADS'], os.environ['TMPDIR'],\n"
        "          sys.argv[0] == __file__, file=file)\n"
    )
    for _ in range(2):  # what one leaves behind the next does not see
        server.run(script(text), "/somewhere")
    assert out.read_text() == "True False 1 /somewhere True\n" * 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('words')", 1),
        ("raise ValueError('so')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
    ],
)
def test_a_script_that_fails_fails_its_job(text, code, server, script):
    with pytest.raises(subprocess.CalledProcessError) as error:
        server.run(script(text), None)
    assert error.value.returncode == code


@pytest.mark.parametrize("text", ["", "import sys; sys.exit()", "import sys; sys.exit(0)"])
def test_a_script_that_ends_well_is_a_finished_job(text, server, script):
    server.run(script(text), None)


def test_a_script_begins_once_its_process_is_measured(server, script, tmp_path, monkeypatch):
    """A script that ends at once would else have no process when Snakemake comes to measure it."""
    wrote = tmp_path / "wrote"

    @contextmanager
    def slow_to_begin(pid, record):
        time.sleep(0.3)
        assert alive(pid)
        assert not wrote.exists()
        yield

    monkeypatch.setattr(forks, "benchmarked", slow_to_begin)
    server.run(script(f"open({str(wrote)!r}, 'w').close()"), None, bench_record=object())
    assert wrote.exists()


def test_jobs_run_beside_each_other(server, tmp_path):
    """Each of two waits for a file that the other writes."""
    from concurrent.futures import ThreadPoolExecutor

    scripts = []
    for mine, other in ((1, 2), (2, 1)):
        path = tmp_path / f"s{mine}.py"
        path.write_text(
            "import pathlib, time\n"
            f"pathlib.Path({str(tmp_path / str(mine))!r}).touch()\n"
            f"while not pathlib.Path({str(tmp_path / str(other))!r}).exists(): time.sleep(.01)\n"
        )
        scripts.append(str(path))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: server.run(path, None), scripts))


PROGRAM = """
import sys, threading, time
sys.path.insert(0, {scripts!r})
from brainalign.study.forks import Server
server = Server(["json"])
print(server.process.pid, flush=True)
server.run({script!r}, None)
"""


@pytest.mark.parametrize("killed", ["asker", "server"])
def test_nothing_outlives_a_killed_process(killed, script, tmp_path):
    out = tmp_path / "pid"
    sleeper = script(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(out)!r}).write_text(str(os.getpid()) + ' ')\n"
        "time.sleep(600)\n"
    )
    program = PROGRAM.format(scripts=str(SCRIPTS), script=sleeper)
    asker = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    server = int(asker.stdout.readline())
    job = int(wait_for(lambda: out.exists() and out.read_text().endswith(" ") and out.read_text()))
    os.kill(asker.pid if killed == "asker" else server, signal.SIGKILL)
    _, errors = asker.communicate(timeout=60)
    wait_for(lambda: not alive(job) and not alive(server))
    if killed == "server":
        assert "was killed" in errors and "CalledProcessError" in errors


def test_an_interrupt_of_the_group_ends_the_script_and_not_the_server(script, tmp_path):
    """Ctrl-C reaches all processes of the terminal: the script ends by it, the server stays."""
    out = tmp_path / "said"
    waiting = script(
        "import pathlib, time\n"
        f"said = pathlib.Path({str(out)!r})\n"
        "said.write_text('started')\n"
        "try:\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    said.write_text('interrupted')\n    raise\n"
    )
    program = PROGRAM.replace(
        "server.run({script!r}, None)",
        "import signal\n"
        "signal.signal(signal.SIGINT, lambda *a: None)\n"
        "try:\n    server.run({script!r}, None)\n"
        "except Exception as e:\n    print(e.returncode, server.process.poll(), flush=True)\n",
    ).format(scripts=str(SCRIPTS), script=waiting)
    asker = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, start_new_session=True,
    )  # fmt: skip
    server = int(asker.stdout.readline())
    wait_for(lambda: out.exists() and out.read_text() == "started")
    os.killpg(asker.pid, signal.SIGINT)
    assert asker.communicate(timeout=60)[0] == "1 None\n"
    assert out.read_text() == "interrupted"
    wait_for(lambda: not alive(server))
