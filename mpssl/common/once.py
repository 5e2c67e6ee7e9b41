"""Things in folders of a store that are made once, however many ask for them at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

DONE = "done"  # file in a folder whose content is whole


def make_once(folder: Path, last: Path, make: Callable[[], None]) -> None:
    """Make what belongs in `folder`, unless it is there; wait if another process is making it.

    Args:
        folder: of the thing, `STORE/KIND/NAME`; in the end its file `done` says that it is whole.
        last: the file that `make` writes last.
        make: writes all files.
    """
    with alone(folder):
        if last.exists():
            print(f"{folder} is there already; nothing to do", flush=True)
        else:
            make()
        (folder / DONE).touch()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes from making what belongs in `folder`, after they have let go of it.

    A process that dies lets go, so that the next one goes on.
    """
    locks = folder.parent.parent / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{folder.parent.name}-{folder.name}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"waiting for the process that makes {folder}", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
