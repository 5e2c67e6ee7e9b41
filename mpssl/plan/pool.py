"""What a pool of images can serve, said before anything runs. No torch here."""

from functools import cache

from mpssl.common.errors import UserError
from mpssl.config.experiment import Config
from mpssl.config.foundation import Foundation
from mpssl.config.generators import DiffusersGenerator, ImagePool
from mpssl.config.method import Method
from mpssl.data.pool import FLAT, list_pool
from mpssl.models.pipelines import INDEX, problem
from mpssl.plan.cells import Cell
from mpssl.training.sources import SOURCES


def maker_of(config: Config) -> Config | None:
    """The configuration whose generator is the network that makes images, or None without one."""
    foundation = config.foundation
    if foundation.network is foundation.generator or foundation.network is None:
        return config if foundation.network else None
    changed = foundation.model_copy(update={"generator": foundation.network})
    return config.model_copy(update={"foundation": changed})


def folders(foundation: Foundation) -> list[str]:
    """Names of the folders of classes of a pool if they are known; of numbers there are none.

    Raises:
        UserError: the pool is not there, or a folder of it has no images.
    """
    pool = foundation.generator
    given = pool.kind == "images" and pool.make is None
    if given:
        return [name for name in _listed(pool) if name != FLAT]
    network = foundation.network
    texts = network.kind == "diffusers" and network.prompts is not None
    return list(network.prompts.classes) if texts else []


def _of_pipeline(foundation: Foundation) -> str | None:
    """Why a pipeline that is there cannot be the generator, or None."""
    network = foundation.network
    if network is None or network.kind != "diffusers" or (network.of_hub and not there(network)):
        return None
    in_training = network is foundation.generator
    return problem(network.folder, network.prompts is not None, in_training)


def there(network: DiffusersGenerator) -> bool:
    """Whether a pipeline has been fetched."""
    return (network.folder / INDEX).exists()


def known_count(config: Config) -> int | None:
    """The number of images of a pool; None if there is none, or its classes are not known yet.

    Raises:
        UserError: as `folders`.
    """
    pool = config.foundation.generator
    if pool.kind != "images":
        return None
    if pool.make is None:
        return sum(_listed(pool).values())
    return len(folders(config.foundation)) * pool.make.images_per_class or None


def packed_bytes(config: Config) -> int | None:
    """Bytes of a packed pool, 0 without one, None if it is not known how many images it has.

    Raises:
        UserError: as `folders`.
    """
    if config.foundation.generator.kind != "images":
        return 0
    count = known_count(config)
    return None if count is None else count * config.training.image_size**2 * 3


@cache  # Snakemake asks for each cell
def _listed(pool: ImagePool) -> dict[str, int]:
    """The number of images by folder."""
    return {name: len(files) for name, files in list_pool(pool).items()}


def lacks(foundation: Foundation, method: Method, cell: Cell) -> str | None:
    """Why a cell's method cannot use the generator of a configuration, or None.

    Raises:
        UserError: as `folders`, or a pipeline that is there is another one.
    """
    pool, source = foundation.generator, method.source
    if "generator" not in SOURCES[source].needs:
        return None
    if reason := _of_pipeline(foundation):
        raise UserError(reason)
    by_folder = bool(folders(foundation))
    if pool.kind == "images":
        if source == "lmo":
            return (
                "the source lmo learns through the generator, and images in a folder have no "
                "gradient; name a network in foundation.generator (kind: shipped, trained, "
                "pretrained, python or diffusers)"
            )
        varied = pool.make and pool.make.variations
        if varied and (varied.dataset, varied.fraction) != (cell.dataset, cell.fraction):
            return f"the pool varies D of {varied.dataset} at {varied.fraction} %, not this one"
        chooses = source in ("mapped", "pseudo") or method.classes is not None
        if chooses and not by_folder and pool.make is None:
            return (
                f"it chooses among classes, and the pool {pool.path} has no folders of classes; "
                "make some, or take a row of the source uniform without `classes`"
            )
    if source == "mapped" and not foundation.class_map and not by_folder:
        return "foundation.class_map is empty"
    return None
