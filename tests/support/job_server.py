"""Jobs of a pipeline as forks of one process that has imported torch: a start takes seconds.

    python -m tests.support.job_server FOLDER

FOLDER/python then runs `python -m mpssl ...` in such a fork, and all else by the real Python. A
fork has the caller's folder, environment, arguments and open files; its exit code is the caller's.
The server ends when its standard input does.
"""

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.pipeline import ROOT, environment

SOCKET = "socket"
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
if sys.argv[1:3] != ["-m", "mpssl"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
call = json.dumps([os.getcwd(), dict(os.environ), sys.argv[3:]]).encode()
socket.send_fds(server, [call[:1]], [0, 1, 2])
server.sendall(call[1:])
server.shutdown(socket.SHUT_WR)
os._exit(int(server.recv(4) or 137))
"""


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Run a server, whose `python` is in the folder meanwhile."""
    command = [sys.executable, "-m", "tests.support.job_server", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout.readline() == b"ready\n"
        yield
        server.stdin.close()


def main(folder: Path) -> None:
    for name in (
        "mpssl.cli.main",
        "mpssl.results.report",
        "mpssl.results.figures",
        "mpssl.runs.runner",
    ):
        importlib.import_module(name)

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / SOCKET))
    listener.listen()
    python = folder / "python"
    python.write_text(CLIENT.format(python=sys.executable, socket=str(folder / SOCKET)))
    python.chmod(0o755)
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        caller, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            caller.sendall(b"%d" % _run(caller))
            os._exit(0)
        caller.close()


def _run(caller: socket.socket) -> int:
    """Do what the caller asks for; the exit code."""
    text, files, *_ = socket.recv_fds(caller, 1, 3)
    while more := caller.recv(1 << 16):
        text += more
    folder, variables, arguments = json.loads(text)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    sys.path[0] = folder
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["mpssl", *arguments]
    try:
        sys.modules["mpssl.cli.main"].main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush(), sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
