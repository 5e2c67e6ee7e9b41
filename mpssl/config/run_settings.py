"""The slice of a configuration that one training run depends on."""

from typing import Any

from mpssl.config.fields import Frozen, ObjectiveName, SourceName
from mpssl.config.method import Lmo
from mpssl.config.training import Augmentation, Training


class EntryPoint(Frozen):
    """A generator of the user's own code, as a run depends on it."""

    entry: str
    options: dict[str, Any]
    source: str
    """Digest of the source file."""


class RunSettings(Frozen):
    """What a run depends on beside its files; the same settings and files give the same run.

    Data, splits and weights are not among them: they reach the run as files.
    """

    source: SourceName
    objective: ObjectiveName
    objective_options: dict[str, Any]
    unlabeled_ratio: int
    """Unlabeled images for each labeled one in a batch; 0 if the source is `none`."""
    steps_factor: int
    """Classifier steps for each step of the other runs."""
    foundation_classes: list[int] | None
    """The foundation classes that images are drawn from; None for all."""
    class_map: dict[str, list[int]] | None
    """The foundation classes of each target class; None unless the source is `mapped`."""
    lmo: Lmo | None
    """None unless the source is `lmo`."""
    training: Training
    augmentation: Augmentation
    """`labeled` is the view that labeled images get. If the source is `none`, the views of
    unlabeled images are their defaults."""
    truncation: float | None
    """None unless the run uses a generator, as `generator`."""
    generator: EntryPoint | None
    """None unless the generator is a Python entry point."""
