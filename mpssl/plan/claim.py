"""Whose a folder of results is, so that two projects of one name do not share it."""

from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import read_json, write_json

OWNER = "project.json"


def owner(results: Path) -> Path | None:
    """The project folder that a folder of results belongs to, if it is still there."""
    try:
        project = Path(read_json(results / OWNER)["project"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return project if project.is_dir() else None


def is_free(results: Path, project: Path) -> bool:
    """Whether a project may write into a folder of results."""
    return owner(results) in (None, project.absolute())


def claim(results: Path, project: Path) -> None:
    """Write down that a folder of results belongs to a project.

    Raises:
        UserError: it belongs to another one.
    """
    if not is_free(results, project):
        raise UserError(
            f"{results} has the results of {owner(results)}; give "
            f"{project / 'config.yaml'} another name under `experiment`"
        )
    write_json(results / OWNER, {"project": str(project.absolute())})
