"""Main memory of a training run, for schedulers that end a job which takes more. No torch here."""

from collections.abc import Callable

from mpssl.common.errors import UserError
from mpssl.plan.cells import Cell
from mpssl.plan.cost import dataset_sizes
from mpssl.plan.experiment import Experiment
from mpssl.plan.pool import packed_bytes

PROGRAM_MB = 6000  # PyTorch with CUDA, generator, classifier; 0.5 GB on a CPU at the small sizes
COPIES = 2  # of the images, while they are put into the layout of the device


def packed_mb(experiment: Experiment, dataset: str) -> int:
    """Megabytes of a packed data set; 0 where its size is not known yet."""
    config = experiment.config
    try:
        sizes = dataset_sizes(config, dataset)
    except UserError:
        return 0
    return (sizes.pool + sizes.test) * config.packing.size**2 * 3 // 2**20


def training_mb(experiment: Experiment, cell: Cell, packed: Callable[[str], int]) -> int:
    """Megabytes that one training run of `cell` takes at most, its images included.

    Args:
        experiment: to which the run belongs.
        cell: what is trained.
        packed: `packed_mb` of a data set's name.
    """
    datasets, needs = {cell.dataset}, experiment.plan.needs(cell)
    if "foundation_images" in needs:
        datasets.add(experiment.config.foundation.dataset)
    pool = (packed_bytes(experiment.config) or 0) // 2**20 if "generator" in needs else 0
    return PROGRAM_MB + COPIES * (sum(packed(name) for name in datasets) + pool)
