"""A small world in which every image says which one it is, and a record of a run in it.

`World.run` trains one run through `runner.execute`, files and all, and keeps every forward pass of
its classifier, of the foundation classifier and of the generator: which images, in which mode,
under which weights. Only this module knows how a run is set up and started.

Pixels of a real image, in bytes: channel 0 is its code, channel 1 its data set, channel 2 tells the
centre that evaluation reads from the border around it. The codes are the rows in a mixed order, and
classes are ranges of codes, so that every part of the data has all classes and they can be learned.
The generator's images are grey, and no grey pixel is one of these.
"""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from mpssl.common.files import file_digest, read_made, write_made
from mpssl.config.generators import TrainedGenerator
from mpssl.config.reading import resolve
from mpssl.data.split import write_split
from mpssl.data.store import Reading, load, save
from mpssl.foundation.networks import build_generator, settle
from mpssl.models import generator as generators
from mpssl.models import model_file, tensor_file
from mpssl.models.classifier import Classifier
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import Paths
from mpssl.runs.record import RunRecord
from mpssl.runs.runner import execute
from mpssl.runs.stored import with_chosen_lambda
from tests.support.wiring_content import (
    BORDER,
    CENTRE,
    CLASSES,
    CONTENT,
    EDGE,
    FOUNDATION,
    FOUNDATION_CLASSES,
    FOUNDATION_POOL,
    FOUNDATION_REST,
    FRACTIONS,
    MEAN,
    MIX,
    NAMES,
    PACKED,
    POOL,
    SHORT,
    SIDE,
    STD,
    TAIL,
    TARGET,
    TEST,
)
from tests.support.wiring_recording import Forward, Recording, watched


class World:
    """Packed data, splits and a foundation in a folder, and the runs that were made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recordings: dict[str, Recording] = {}
        self._checkpoints: dict[str, bytes] = {}
        self.labels = _codes(POOL + TEST + TAIL) * CLASSES // (POOL + TEST + TAIL)
        self.labels[POOL + TEST :] = -1
        count = FOUNDATION_POOL + FOUNDATION_REST
        self.foundation_labels = foundation_labels = _codes(count) * FOUNDATION_CLASSES // count
        self.experiment = experiment = Experiment(resolve(CONTENT))
        with contextlib.chdir(folder):
            self.paths = paths = experiment.paths
            images = _images(TARGET, len(self.labels))
            target = Reading(images, self.labels, NAMES, POOL, TAIL)
            save(paths.packed("target"), target, PACKED)
            names = [f"thing {i}" for i in range(FOUNDATION_CLASSES)]
            images = _images(FOUNDATION, len(foundation_labels))
            foundation = Reading(images, foundation_labels, names, FOUNDATION_POOL)
            save(paths.packed("foundation"), foundation, PACKED)
            packed = load(paths.packed("target"))
            for fraction in FRACTIONS:
                path = paths.split("target", fraction, 0)
                write_split(path, packed, fraction, experiment.config.split)
            _make_generator(paths)
            self.foundation_classifier = {
                name: _make_classifier(paths, name) for name in ("resnet8", "resnet14")
            }

    def parts(self, fraction: int = 60) -> dict[str, set[tuple[int, int]]]:
        """The images of D, D_val, D_u and of the foundation by files, the test images by hand."""
        content = json.loads((self.folder / self.paths.split("target", fraction, 0)).read_text())
        found = {
            name: {(TARGET, row) for row in content[name]}
            for name in ("labeled", "validation", "unlabeled")
        }
        found["test"] = {(TARGET, row) for row in range(POOL, POOL + TEST)}
        found["foundation"] = {(FOUNDATION, row) for row in range(FOUNDATION_POOL)}
        return found

    def parts_of(self, rows: list[tuple[int, int] | None], fraction: int = 60) -> set[str]:
        """The parts that hold one of these images at least."""
        return {name for name, part in self.parts(fraction).items() if part & set(rows)}

    def labels_of(self, forward: Forward) -> Tensor:
        """The classes of the images of a pass."""
        return torch.tensor([self.labels[row] for _, row in forward.rows])

    def classifier(self, state: dict[str, Tensor], architecture: str = "resnet8") -> Classifier:
        """A classifier of our own in a state, in training mode."""
        model = Classifier(architecture, len(state["head.bias"]), tuple(MEAN), tuple(STD))
        model.load_state_dict(state)
        return model

    def generate(self, z: Tensor, y: Tensor, truncation: float) -> Tensor:
        """What the generator in the folder makes, by the code that the BigGAN package ships."""
        from mpssl.compat.biggan import BigGAN, BigGANConfig

        folder = self.folder / self.paths.generator()
        network = BigGAN(BigGANConfig.from_dict(json.loads((folder / "config.json").read_text())))
        network.load_state_dict(tensor_file.load(folder / "model.safetensors")[0])
        with torch.no_grad():
            return (network.eval()(z, y, truncation) + 1) / 2

    def select(self, row: str, lambda_: float) -> None:
        """Write the outcome of a search for lambda."""
        with contextlib.chdir(self.folder):
            write_made(self.paths.selected(_cell(row)), {"lambda": f"{lambda_:g}"})

    def changed(self, **changes) -> Experiment:
        """The experiment with changes, section by section, that reads the files of this world."""
        content = dict(CONTENT)
        for section, values in changes.items():
            old = content.get(section)
            content[section] = {**old, **values} if isinstance(old, dict) else values
        experiment = Experiment(resolve(content))
        kinds = ["packed", "generator", "classifier", "search"]
        for kind in kinds if "split" in changes else [*kinds, "split"]:
            setattr(experiment.names, kind, getattr(self.experiment.names, kind))
        return experiment

    @property
    def digests(self) -> dict[str, str]:
        """The digests of a run's inputs, by the files themselves; the split's is that of 60 %."""
        with contextlib.chdir(self.folder):
            packed, generator = self.paths.packed, self.paths.generator()
            return {
                "data": read_made(packed("target") / "meta.json")["digest"],
                "foundation_images": read_made(packed("foundation") / "meta.json")["digest"],
                "split": read_made(self.paths.split("target", 60, 0))["digest"],
                "generator": file_digest(
                    generator / "config.json", generator / "model.safetensors"
                ),
                "foundation_classifier": file_digest(self.paths.classifier("resnet8")),
            }

    def run(
        self,
        row: str,
        seed: int = 0,
        *,
        lambda_: str | None = None,
        fraction: int = 60,
        architecture: str = "resnet8",
        **changes,
    ) -> Recording:
        """Train a run, once for all tests, and return what happened.

        Args:
            row: setting/method[/variant].
            seed: of the run.
            lambda_: lambda as a run's name has it; 0 for the base method and else 0.5 by default.
            fraction: one of FRACTIONS, percent.
            architecture: of the classifier.
            changes: of the configuration, section by section.
        """
        without = row in ("base/base", "control/longer")
        lambda_ = lambda_ or ("0" if without else "0.5")
        run = Run(_cell(row, fraction, architecture), lambda_, seed)
        key = f"{run.id} {json.dumps(changes, sort_keys=True)}"
        if key not in self._recordings:
            self._recordings[key] = self._train(run, changes)
        return self._recordings[key]

    def run_twice(self, row: str, between: Callable[[], None], **changes) -> Recording:
        """Train a run and keep its checkpoint, let something happen, and start the run again.

        Args:
            row: setting/method[/variant]; lambda is that of the search.
            between: what happens between the two.
            changes: of the configuration under which the second is started, section by section.
        """
        run = Run(_cell(row), SELECTED, 0)
        if row not in self._checkpoints:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("mpssl.training.checkpoint.remove", lambda path: None)
                first = self._train(run, {"training": SHORT})
            self._checkpoints[row] = first.files["checkpoint.pt"]
        between()
        return self._train(run, {"training": SHORT} | changes, self._checkpoints[row])

    @contextlib.contextmanager
    def restored(self):
        """Bring splits and generator back at the end of the block."""
        folders = [self.folder / self.paths.split("target", 60, 0).parent]
        folders.append(self.folder / self.paths.generator())
        before = {path: path.read_bytes() for f in folders for path in f.iterdir()}
        try:
            yield
        finally:
            for path, content in before.items():
                path.write_bytes(content)

    def change_split(self) -> None:
        """Exchange an image of D with one of D_u, under another digest."""
        path = self.folder / self.paths.split("target", 60, 0)
        content = read_made(path)
        labeled, unlabeled = content["labeled"], content["unlabeled"]
        labeled[0], unlabeled[0] = unlabeled[0], labeled[0]
        write_made(path, content | {"digest": "another"})

    def change_generator(self) -> None:
        """Give the generator other weights."""
        path = self.folder / self.paths.generator() / "model.safetensors"
        state, metadata = tensor_file.load(path)
        tensor_file.save(path, {name: 1.01 * value for name, value in state.items()}, metadata)

    def _train(self, run: Run, changes: dict, checkpoint: bytes | None = None) -> Recording:
        experiment = self.changed(**changes)
        torch.manual_seed(len(self._recordings))  # nothing may depend on what ran before
        with contextlib.chdir(self.folder), watched() as events:
            run = with_chosen_lambda(experiment, run)
            files = experiment.paths.run(run)
            folder = files.folder
            shutil.rmtree(folder, ignore_errors=True)  # of the same run under other settings
            if checkpoint is not None:
                folder.mkdir(parents=True)
                files.checkpoint.write_bytes(checkpoint)
            execute(experiment, run, threads=1)
            return Recording(
                self,
                experiment.config,
                run,
                [event for who, event in events if who == "student"],
                events,
                {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*")},
                RunRecord.model_validate(read_made(files.record)),
                pd.read_csv(files.history),
                tensor_file.load(files.model)[0],
                model_file.load(folder)[1],
            )


def _cell(row: str, fraction: int = 60, architecture: str = "resnet8") -> Cell:
    setting, method, *variant = row.split("/")
    variant = variant[0] if variant else "default"
    return Cell("target", fraction, setting, method, variant, architecture)


def _codes(count: int) -> np.ndarray:
    return np.arange(count) * MIX % count


def _images(dataset: int, count: int) -> np.ndarray:
    images = np.empty((count, PACKED, PACKED, 3), np.uint8)
    images[..., 0] = _codes(count)[:, None, None]
    images[..., 1] = dataset
    images[..., 2] = EDGE
    inside = slice(BORDER, PACKED - BORDER)
    images[:, inside, inside, 2] = CENTRE
    return images


def _make_generator(paths: Paths) -> None:
    """Untrained, and with other statistics below truncation 1."""
    torch.manual_seed(1)
    layers = [(True, 16, 8), (False, 8, 4), (False, 4, 2), (False, 2, 1)]
    settings = TrainedGenerator(kind="trained", steps=1, z_dim=4, channel_width=4, layers=layers)
    network = build_generator(settings, FOUNDATION_CLASSES)
    settle(network)
    for name, buffer in network.named_buffers():
        if name.endswith("running_means"):
            buffer[0] += 0.5
    generators.save(network, paths.generator())


def _make_classifier(paths: Paths, architecture: str) -> dict[str, Tensor]:
    """A foundation classifier with running statistics of its own; returns its state."""
    torch.manual_seed(2)
    model = Classifier(architecture, FOUNDATION_CLASSES, tuple(MEAN), tuple(STD))
    with torch.no_grad():
        for _ in range(5):
            model(torch.rand(16, 3, SIDE, SIDE))
        model.head.weight.normal_()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    tensor_file.save(paths.classifier(architecture), state)
    return state
