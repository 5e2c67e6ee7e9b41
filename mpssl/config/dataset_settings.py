"""What the rest of the package asks of any data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mpssl.config.downloads import Downloadable


@dataclass(frozen=True)
class Sizes:
    """Images of the pool and of the test split, and classes; None for one that is not known."""

    pool: int | None
    test: int | None
    classes: int | None
    validation: int = 0
    """Images of the pool that are given as D_val; 0 if it is drawn."""


class DatasetSettings(Downloadable):
    """What the rest of the package asks of a data set, whatever its adapter."""

    size_keys: ClassVar[tuple[str, ...]] = ()  # the keys without which `sizes` are not known

    @property
    def own_copy(self) -> Path | None:
        """The user's own files, which take the place of a download."""
        return None

    @property
    def archive_root(self) -> str:
        """The folder inside the downloaded archives that holds the data set."""
        return ""

    @property
    def fetched_by_hand(self) -> bool:
        """Whether only a person can fetch the data set."""
        return False

    @property
    def has_unlabeled(self) -> bool:
        """Whether the data set has unlabeled images of its own."""
        return False

    @property
    def has_test_split(self) -> bool:
        """Whether a classifier can be tested on the data set."""
        return True

    def sizes(self) -> Sizes | None:
        """The sizes that the configuration says; None if they must be counted on disk."""
        return None

    def missing_sizes(self) -> list[str]:
        """The keys that are not given and without which the sizes are not known."""
        return [key for key in self.size_keys if getattr(self, key) is None]
