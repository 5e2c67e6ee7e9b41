"""Leaving in time: a scheduler's signal stops a run where it can go on later."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, try again

_received: list[str] = []


class Preempted(Exception):
    """A signal asked to stop; names it, and where the run stopped."""


@contextmanager
def watched() -> Iterator[None]:
    """Note SIGTERM and SIGUSR1 inside the block, for `check`, in place of dying of them."""

    def note(number: int, frame: object) -> None:
        _received.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def check() -> None:
    """Do nothing, unless a signal has come.

    Raises:
        Preempted: a signal came since the `watched` block began.
    """
    if _received:
        raise Preempted(_received[0])
