"""A SLURM cluster of three nodes on one machine: controller, accounting, two CPU nodes, a GPU node.

Run as a program it starts the cluster, ends it and says whether that can be done here.

Real daemons from Debian's packages, started as root without systemd. Nodes claim more cores and
memory than the machine has, and the GPU is a file that stands in for one: jobs are placed, limited,
killed and recorded as on a real cluster, and compute on the machine's own cores.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

PACKAGES = "slurmctld slurmd slurmdbd slurm-client slurm-wlm-basic-plugins munge mariadb-server"
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "sbatch", "sacctmgr", "munged", "mariadbd")
# Where SLURM's tools look inside a job, whatever the environment says.
SETTINGS = Path("/etc/slurm")
NODES = ("c1", "c2", "g1")
ACCOUNT = "lab"

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
# Without systemd there is no control group to put jobs into: processes are followed by their
# parents, and memory is polled.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SchedulerType=sched/backfill
ReturnToService=2
KillWait=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[1]}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=c1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=16 RealMemory=64000
NodeName=c2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[4]} CPUs=16 RealMemory=64000
NodeName=g1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[5]} CPUs=16 RealMemory=64000 \
Gres=gpu:pretend:2
PartitionName=cpu Nodes=c1,c2 Default=YES MaxTime=2880 DefMemPerCPU=256
PartitionName=gpu Nodes=g1 MaxTime=2880 DefMemPerCPU=256
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={ports[1]}
SlurmUser=root
LogFile={root}/log/slurmdbd.log
PidFile={root}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[2]}
StorageUser=slurm
StoragePass=of-the-test
StorageLoc=slurm_acct_db
"""
CGROUP_CONF = "CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n"
GRES_CONF = "NodeName=g1 Name=gpu Type=pretend File=/dev/null,/dev/zero\n"
DATABASE = """\
create database if not exists slurm_acct_db;
create user 'slurm'@'127.0.0.1' identified by 'of-the-test';
create user 'slurm'@'localhost' identified by 'of-the-test';
grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1';
grant all on slurm_acct_db.* to 'slurm'@'localhost';
"""


def obstacle() -> str | None:
    """Why no cluster can be started here, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"no {', '.join(missing)}; as root: apt-get install -y {PACKAGES}"
    if os.geteuid() != 0:
        return "SLURM's daemons are started as root"
    for name in ("slurm.conf", "slurmdbd.conf", "cgroup.conf", "gres.conf"):
        if (SETTINGS / name).exists():
            return f"{SETTINGS}/{name} is there: this machine belongs to a cluster"
    return None


class Cluster:
    """The cluster while a `with` block lasts; its files are under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._links: list[Path] = []

    def __enter__(self) -> "Cluster":
        try:
            self._write_settings()
            self._start_munge()
            self._start_database()
            self._start_slurm()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the daemons started here, the last one first."""
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        while self._links:
            self._links.pop().unlink()

    def jobs(self) -> list[dict[str, str]]:
        """Every job that was ever submitted, as the accounting database has it."""
        columns = "JobID,State,Partition,ReqMem,ReqTRES,NCPUS,TimelimitRaw,Comment%200,Submit"
        done = _run("sacct", "-X", "-a", "-D", "-n", "-P", "-S", "now-1days", "-o", columns)
        names = [column.split("%")[0] for column in columns.split(",")]
        return [dict(zip(names, line.split("|"), strict=True)) for line in done.splitlines()]

    def queue(self) -> list[str]:
        """Ids of the jobs that wait or run."""
        return _run("squeue", "-h", "-o", "%i").split()

    def running(self) -> list[str]:
        """Comments of the jobs that run: `rule_NAME_wildcards_VALUES`."""
        return _run("squeue", "-h", "-t", "R", "-o", "%k").splitlines()

    def waiting(self) -> list[str]:
        """Comments of the jobs that wait."""
        return _run("squeue", "-h", "-t", "PD", "-o", "%k").splitlines()

    def _write_settings(self) -> None:
        for name in ("state", "log", "db", *(f"spool/{node}" for node in NODES)):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._ports = _free_ports(6)
        SETTINGS.mkdir(exist_ok=True)
        for name, text in (
            ("slurm.conf", SLURM_CONF),
            ("slurmdbd.conf", SLURMDBD_CONF),
            ("cgroup.conf", CGROUP_CONF),
            ("gres.conf", GRES_CONF),
        ):
            path = self.root / name
            path.write_text(
                text.format(host=socket.gethostname(), root=self.root, ports=self._ports),
                encoding="utf-8",
            )
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)
            link = SETTINGS / name
            if link.is_symlink() and not link.exists():  # of a cluster here that was killed
                link.unlink()
            link.symlink_to(path)
            self._links.append(link)

    def _start_munge(self) -> None:
        """Clients look for munge at its default socket only; one that runs is used."""
        if _succeeds("munge", "-n"):
            return
        _run("install", "-d", "-o", "munge", "-g", "munge", "/run/munge")
        self._daemon("munge", "runuser", "-u", "munge", "--", "munged", "--foreground")
        _wait(lambda: _succeeds("munge", "-n"), "munge")

    def _start_database(self) -> None:
        folder, server = self.root / "db", f"--socket={self.root}/db/db.sock"
        _run(
            "mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={folder}",
            "--skip-test-db",
        )  # fmt: skip
        self._daemon(
            "mariadb", "mariadbd", "--no-defaults", "--user=root", f"--datadir={folder}", server,
            "--bind-address=127.0.0.1", f"--port={self._ports[2]}", "--pid-file=db.pid",
            "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        _wait(lambda: _succeeds("mariadb-admin", "--no-defaults", server, "ping"), "MariaDB")
        _run("mariadb", "--no-defaults", server, "-e", DATABASE)

    def _start_slurm(self) -> None:
        self._daemon("slurmdbd", "slurmdbd", "-D")
        _wait(lambda: _succeeds("sacctmgr", "-n", "show", "cluster"), "slurmdbd")
        for what in (
            ("cluster", "test"),
            ("account", ACCOUNT, "Description=test", "Organization=test"),
            ("user", "root", f"Account={ACCOUNT}"),
        ):
            _run("sacctmgr", "-i", "add", *what)
        self._daemon("slurmctld", "slurmctld", "-D")
        _wait(lambda: _succeeds("scontrol", "ping"), "slurmctld")
        for node in NODES:
            self._daemon(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        _wait(lambda: _idle_nodes() == set(NODES), "the nodes")

    def _daemon(self, name: str, *command: str) -> None:
        with (self.root / "log" / f"{name}.out").open("wb") as log:
            self._daemons.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
            )


_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
    return {**kept, "PATH": _PATH}


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, env=_environment()).returncode == 0


def _idle_nodes() -> set[str]:
    return set(_run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split())


def _wait(ready: Callable[[], bool], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not start within {seconds:.0f} s")
        time.sleep(0.5)


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main() -> None:
    """Start the cluster and end it; exit status 1 and the reason where it does not start."""
    if reason := obstacle():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder)):
        print("a SLURM cluster starts here")


if __name__ == "__main__":
    main()
