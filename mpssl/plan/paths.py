"""Where everything is: the one module that knows the paths of an experiment."""

from dataclasses import dataclass
from pathlib import Path

from mpssl.common.entry_points import entry_source
from mpssl.config.architectures import BACKBONES
from mpssl.config.experiment import Config
from mpssl.models.file_names import GENERATOR_CONFIG, MODEL, generator_weights
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.downloaded import DATA, DOWNLOADS, data_folder
from mpssl.plan.names import Names
from mpssl.shipped import FOUNDATION, shipped_classifier

SAMPLES = 32  # images in a run's samples.png


def resolved_config(results: Path) -> Path:
    """The configuration of the experiment whose results are in a folder."""
    return results / "config.json"


def root_of(config: Path) -> Path:
    """The folder of `results` for a configuration file: the file may be in there.

    A configuration that is elsewhere is for the folder in which the command runs.
    """
    made = config.name == "config.json" and config.parent.parent.name == "results"
    return config.parents[2] if made else Path()


def fingerprints_beside(path: Path) -> Path:
    """The digests of the user's own images that go with a resolved configuration."""
    return path.with_name("images.json")


@dataclass(frozen=True)
class RunFiles:
    """The files in the folder of one run. The record is written last: with it the run is whole."""

    folder: Path

    @property
    def record(self) -> Path:
        """What the run left in numbers, and what it was made from."""
        return self.folder / "metrics.json"

    @property
    def history(self) -> Path:
        """Losses and validation accuracy of each epoch."""
        return self.folder / "history.csv"

    @property
    def model(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / MODEL

    @property
    def predictions(self) -> Path:
        """Class and probability that the model of the best epoch gives each test image."""
        return self.folder / "predictions.npz"

    @property
    def converter(self) -> Path:
        """What LMO's label converter learned: foundation classes by target class."""
        return self.folder / "converter.npz"

    @property
    def samples(self) -> Path:
        """Unlabeled images in training."""
        return self.folder / "samples.png"

    @property
    def snapshots(self) -> Path:
        """Folder of a generative method's samples at a few epochs."""
        return self.folder / "snapshots"

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished run goes on; gone when it is whole, as `progress`."""
        return self.folder / "checkpoint.pt"

    @property
    def progress(self) -> Path:
        """The heartbeat of a run in training."""
        return self.folder / "progress.json"

    @property
    def event_files(self) -> Path:
        """Folder of TensorBoard's files."""
        return self.folder / "tensorboard"


@dataclass(frozen=True)
class Paths:
    """The files of one experiment.

    What takes long is made once, in folders of the store that are named by what made it, and other
    experiments find it there. What the experiment finds is in `results`.
    """

    config: Config
    names: Names
    root: Path = Path()
    """In which `results` is; the store and what else the configuration names is not."""

    @property
    def results(self) -> Path:
        """Tables, figures, and links to the runs."""
        return self.root / "results" / self.config.experiment

    @property
    def resolved_config(self) -> Path:
        """The whole configuration that the jobs read."""
        return resolved_config(self.results)

    @property
    def benchmarks(self) -> Path:
        """Seconds and memory of every job, one folder a stage."""
        return self.results / "benchmarks"

    @property
    def logs(self) -> Path:
        """What every job printed, one folder a stage."""
        return self.results / "logs"

    @property
    def downloads(self) -> Path:
        """Archives as downloaded, shared by all experiments."""
        return DOWNLOADS

    def data(self, dataset: str) -> Path:
        """The unpacked official files of a data set, shared by all experiments."""
        return data_folder(self.config, dataset)

    def unpacked(self, dataset: str) -> Path:
        """Written last when a data set has been downloaded and unpacked."""
        return DATA / f"{dataset}.json"

    # ---------------------------------------------------------------------------------- the store

    @property
    def store(self) -> Path:
        """The folder of all that takes long to make."""
        return self.config.store

    def made(self, kind: str, name: str) -> Path:
        """The folder of one thing that is made, by its kind and its name."""
        return self.store / kind / name

    def packed(self, dataset: str) -> Path:
        """Folder of a packed data set: images.npy, labels.npy, meta.json."""
        return self.made("packed", self.names.packed(dataset))

    def split(self, dataset: str, fraction: int, seed: int) -> Path:
        """Indices of D, D_val and D_u at one label fraction (percent), for the runs of a seed."""
        return self.made("splits", self.names.split(dataset, fraction, seed)) / "split.json"

    def split_of(self, run: Run) -> Path:
        """The split of a run."""
        return self.split(run.cell.dataset, run.cell.fraction, run.seed)

    def generator(self) -> Path:
        """Folder of a BigGAN's config.json and weights, or of a packed pool; others have none."""
        generator = self.config.foundation.generator
        if generator.kind == "diffusers":
            return generator.folder
        if generator.kind == "shipped":
            return FOUNDATION
        if generator.kind == "pretrained":
            return generator.path
        kind = "pools" if generator.kind == "images" else "generators"
        return self.made(kind, self.names.generator())

    def generator_files(self) -> list[Path]:
        """The generator's files: a BigGAN's, an entry point's source, or those of a packed pool.

        Raises:
            UserError: the entry point's module cannot be found.
        """
        generator = self.config.foundation.generator
        if generator.kind == "python":
            return [entry_source(generator.entry), *generator.files]
        folder = self.generator()
        if generator.kind == "images":
            return [folder / "meta.json"]
        if generator.kind == "diffusers":
            return [folder / "model_index.json"]
        weights = generator_weights(folder, trained=generator.kind == "trained")
        return [folder / GENERATOR_CONFIG, weights]

    @property
    def pool_made(self) -> Path:
        """What a pool was made with; written after its images."""
        return self.config.foundation.generator.path / "generator.json"

    def pool_check(self, dataset: str) -> Path:
        """Written if no image of the pool is a test image of a data set."""
        return self.made("checks", self.names.pool_check(dataset)) / "check.json"

    def classifier(self, architecture: str) -> Path:
        """Weights of the foundation classifier of one architecture."""
        classifier = self.config.foundation.classifier
        if classifier.kind == "shipped":
            return shipped_classifier(architecture)
        if classifier.kind == "pretrained":
            return classifier.path / (BACKBONES[architecture].weights or f"{architecture}.pth")
        return (
            self.made("classifiers", self.names.classifier(architecture))
            / f"{architecture}.safetensors"
        )

    def domain(self, dataset: str, architecture: str) -> Path:
        """How far the generator's images lie from a data set, as one architecture sees it."""
        return self.made("domain", self.names.domain(dataset, architecture)) / "domain.json"

    def run(self, run: Run) -> RunFiles:
        """The files of a run; if its lambda is the chosen one, by a link to the run that has it."""
        if run.lambda_ == SELECTED:
            return RunFiles(self.made("chosen", self.names.chosen(run)) / "run")
        return RunFiles(self.made("runs", self.names.run(run)))

    def selected(self, cell: Cell) -> Path:
        """The outcome of a cell's lambda search."""
        return self.made("searches", self.names.search(cell)) / "selected.json"

    # -------------------------------------------------------------------------------- the results

    def link(self, run: Run) -> Path:
        """Where people find a run's folder by what it is."""
        return self.results / "runs" / run.id

    @property
    def shipped(self) -> Path:
        """Folder of a trained foundation as the package carries it (`make foundation`)."""
        return self.results / "shipped"

    @property
    def foundation_sheet(self) -> Path:
        """Real images of the foundation beside generated ones."""
        return self.results / "sheet.png"

    def answer(self, suffix: str) -> Path:
        """The answer: md for readers, csv for programs."""
        return self.results / f"answer.{suffix}"

    @property
    def chosen_model(self) -> Path:
        """A copy of the model file that the answer names."""
        return self.results / MODEL

    def train_log(self, run: Run) -> Path:
        """What a run's job printed."""
        name = self.names.chosen if run.lambda_ == SELECTED else self.names.run
        return self.logs / "train" / f"{name(run)}.log"

    def recipe(self, name: str) -> Path:
        """What a table, figure or page is made of; its time is that of the last change."""
        return self.results / "recipes" / f"{name}.json"

    @property
    def runs_table(self) -> Path:
        """All finished runs of the tables, one a line."""
        return self.results / "runs.csv"

    @property
    def searches_table(self) -> Path:
        """All finished runs of the searches for lambda, one a line."""
        return self.results / "search.csv"

    def claims(self, suffix: str) -> Path:
        """The tested claims: md for readers, csv for programs."""
        return self.results / f"claims.{suffix}"

    @property
    def calibration(self) -> Path:
        """Seconds of training steps that were measured on this device."""
        return self.results / "calibration.json"

    def table(self, name: str, suffix: str) -> Path:
        """A table in one format: csv, md or tex."""
        return self.results / "tables" / f"{name}.{suffix}"

    def figure(self, name: str, suffix: str) -> Path:
        """A figure in one format, png or pdf, or the numbers that it shows, csv."""
        return self.results / "figures" / f"{name}.{suffix}"

    @property
    def report(self) -> Path:
        """All results on one page."""
        return self.results / "report.html"
