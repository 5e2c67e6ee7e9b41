"""Where everything lies: the one file that knows the paths of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpssl.config import Config, ImageNet, PaperData

if TYPE_CHECKING:
    from mpssl.plan import Cell, Run

TORCHVISION_WEIGHTS = {  # IMAGENET1K_V1; torch.hub's names end in the first digits of the sha256
    "resnet18": "resnet18-f37072fd.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
}


def generator_weights(folder: Path, trained: bool = False) -> Path:
    """The file of a generator's weights: our own format where it is there or will be."""
    own = folder / "model.safetensors"
    return own if trained or own.exists() else folder / "pytorch_model.bin"


@dataclass(frozen=True)
class Paths:
    """The files of one experiment; inputs it makes are in `resources`, what it finds in `results`.

    Every method also takes Snakemake's wildcards in braces in place of a name.
    """

    config: Config

    @property
    def resources(self) -> Path:
        """Packed data, splits and foundation weights."""
        return Path("resources") / self.config.experiment

    @property
    def results(self) -> Path:
        """Runs, tables, figures."""
        return Path("results") / self.config.experiment

    @property
    def resolved_config(self) -> Path:
        """The whole configuration that the jobs read."""
        return self.results / "config.json"

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
        return Path("resources") / "downloads"

    def data(self, dataset: str) -> Path:
        """The unpacked official files of a data set, shared by all experiments."""
        settings = self.config.datasets[dataset]
        if getattr(settings, "path", None) is not None:
            return settings.path
        return Path("resources") / "data" / dataset / getattr(settings, "root", "")

    def absent(self, dataset: str) -> bool:
        """Whether a data set that only a person can fetch is not there."""
        settings = self.config.datasets[dataset]
        if not isinstance(settings, PaperData | ImageNet) or getattr(settings, "downloads", []):
            return False
        return not self.data(dataset).exists()

    def unpacked(self, dataset: str) -> Path:
        """Written last when a data set has been downloaded and unpacked."""
        return Path("resources") / "data" / f"{dataset}.json"

    def packed(self, dataset: str) -> Path:
        """Folder of a packed data set: images.npy, labels.npy, meta.json."""
        return self.resources / "packed" / dataset

    def split(self, dataset: str, fraction: int | str) -> Path:
        """Indices of D, D_val and D_u at one label fraction (percent)."""
        return self.resources / "splits" / dataset / f"{fraction}.json"

    def generator(self) -> Path:
        """Folder of the generator: config.json and its weights."""
        generator = self.config.foundation.generator
        if generator.kind == "pretrained":
            return generator.path
        return self.resources / "foundation" / "generator"

    def generator_files(self) -> list[Path]:
        """The generator's files: a BigGAN's official ones, or our own weights format."""
        folder = self.generator()
        trained = self.config.foundation.generator.kind == "trained"
        return [folder / "config.json", generator_weights(folder, trained)]

    def classifier(self, architecture: str) -> Path:
        """Weights of the foundation classifier of one architecture."""
        classifier = self.config.foundation.classifier
        if classifier.kind == "pretrained":
            return classifier.path / TORCHVISION_WEIGHTS.get(architecture, f"{architecture}.pth")
        return self.resources / "foundation" / f"{architecture}.safetensors"

    def run(self, run: Run | str) -> Path:
        """Folder of a run: metrics.json, history.csv, model.safetensors."""
        return self.results / "runs" / (run if isinstance(run, str) else run.id)

    def cell(self, cell: Cell | str) -> Path:
        """Folder of a cell, which holds its runs."""
        return self.results / "runs" / (cell if isinstance(cell, str) else cell.id)

    def selected(self, cell: Cell | str) -> Path:
        """The outcome of a cell's lambda search."""
        return self.cell(cell) / "selected.json"

    def table(self, name: str, suffix: str) -> Path:
        """A table in one format: csv, md or tex."""
        return self.results / "tables" / f"{name}.{suffix}"

    def figure(self, name: str, suffix: str) -> Path:
        """A figure in one format: png or pdf."""
        return self.results / "figures" / f"{name}.{suffix}"
