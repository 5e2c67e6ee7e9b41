"""The objectives on two views of unlabeled images, one file for each family."""

import pkgutil

OBJECTIVES = {
    "uda": "mpssl.training.objectives.uda:Uda",
    "fixmatch": "mpssl.training.objectives.fixmatch:FixMatch",
    "freematch": "mpssl.training.objectives.freematch:FreeMatch",
    "scr": "mpssl.training.objectives.distances:CosineDistance",
    "l1": "mpssl.training.objectives.distances:L1Distance",
    "l2": "mpssl.training.objectives.distances:L2Distance",
    "smooth_l1": "mpssl.training.objectives.distances:SmoothL1Distance",
    "supervised": "mpssl.training.objectives.supervised:Supervised",
}
ON_FEATURES = ("scr", "l1", "l2", "smooth_l1")  # they do not reach the head


def build_objective(name: str, classes: int, options: dict):
    """The objective `name` for `classes` classes, with its settings from the configuration."""
    return pkgutil.resolve_name(OBJECTIVES[name])(classes=classes, **options)
