"""An experiment: a configuration with its plan and its paths, made once a command."""

from functools import cached_property
from pathlib import Path

from mpssl.config import reading
from mpssl.config.experiment import Config
from mpssl.plan.paths import Paths, root_of
from mpssl.plan.plan import Plan


class Experiment:
    """A configuration, the runs that it plans, and the places of its files."""

    def __init__(self, config: Config, root: Path = Path()) -> None:
        """Plan an experiment.

        Args:
            config: what is to be done.
            root: folder in which its `results` and `resources` are.
        """
        self.config, self.root = config, root

    @classmethod
    def load(cls, path: Path | str) -> "Experiment":
        """The experiment of a configuration file.

        Raises:
            UserError: the file cannot be read, or is no valid configuration.
        """
        return cls(reading.load(path), root_of(Path(path)))

    @cached_property
    def plan(self) -> Plan:
        """The runs that its tables and figures need."""
        return Plan(self.config, self.root)

    @cached_property
    def maker(self) -> "Experiment | None":
        """The experiment whose generator makes images: itself unless the generator is a pool.

        None if the images of the pool are given.
        """
        foundation = self.config.foundation
        if foundation.network is foundation.generator or foundation.network is None:
            return self if foundation.network else None
        changed = foundation.model_copy(update={"generator": foundation.network})
        return Experiment(self.config.model_copy(update={"foundation": changed}), self.root)

    @cached_property
    def paths(self) -> Paths:
        """Where its files are."""
        return Paths(self.config, self.root)
