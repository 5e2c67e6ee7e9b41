"""An experiment: a configuration with its plan, names and paths, made once a command."""

from functools import cached_property
from pathlib import Path

from mpssl.common.files import read_made, write_made
from mpssl.config import reading
from mpssl.config.experiment import Config
from mpssl.plan.names import Names
from mpssl.plan.paths import Paths, fingerprints_beside, root_of
from mpssl.plan.plan import Plan
from mpssl.plan.pool import maker_of


class Experiment:
    """A configuration, the runs that it plans, and the names and places of what it makes.

    Args:
        config: the configuration.
        fingerprints: of the user's own images as they were at the start, by data set, where others
            than those on disk now count.
        root: folder in which its `results` is.
    """

    def __init__(
        self,
        config: Config,
        fingerprints: dict[str, str] | None = None,
        root: Path = Path(),
    ) -> None:
        self.config, self.root = config, root
        self._fingerprints = fingerprints or {}

    @classmethod
    def load(cls, path: Path | str) -> "Experiment":
        """The experiment of a configuration file.

        A job reads what `write` wrote at the start, and so sees the user's images as of then.

        Raises:
            UserError: the file cannot be read, or is no valid configuration.
        """
        config, root = reading.load(path), root_of(Path(path))
        beside = fingerprints_beside(Path(path))
        start = cls(config, root=root).paths.resolved_config
        of_a_start = Path(path) == start and beside.exists()
        return cls(config, read_made(beside) if of_a_start else None, root)

    def write(self) -> None:
        """Write the resolved configuration, and what `load` wants beside it."""
        path = self.paths.resolved_config
        write_made(fingerprints_beside(path), self.names.fingerprints)
        write_made(path, self.config.model_dump(mode="json"))

    def changed_images(self) -> list[str]:
        """The user's own data sets that have other images than at the last start."""
        path = fingerprints_beside(self.paths.resolved_config)
        before = read_made(path) if path.exists() else {}
        return [n for n, of in self.names.fingerprints.items() if before.get(n, of) != of]

    @cached_property
    def plan(self) -> Plan:
        """The runs that its tables and figures need."""
        return Plan(self.config)

    @cached_property
    def names(self) -> Names:
        """What things that it makes are called."""
        return Names(self.config, self.plan, self._fingerprints)

    @cached_property
    def maker(self) -> "Experiment | None":
        """The experiment whose generator makes images: itself unless the generator is a pool.

        None if the images of the pool are given.
        """
        config = maker_of(self.config)
        if config is None or config is self.config:
            return config and self
        return Experiment(config, self._fingerprints, self.root)

    @cached_property
    def paths(self) -> Paths:
        """Where its files are."""
        return Paths(self.config, self.names, self.root)
