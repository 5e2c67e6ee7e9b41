"""Sources of unlabeled images: one file each, and what each needs to run."""

import pkgutil

# name: (class, what the run must have at hand)
SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "none": ("mpssl.training.sources.base:Source", ()),
    "real": ("mpssl.training.sources.real:RealImages", ("unlabeled",)),
    "foundation": ("mpssl.training.sources.real:RealImages", ("foundation_images",)),
    "uniform": ("mpssl.training.sources.uniform:UniformSamples", ("generator",)),
    "pseudo": (
        "mpssl.training.sources.pseudo:PseudoSamples",
        ("generator", "foundation_classifier"),
    ),
    "lmo": ("mpssl.training.sources.lmo:LatentMetaOptimization", ("generator",)),
}


def build_source(name: str, ingredients):
    """The source `name`, made from what the run has at hand (`sources.base.Ingredients`)."""
    return pkgutil.resolve_name(SOURCES[name][0])(ingredients)
