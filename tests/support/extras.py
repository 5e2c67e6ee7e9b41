"""Packages that only an extra installs."""

import pytest

from mpssl.compat.torchvision import models  # noqa: F401, which timm imports


def need_timm():
    """The package timm; the test is skipped without it."""
    return pytest.importorskip("timm")
