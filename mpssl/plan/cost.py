"""What an experiment takes: jobs, downloads, disk, training steps and device hours. No torch here.

Everything is counted from scratch, as if no file of the experiment were there yet. Device hours are
of the training runs alone: their steps and evaluations, at the seconds that `mpssl plan
--calibrate` measured on the user's own device.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import read_json
from mpssl.config.architectures import BACKBONES
from mpssl.config.data import Download, Sizes
from mpssl.config.experiment import Config
from mpssl.models.file_names import GENERATOR_CONFIG, OFFICIAL_GENERATOR
from mpssl.plan.cells import Cell
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import SAMPLES
from mpssl.plan.plan import Plan
from mpssl.plan.pool import packed_bytes

# --------------------------------------------------------------------------------- sizes of data


def dataset_sizes(config: Config, name: str) -> Sizes:
    """The sizes of a data set that is not there yet; those of a folder of images are counted.

    Raises:
        UserError: the configuration does not say them.
    """
    dataset = config.datasets[name]
    sizes = dataset.sizes()
    if sizes is not None:
        if missing := dataset.missing_sizes():
            raise UserError(
                f"the size of {name} is not known: datasets.{name} says no `{missing[0]}`"
            )
        return sizes
    from mpssl.data.folder import read_folder

    reading = read_folder(dataset, config.packing)  # lists the files, opens none
    test = len(reading.labels) - reading.pool - reading.unlabeled
    return Sizes(reading.pool, test, len(reading.classes), reading.validation)


def split_sizes(config: Config, name: str, fraction: int) -> tuple[int, int]:
    """Images of D and D_val, as `mpssl.data.split` makes them."""
    sizes = dataset_sizes(config, name)
    labeled = round((sizes.pool - sizes.validation) * fraction / 100)
    if sizes.validation:
        return labeled, sizes.validation
    validation = round(labeled * config.split.validation_fraction)
    if config.split.validation == "stratified":  # training keeps an image of each class
        validation = min(validation, labeled - sizes.classes)
    return labeled - validation, validation


# ------------------------------------------------------------------------------- what is needed


def chosen_cells(plan: Plan, names: list[str]) -> list[Cell]:
    """The distinct cells of the named tables and figures, or of the wanted ones."""
    if not names:
        return plan.wanted_cells()
    return list(dict.fromkeys(cell for name in names for cell in plan.cells(name)))


def needed_datasets(plan: Plan, cells: list[Cell]) -> list[str]:
    """Data sets that are packed for `cells`, the foundation's own where something reads it."""
    foundation = plan.config.foundation
    network = foundation.network
    needs = {need for cell in cells for need in plan.needs(cell)}
    trained = {
        "generator": network is not None and network.kind == "trained",
        "foundation_classifier": foundation.classifier.kind == "trained",
        "foundation_images": True,
    }
    names = {cell.dataset for cell in cells}
    return sorted(names | {foundation.dataset for need in needs if trained.get(need)})


def needed_weights(experiment: Experiment, cells: list[Cell]) -> list[Download]:
    """Files of pretrained weights that are downloaded for `cells`."""
    foundation, files, paths = experiment.config.foundation, set(), experiment.paths
    network = foundation.network
    for cell in cells:
        needs = experiment.plan.needs(cell)
        if "generator" in needs and network is not None and network.kind == "pretrained":
            files |= {GENERATOR_CONFIG, OFFICIAL_GENERATOR}
        if "foundation_classifier" in needs and foundation.classifier.kind == "pretrained":
            files.add(paths.classifier(cell.architecture).name)
    return [
        download for _, download in experiment.plan.weight_downloads() if download.file in files
    ]


# ------------------------------------------------------------------------------------ disk, bytes


@dataclass(frozen=True)
class Space:
    """Bytes on the disk. `unknown`: files and data sets whose size is not known."""

    archives: int
    weights: int
    packed: int
    runs: int
    unknown: list[str]

    @property
    def download(self) -> int:
        """Bytes that are downloaded."""
        return self.archives + self.weights

    @property
    def total(self) -> int:
        """All of it; archives of images take about the same once more when they are unpacked."""
        return 2 * self.archives + self.weights + self.packed + self.runs


def space(experiment: Experiment, cells: list[Cell]) -> Space:
    """What `cells` need on the disk."""
    config, plan = experiment.config, experiment.plan
    datasets = needed_datasets(plan, cells)
    archives = [download for name in datasets for download in config.datasets[name].to_download]
    weights = needed_weights(experiment, cells)
    unknown = [download.file for download in archives + weights if download.bytes is None]
    packed = 0
    for name in datasets:
        try:
            sizes = dataset_sizes(config, name)
        except UserError:
            unknown.append(f"packed {name}")
        else:
            packed += (sizes.pool + sizes.test) * config.packing.size**2 * 3
    if any("generator" in plan.needs(cell) for cell in cells):
        of_pool = packed_bytes(config)
        unknown += ["packed pool"] if of_pool is None else []
        packed += of_pool or 0
        network = config.foundation.network
        if network is not None and network.kind == "diffusers" and network.of_hub:
            unknown.append(network.model)
    runs = sum(_run_bytes(plan, run.cell) for run in plan.runs(cells))
    return Space(
        archives=sum(download.bytes or 0 for download in archives),
        weights=sum(download.bytes or 0 for download in weights),
        packed=packed,
        runs=runs,
        unknown=unknown,
    )


def _run_bytes(plan: Plan, cell: Cell) -> int:
    """The classifier's weights, the samples and a little text."""
    backbone = BACKBONES[cell.architecture]
    head = 4 * (backbone.features + 1) * dataset_sizes(plan.config, cell.dataset).classes
    with_samples = plan.method(cell).objective != "none"
    samples = SAMPLES * plan.config.training.image_size**2 * 3 if with_samples else 0
    return backbone.bytes + head + samples + 100_000


# ----------------------------------------------------------------------------------- steps, hours


def kind(plan: Plan, cell: Cell) -> str:
    """What the seconds of a step depend on beside the architecture: `lmo+scr`, `real+uda x7`."""
    method, lmo = plan.method(cell), plan.lmo(cell)
    ratio = plan.ratio(cell) or 1
    name = f"{method.source}+{method.objective}" + (f" x{ratio}" if ratio != 1 else "")
    if method.source == "lmo":
        name += "" if lmo.validation_weight > 0 else ", no validation loss"
        name += "" if lmo.gap_weight > 0 else ", no gap"
    name += ", strong labels" if plan.settings(cell).augmentation.labeled.randaugment else ""
    return name


# Keys of `training` that change the seconds of a step and nothing else of what is measured.
SPEED = {"precision", "generator_precision", "autotune", "compile"}
SPEED |= {"deterministic", "images_per_pass"}
# What a calibration's entry says of a kind of step.
SECONDS = "seconds_per_step", "seconds_per_evaluated_image", "seconds_of_compilation"


def measured_with(config: Config) -> dict:
    """The settings on which all measured seconds depend; others make a calibration void."""
    generator, training = config.foundation.generator, config.training
    return {
        "batch_size": training.batch_size,
        "image_size": training.image_size,
        **training.model_dump(include=SPEED),
        "packing_size": config.packing.size,
        "evaluation_batch_size": training.evaluation_batch_size,
        "validation_batch_size": config.lmo.validation_batch_size,
        "device": config.device,
        "threads": config.threads,
        "generator": generator.model_dump(
            mode="json",
            include={"kind", "z_dim", "channel_width", "layers", "entry", "options", "model"},
        ),
    }


@dataclass(frozen=True)
class Calibration:
    """Measured seconds of a step, an evaluated image, a compilation, by kind and architecture."""

    device: str
    seconds: dict[tuple[str, str], tuple[float, float, float]]

    @classmethod
    def load(cls, experiment: Experiment, path: Path | None = None) -> "Calibration | None":
        """The stored calibration, or None where there is none or it is of other settings.

        Args:
            experiment: whose settings it must be of.
            path: another file than the experiment's own: a calibration, or a GPU campaign's.

        Raises:
            UserError: the file is damaged.
        """
        path = path or experiment.paths.calibration
        try:
            content = read_json(path)
            content = content.get("calibration", content)
            if content["measured_with"] != measured_with(experiment.config):
                return None
            seconds = {
                (entry["kind"], entry["architecture"]): tuple(float(entry[k]) for k in SECONDS)
                for entry in content["entries"]
            }
            return cls(content["device"], seconds)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error}); delete it and calibrate again") from None


def steps(plan: Plan, cell: Cell) -> int:
    """Classifier steps of one run."""
    config, training = plan.config, plan.config.training
    labeled, _ = split_sizes(config, cell.dataset, cell.fraction)
    an_epoch = training.steps_per_epoch or labeled // min(training.batch_size, labeled)
    return training.epochs * an_epoch * plan.steps_factor(cell)


def run_seconds(plan: Plan, cell: Cell, calibration: Calibration | None) -> float | None:
    """Seconds of one run: compilation, steps, validation after each epoch, final evaluation."""
    key = kind(plan, cell), cell.architecture
    if calibration is None or key not in calibration.seconds:
        return None
    a_step, an_image, compilation = calibration.seconds[key]
    _, validation = split_sizes(plan.config, cell.dataset, cell.fraction)
    test = dataset_sizes(plan.config, cell.dataset).test
    images = (plan.config.training.epochs + 1) * validation + test
    return compilation + steps(plan, cell) * a_step + images * an_image


@dataclass(frozen=True)
class Cost:
    """What a set of cells costs with lambda given (one run a seed) and with the search for it."""

    cells: int
    runs: int
    searched_runs: int
    steps: int
    searched_steps: int
    hours: float | None
    searched_hours: float | None
    halved_steps: int
    """With the search by halving."""
    halved_hours: float | None


def cost(plan: Plan, cells: Iterable[Cell], calibration: Calibration | None) -> Cost:
    """The cost of distinct cells, each run counted once. The search is the grid on one seed.

    With `search_seed: first` the search's best run is a seed's run too.
    """
    config = plan.config
    given, grid, cells = len(config.seeds), len(config.unlabeled_weight_grid), list(cells)
    rows, halves = [], plan.runs_by_halving(grid)
    for cell in cells:
        without = plan.method(cell).objective == "none"
        searched = given if without else grid + given - plan.search_is_first
        halved = searched if without else searched - grid + halves
        rows.append((searched, steps(plan, cell), run_seconds(plan, cell, calibration), halved))
    known = all(seconds is not None for _, _, seconds, _ in rows)
    return Cost(
        cells=len(cells),
        runs=given * len(cells),
        searched_runs=sum(searched for searched, *_ in rows),
        steps=sum(given * a_run for _, a_run, *_ in rows),
        searched_steps=sum(searched * a_run for searched, a_run, *_ in rows),
        hours=sum(given * s for _, _, s, _ in rows) / 3600 if known else None,
        searched_hours=sum(searched * s for searched, _, s, _ in rows) / 3600 if known else None,
        halved_steps=round(sum(halved * a_run for _, a_run, _, halved in rows)),
        halved_hours=sum(halved * s for _, _, s, halved in rows) / 3600 if known else None,
    )
