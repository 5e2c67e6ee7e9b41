"""The memory of a device that a training run takes, before anything is there. No torch here."""

from mpssl.common.files import read_json
from mpssl.config.step_memory import ASSUMED_MAPS, StepMemory, generator_maps
from mpssl.models.file_names import GENERATOR_CONFIG
from mpssl.models.pipelines import weight_files
from mpssl.plan.cells import Cell
from mpssl.plan.plan import Plan
from mpssl.shipped import FOUNDATION

# BigGAN-deep-256, as `config/config.yaml` pins it.
OFFICIAL_LAYERS = [
    *[(False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8)],
    *[(True, 8, 8), (False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2)],
    *[(False, 2, 2), (True, 2, 1)],
]
OFFICIAL_WIDTH, OFFICIAL_BYTES = 128, 220_000_000


def step_memory(plan: Plan, cell: Cell) -> StepMemory:
    """What a training step of a cell takes, for D of a whole batch at least."""
    training = plan.config.training
    size, maps = _generator(plan) if "generator" in plan.needs(cell) else (0, 0)
    return StepMemory(
        architecture=cell.architecture,
        image_size=training.image_size,
        labeled=training.batch_size,
        unlabeled=plan.ratio(cell) * training.batch_size,
        generator_bytes=size,
        generator_maps=maps,
        learns=plan.method(cell).source == "lmo",
    )


def _generator(plan: Plan) -> tuple[int, int]:
    """Bytes of the generator's weights, and numbers that its layers return for an image."""
    settings = plan.config.foundation.generator
    if settings.kind == "images":
        return 0, 0
    if settings.kind == "diffusers":
        size = sum(path.stat().st_size for path in weight_files(settings.folder))
        return size or OFFICIAL_BYTES, ASSUMED_MAPS * plan.config.training.image_size**2
    if settings.kind == "shipped":
        described = read_json(FOUNDATION / GENERATOR_CONFIG)
        return 10_000_000, generator_maps(described["layers"], described["channel_width"])
    if settings.kind == "trained":
        return 10_000_000, generator_maps(settings.layers, settings.channel_width)
    if settings.kind == "pretrained":
        return OFFICIAL_BYTES, generator_maps(OFFICIAL_LAYERS, OFFICIAL_WIDTH)
    return OFFICIAL_BYTES, ASSUMED_MAPS * plan.config.training.image_size**2
