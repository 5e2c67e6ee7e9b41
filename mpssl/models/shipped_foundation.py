"""The files of the foundation that the package carries are verified whenever they are read."""

import hashlib
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import read_json
from mpssl.shipped import FOUNDATION, FOUNDATION_CHECKSUMS


def verify(path: Path) -> None:
    """Compare a file of the shipped foundation with its sha256; other files pass.

    Raises:
        UserError: the file is missing, or not the one that was shipped.
    """
    if path.parent != FOUNDATION:
        return
    try:
        wanted = read_json(FOUNDATION_CHECKSUMS)[path.name]
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, KeyError) as error:
        reason = f"cannot be verified ({type(error).__name__}: {error})"
    else:
        if found == wanted:
            return
        reason = f"has sha256 {found}, expected {wanted}"
    raise UserError(f"the shipped file {path} {reason}; install mpssl again")
