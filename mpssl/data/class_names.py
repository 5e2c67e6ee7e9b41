"""Names of classes that are probably meant to be one name."""

import unicodedata
from collections import Counter, defaultdict

from mpssl.common.errors import UserError, one_line


def alike(names: Counter) -> dict[str, str]:
    """The names that differ from a more frequent one in case, blanks or Unicode form only.

    Args:
        names: how many images have each name.

    Returns:
        The most frequent name of each; of names that are as frequent the first.
    """
    by_key = defaultdict(list)
    for name in sorted(names, key=lambda name: (-names[name], name)):
        by_key["".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    return {other: first for first, *others in by_key.values() for other in others}


def refuse_alike(names: Counter, title: str) -> None:
    """Raise UserError if two names may be meant as one."""
    for other, first in alike(names).items():
        shown = [first, other]
        if len({" ".join(unicodedata.normalize("NFKC", name).split()) for name in shown}) == 1:
            shown = [ascii(name)[1:-1].replace(" ", "␣") for name in shown]  # else they look alike
        wrong = (
            f"{title}: the classes '{shown[0]}' ({names[first]} images) and '{shown[1]}' "
            f"({names[other]}) differ only in case, blanks or Unicode form; rename one, or merge "
            "them by the key merge_classes (mpssl init --merge-classes)"
        )
        raise UserError(one_line(wrong))
