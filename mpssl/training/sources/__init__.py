"""The sources of unlabeled images, one file each, and the inputs that each needs."""

import pkgutil
from typing import NamedTuple


class SourceEntry(NamedTuple):
    """Where a source's class is, as `module:class`, and the inputs that a run needs for it."""

    location: str
    needs: tuple[str, ...]


SOURCES = {
    "none": SourceEntry("mpssl.training.sources.base:Source", ()),
    "labeled": SourceEntry("mpssl.training.sources.real:LabeledImages", ()),
    "real": SourceEntry("mpssl.training.sources.real:RealImages", ("unlabeled",)),
    "foundation": SourceEntry("mpssl.training.sources.real:RealImages", ("foundation_images",)),
    "uniform": SourceEntry("mpssl.training.sources.uniform:UniformSamples", ("generator",)),
    "mapped": SourceEntry("mpssl.training.sources.mapped:MappedSamples", ("generator",)),
    "pseudo": SourceEntry(
        "mpssl.training.sources.pseudo:PseudoSamples", ("generator", "foundation_classifier")
    ),
    "lmo": SourceEntry("mpssl.training.sources.lmo:LatentMetaOptimization", ("generator",)),
}


def build_source(name: str, ingredients):
    """The source `name`, made of a run's `sources.base.Ingredients`."""
    return pkgutil.resolve_name(SOURCES[name].location)(ingredients)
