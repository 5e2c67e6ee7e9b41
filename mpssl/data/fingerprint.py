"""What a folder of the user's own images holds, in one digest, so that a change is seen.

Every file is hashed once; later only those whose size or time has changed are read again.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import json_digest, read_json, write_json
from mpssl.config.fields import Closed
from mpssl.data import listing
from mpssl.data.lists import is_list, listed_files

WORTH_BYTES = 1 << 24  # of files whose digests are kept; fewer are hashed in no time
PLACES = ("path", "test", "unlabeled", "exclude")  # keys of a data set or a pool that name files


def fingerprint(settings: Closed, store: Path) -> str:
    """Digest of the names and contents of all files that a data set or pool is read from.

    Names are relative to its folders, so that a copy of them elsewhere is the same.

    Args:
        settings: of the data set or pool, with some of PLACES; files that are not there are counted
            as such.
        store: folder in which is kept what was hashed before.
    """
    places = {
        name: place.absolute()
        for name in PLACES
        if (place := getattr(settings, name, None)) is not None
    }
    before = json_digest(sorted(map(str, places.values())))
    hashed = _Hashed(store / "fingerprints" / f"{before}.json")
    found = {
        name: [
            (label, hashed.digest(file))
            for label, file in _files(place, getattr(settings, "root", None))
        ]
        for name, place in places.items()
    }
    hashed.keep()
    return json_digest(found)


def contents(files: Iterable[Path], store: Path) -> list[str]:
    """Digests of what files hold, or "unreadable"; `store` is as of `fingerprint`."""
    files = [file.absolute() for file in files]
    hashed = _Hashed(store / "fingerprints" / f"{json_digest(sorted(map(str, files)))}.json")
    found = [hashed.digest(file) for file in files]
    hashed.keep()
    return found


def _files(place: Path, root: Path | None) -> Iterator[tuple[str, Path]]:
    """The files of a folder or list, the list among them, with names that stay when moved."""
    if place.is_dir():
        for file in listing.list_files(place).pictures:
            yield str(file.relative_to(place)), file
        return
    yield "", place
    if is_list(place):
        files: list[Path] = []
        with suppress(UserError):  # it is told when they are read
            files = listed_files(place, root or place.parent)
        for number, file in enumerate(files):
            yield str(number), file


class _Hashed:
    """Digests of files that were hashed before, as long as size and time are the same."""

    def __init__(self, path: Path) -> None:
        self.path, self.known, self.seen = path, {}, {}
        with suppress(OSError, ValueError):
            self.known = read_json(path)

    def digest(self, file: Path) -> str:
        try:
            stat = os.stat(file)
            stamp = [stat.st_size, stat.st_mtime_ns]
            known = self.known.get(str(file))
            if known is None or known[:2] != stamp:
                with open(file, "rb") as content:
                    known = [*stamp, hashlib.file_digest(content, "sha256").hexdigest()[:16]]
        except OSError:
            return "unreadable"
        self.seen[str(file)] = known
        return known[2]

    def keep(self) -> None:
        if self.seen != self.known and sum(size for size, *_ in self.seen.values()) >= WORTH_BYTES:
            with suppress(OSError):  # of a disk that cannot be written: then all is hashed again
                write_json(self.path, self.seen, indent=None)
