"""What in a store no experiment refers to any more: listed, and removed if a person says so."""

import shutil
from collections import defaultdict
from pathlib import Path

from mpssl.common.columns import aligned
from mpssl.common.errors import UserError
from mpssl.plan.registry import Registered, Unused, registered, unused


def collect_garbage(store: Path, older_than: float, delete: bool) -> str:
    """List what no experiment refers to, and remove it if `delete` says so.

    Args:
        store: the folder of the store.
        older_than: days since a thing was made, below which it is left alone.
        delete: whether to remove what is found.

    Raises:
        UserError: there is no such store, or what an experiment refers to cannot be read.
    """
    if not store.is_dir():
        raise UserError(f"there is no store in {store}; name it with --store")
    every = unused(store)
    found = [item for item in every if item.days >= older_than]
    gone = {known: _unused_of(known, every) for known in registered(store) if known.gone}
    said = [
        f"{known.results} is not there any more, so {count} folders that it used count as unused; "
        "if it was moved, start snakemake there first"
        for known, count in gone.items()
        if count
    ]
    if not found:
        younger = f"{len(every)} folders are unused, none for {older_than:g} days or more"
        return "\n".join([*said, f"{store}: {younger if every else 'everything is in use'}"])
    kinds: dict[str, list[Unused]] = defaultdict(list)
    for item in found:
        kinds[item.folder.parent.name].append(item)
    rows = [("kind", "folders", "MB")]
    rows += [(k, str(len(v)), f"{sum(i.bytes for i in v) / 1e6:.1f}") for k, v in kinds.items()]
    total = sum(item.bytes for item in found) / 1e6
    for item in found if delete else []:
        shutil.rmtree(item.folder)
    for known in gone if delete else []:
        if not _unused_of(known, unused(store)):
            known.file.unlink()
    done = "removed" if delete else "would be removed; add --delete to do it"
    return "\n".join([*said, aligned(rows), f"{len(found)} folders, {total:.1f} MB {done}"])


def _unused_of(known: Registered, folders: list[Unused]) -> int:
    """How many of the folders an experiment refers to."""
    return sum(item.folder in known.folders for item in folders)
