"""What in a store no experiment refers to any more: listed, and removed if a person says so."""

import shutil
from collections import defaultdict
from pathlib import Path

from mpssl.common.columns import aligned
from mpssl.common.errors import UserError
from mpssl.plan.registry import Unused, unused


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
    found = [item for item in unused(store) if item.days >= older_than]
    if not found:
        return f"{store}: everything is in use"
    kinds: dict[str, list[Unused]] = defaultdict(list)
    for item in found:
        kinds[item.folder.parent.name].append(item)
    rows = [("kind", "folders", "MB")]
    rows += [(k, str(len(v)), f"{sum(i.bytes for i in v) / 1e6:.1f}") for k, v in kinds.items()]
    total = sum(item.bytes for item in found) / 1e6
    for item in found if delete else []:
        shutil.rmtree(item.folder)
    said = "removed" if delete else "would be removed; add --delete to do it"
    return f"{aligned(rows)}\n{len(found)} folders, {total:.1f} MB {said}"
