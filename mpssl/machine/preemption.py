"""Stop a run on a scheduler's signal, at a point from which it can be continued later."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: not an error, try again later

_received: list[str] = []


class Preempted(Exception):
    """A signal asked the run to stop; the text names the signal and where the run stopped."""


@contextmanager
def watched() -> Iterator[None]:
    """Record SIGTERM and SIGUSR1 inside the block for `check`, so that they do not kill it."""

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
    """Raise an exception if a signal has come, otherwise do nothing.

    Raises:
        Preempted: a signal came since the `watched` block began.
    """
    if _received:
        raise Preempted(_received[0])
