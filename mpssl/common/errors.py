"""The one exception that is meant for the user's eyes, and what its messages are made of."""

import difflib
from collections.abc import Iterable

LONGEST_MESSAGE = 500  # characters


class UserError(Exception):
    """Something the user can mend; the message names the thing and the remedy, in one line."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint for a misspelt `name`: '; did you mean ...?', or the known names."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(names))}"


def one_line(message: str) -> str:
    """A message without line breaks and control characters, of bounded length."""
    text = "".join(c if c.isprintable() else " " for c in message)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."


def not_finite(what: str, where: str = "") -> UserError:
    """The error of a training that has diverged: `what` is or are not finite, `where`."""
    return UserError(
        f"{what} not finite{where}; try a smaller training.learning_rate, unlabeled_weight or "
        "lmo.mapper_learning_rate"
    )
