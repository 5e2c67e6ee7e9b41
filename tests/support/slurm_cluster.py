"""A real SLURM on this machine: slurmctld, slurmd and munged on loopback, two simulated GPUs.

All of it lives in a mount and a process namespace of its own, which need root: the machine's
/etc/slurm and /run stay as they are, and every daemon and job ends with the process that started
the cluster. Try it by hand: python tests/support/slurm_cluster.py sinfo
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
GPUS = 2
START_TIMEOUT_S = 30

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=15
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=gpu Nodes={host} Default=YES MaxTime=UNLIMITED PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes={host} MaxTime=60 PriorityTier=10 PreemptMode=OFF
"""

# The first process of the namespace; when its input ends, it ends and all others with it.
START = """\
mount --bind {folder}/etc /etc/slurm && mount -t tmpfs tmpfs /run || exit 1
install -d -o munge -g munge -m 755 /run/munge
runuser -u munge -- /usr/sbin/munged && slurmctld -c && slurmd || exit 1
echo started
while read -r line; do :; done
"""


def missing() -> str:
    """Why no cluster can be started here, or nothing."""
    absent = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if not _which(name)]
    if absent:
        return f"{', '.join(absent)} not found; install {' '.join(PACKAGES)}"
    if os.geteuid() != 0:
        return "the cluster needs root, for namespaces of its own"
    trial = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True)
    return "" if trial.returncode == 0 else f"no namespaces here: {trial.stderr.decode().strip()}"


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Cluster:
    """A running cluster; commands enter its namespaces."""

    def __init__(self, init: int) -> None:
        self.init = init

    def command(self, *command: str, folder: Path | str = ".") -> list[str]:
        """The command line that runs `command` on the cluster's node, in a folder."""
        at = f"--wdns={Path(folder).resolve()}"
        return ["nsenter", f"--target={self.init}", "--mount", "--pid", at, *command]

    def run(self, *command: str) -> str:
        """The output of a SLURM command."""
        return subprocess.run(
            self.command(*command), check=True, text=True, stdout=subprocess.PIPE, timeout=30
        ).stdout

    def jobs(self) -> list[dict[str, str]]:
        """All jobs since the start: the fields of `scontrol show job`."""
        lines = self.run("scontrol", "--oneliner", "show", "job").splitlines()
        return [
            dict(part.partition("=")[::2] for part in line.split() if "=" in part)
            for line in lines
            if line.startswith("JobId")
        ]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster with its state and logs in `folder`, and stop it.

    Raises:
        RuntimeError: the daemons did not come up; the end of their logs is in the message.
    """
    _write_configuration(folder)
    with open(folder / "log/start.log", "w") as log:
        holder = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            + ["bash", "-c", START.format(folder=folder)],
            env=os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _ready(folder, holder)
    finally:
        holder.stdin.close()
        holder.wait(timeout=START_TIMEOUT_S)


def _write_configuration(folder: Path) -> None:
    for name in ("etc", "state", "spool", "log"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname()
    text = CONFIGURATION.format(host=host, folder=folder, ports=_free_ports(2), gpus=GPUS)
    (folder / "etc/slurm.conf").write_text(text)
    for number in range(GPUS):
        (folder / f"gpu{number}").symlink_to("/dev/null")
    (folder / "etc/gres.conf").write_text(
        f"NodeName={host} Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n"
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _ready(folder: Path, holder: subprocess.Popen) -> Cluster:
    deadline = time.monotonic() + START_TIMEOUT_S
    log = folder / "log/start.log"
    while time.monotonic() < deadline and holder.poll() is None:
        if "started" in log.read_text():
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            found = Cluster(int(children[0]))
            if found.run("sinfo", "--noheader", "--format=%t").strip() == "idle":
                return found
        time.sleep(0.1)
    logs = "\n".join(path.read_text()[-1500:] for path in sorted((folder / "log").iterdir()))
    raise RuntimeError(f"SLURM did not start in {START_TIMEOUT_S} s:\n{logs}")


if __name__ == "__main__":
    if reason := missing():
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as scratch, cluster(Path(scratch)) as started:
        print(started.run(*sys.argv[1:]), end="")
