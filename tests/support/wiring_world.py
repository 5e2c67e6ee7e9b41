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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from mpssl.common.files import file_digest, read_made, write_made
from mpssl.config.experiment import Config
from mpssl.config.generators import TrainedGenerator
from mpssl.config.reading import resolve
from mpssl.data.split import write_split
from mpssl.data.store import Reading, load, save
from mpssl.foundation.networks import build_generator, settle
from mpssl.models import generator as generators
from mpssl.models import model_file, tensor_file
from mpssl.models.classifier import Classifier
from mpssl.models.generator import FrozenGenerator
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.paths import Paths
from mpssl.runs.record import RunRecord
from mpssl.runs.runner import execute
from mpssl.runs.stored import with_chosen_lambda

PACKED, SIDE, BORDER = 12, 8, 2  # sides of packed images and of the classifier's, pixels
CLASSES, FOUNDATION_CLASSES = 3, 5
NAMES = ["low", "middle", "high"]
POOL, TEST, TAIL = 60, 21, 6  # the tail: unlabeled images of the data set's own
FOUNDATION_POOL, FOUNDATION_REST = 40, 8
MIX = 37  # has no divisor in common with 87 and 48, the numbers of images
TARGET, FOUNDATION = 100, 180  # channel 1
CENTRE, EDGE = 40, 220  # channel 2
FRACTIONS = (30, 60)  # of 60 images: D and D_val have 12 and 6, or 24 and 12
BATCH, EPOCHS = 6, 3
MEAN, STD = [0.3, 0.4, 0.2], [0.25, 0.3, 0.2]
SHORT = {"epochs": 1, "steps_per_epoch": 2}  # of `training`
RATIO = {"oracle": 3, "transfer": 2, "generative": 2}

# No value of `training` is a default, so that a default in a value's place is seen.
CONTENT = {
    "experiment": "wiring",
    "device": "cpu",
    "datasets": {
        "target": {"adapter": "digits", "title": "T", "pool_size": POOL, "test_size": TEST},
        "foundation": {"adapter": "glyphs", "images_per_class": 8},
    },
    "foundation": {
        "dataset": "foundation",
        "generator": {"kind": "trained", "steps": 1},
        "classifier": {"kind": "trained", "steps": 1},
        "truncation": 0.5,
        "class_groups": {"some": ["1", "3-4"]},
        "class_map": {name: [k, "4"] for k, name in enumerate(NAMES)},
    },
    "roles": {
        "datasets": {"main": ["target"]},
        "fractions": {"default": [60]},
        "architectures": {"default": ["resnet8"]},
    },
    "seeds": [0, 1, 2],
    "unlabeled_ratio": RATIO,
    "packing": {"size": PACKED},
    "split": {"seed": 3, "validation_fraction": 0.333},
    "training": {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "learning_rate": 0.05,
        "momentum": 0.8,
        "weight_decay": 0.05,
        "milestones": [0.5],
        "decay": 0.25,
        "image_size": SIDE,
        "normalize_mean": MEAN,
        "normalize_std": STD,
        "equal_epochs": "first",
        "evaluation_batch_size": 8,
        "snapshots": 2,
    },
    "augmentation": {
        "labeled": {"crop": "padded", "padding": 0, "flip": False},
        "weak": {"crop": "none", "flip": False},
        "strong": {"crop": "padded", "padding": 3, "flip": False},
    },
    "lmo": {
        "validation_batch_size": 4,
        "record_every": 1,
        "converter_learning_rate": 0.05,
        "mapper_learning_rate": 0.01,
    },
    "objectives": {"fixmatch": {"confidence_threshold": 0.4}},
    "methods": {
        "base": {"base": {"label": "B", "source": "none", "objective": "none"}},
        "control": {
            "scr": {"label": "D", "source": "labeled", "objective": "scr"},
            "supervised": {"label": "A", "source": "labeled", "objective": "supervised"},
            "longer": {"label": "L", "source": "none", "objective": "none", "budget": "images"},
        },
        "oracle": {
            "scr": {
                "label": "O",
                "source": "real",
                "objective": "scr",
                "variants": {"as_many": {"label": "m", "ratio": "generative"}},
            },
            "fixmatch": {"label": "F", "source": "real", "objective": "fixmatch"},
        },
        "transfer": {
            "scr": {
                "label": "T",
                "source": "foundation",
                "objective": "scr",
                "variants": {"some": {"label": "s", "classes": "some"}},
            },
        },
        "generative": {
            "naive": {
                "label": "N",
                "source": "uniform",
                "objective": "scr",
                "variants": {"some": {"label": "s", "classes": "some"}},
            },
            "labels": {"label": "L", "source": "mapped", "objective": "supervised"},
            "pssl": {"label": "P", "source": "pseudo", "objective": "scr"},
            "mpssl": {
                "label": "M",
                "source": "lmo",
                "objective": "scr",
                "variants": {
                    "no_gap": {"label": "G", "lmo": {"gap_weight": 0}},
                    "soft": {"label": "S", "lmo": {"converter": {"kind": "soft_label"}}},
                    "third": {"label": "3", "lmo": {"exact": False, "adapt_every": 3}},
                },
            },
        },
    },
    "tables": {},
    "figures": {},
    "claims": {},
}


@dataclass(eq=False)
class Forward:
    """One pass of images through a classifier."""

    images: Tensor
    """[B, 3, S, S] in [0, 1]."""
    features: Tensor
    training: bool
    """In training mode, so under batch statistics."""
    moves_statistics: bool
    state: dict[str, Tensor]
    """Parameters and buffers before the pass; theta' in the look-ahead."""
    needs_gradient: bool
    """Whether a parameter of the classifier requires a gradient."""
    logits: Tensor | None = None
    """Where the classifier was called as a whole."""

    @cached_property
    def rows(self) -> list[tuple[int, int] | None]:
        """Data set and row of each image; None for one that is no image of a data set."""
        return [_read(image) for image in (255 * self.images).round().int()]

    @property
    def border(self) -> Tensor:
        """For each image, whether it shows some of the packed image's border."""
        return ((255 * self.images[:, 2]).round() == EDGE).flatten(1).any(dim=1)

    @property
    def padded(self) -> Tensor:
        """For each image, whether it shows some padding."""
        return (self.images[:, 1] == 0).flatten(1).any(dim=1)


@dataclass(eq=False)
class Made:
    """One call of the generator."""

    z: Tensor
    y: Tensor
    images: Tensor
    needs_gradient: bool


@dataclass
class Step:
    """The passes of one training step, in their order."""

    epoch: int
    """From 0."""
    labeled: Forward
    others: list[Forward]
    """In training mode, after the labeled one."""
    taught: list[Forward]
    """Of the foundation classifier."""
    made: list[Made]


@dataclass
class Evaluation:
    """The passes of one evaluation."""

    passes: list[Forward]
    labels: Tensor

    @property
    def rows(self) -> list[tuple[int, int] | None]:
        return [row for p in self.passes for row in p.rows]

    @property
    def state(self) -> dict[str, Tensor]:
        return self.passes[0].state

    @property
    def accuracy(self) -> float:
        """In percent."""
        predicted = torch.cat([p.logits for p in self.passes]).argmax(dim=1)
        return 100 * (predicted == self.labels).double().mean().item()


@dataclass
class Recording:
    """All that happened in one run, and what it left."""

    world: "World"
    config: Config
    run: Run
    student: list[Forward]
    events: list[tuple[str, Forward | Made]]
    """All passes in order: of the `student`, of the `teacher` f_F, or of the `generator`."""
    files: dict[str, bytes]
    """What the run left in its folder, by path."""
    record: RunRecord
    history: pd.DataFrame
    weights: dict[str, Tensor]
    described: model_file.Description
    """Beside the weights, in the model's file."""

    @cached_property
    def steps(self) -> list[Step]:
        """A step begins with the pass that moves the statistics; evaluations part the epochs."""
        found: list[Step] = []
        epoch, evaluated, within = 0, False, False
        for who, event in self.events:
            if who == "student" and not event.training:
                evaluated, within = evaluated or event.logits is not None, False
            elif who == "student" and event.moves_statistics and event.logits is not None:
                epoch, evaluated, within = epoch + (evaluated and bool(found)), False, True
                found.append(Step(epoch, event, [], [], []))
            elif within:
                part = {"student": "others", "teacher": "taught", "generator": "made"}[who]
                getattr(found[-1], part).append(event)
        return found

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """Consecutive evaluating passes over images of one part of the data are one."""
        found: list[Evaluation] = []
        last = None
        for p in self.student:
            if p.training or p.logits is None:
                last = None
                continue
            part = self.world.parts_of(p.rows, self.run.cell.fraction)
            if part != last:
                found.append(Evaluation([], torch.empty(0, dtype=torch.long)))
            last = part
            found[-1].passes.append(p)
            found[-1].labels = torch.cat([found[-1].labels, self.world.labels_of(p)])
        return found

    @property
    def before(self) -> list[tuple[str, Forward | Made]]:
        """What happened before the first step: the first snapshot."""
        return self.events[: self.events.index(("student", self.steps[0].labeled))]

    @property
    def after(self) -> list[Forward]:
        """The classifier's passes after the last evaluation: measures of the record."""
        return self.student[self.student.index(self.evaluations[-1].passes[-1]) + 1 :]

    @property
    def measured(self) -> list[Forward]:
        """The passes for features of f_F: real and unlabeled images that are compared, in turns."""
        return [event for who, event in self.events if who == "teacher" and event.logits is None]


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
        with contextlib.chdir(self.folder), _watched() as events:
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


@contextlib.contextmanager
def _watched():
    """Keep every pass of a classifier and of the generator inside the block.

    The student knows the target's classes, the foundation classifier the foundation's.
    """
    events: list[tuple[str, Forward | Made]] = []
    features, forward, generate = Classifier.features, Classifier.forward, FrozenGenerator.forward

    kept: dict[str, Tensor] = {}  # the last copies: most passes are under the weights of another

    def copied(model):
        state = {name: value.detach() for name, value in model.state_dict().items()}
        who = len(state["head.bias"])
        for name, value in state.items():
            key = f"{who} {name}"
            if key not in kept or not torch.equal(kept[key], value):
                kept[key] = value.clone()
            state[name] = kept[key]
        return state

    def watched_features(self, x):
        state = copied(self)
        norms = [m for m in self.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        moves = self.training and all(m.track_running_stats for m in norms)
        needs = any(p.requires_grad for p in self.parameters())
        out = features(self, x)
        event = Forward(
            x.detach().clone(), out.detach().clone(), self.training, moves, state, needs
        )
        events.append(("student" if len(state["head.bias"]) == CLASSES else "teacher", event))
        return out

    def watched_forward(self, x):
        out = forward(self, x)
        events[-1][1].logits = out.detach().clone()
        return out

    def watched_generate(self, z, y):
        out = generate(self, z, y)
        needs = any(p.requires_grad for p in self.parameters())
        parts = (t.detach().clone() for t in (z, y, out))
        events.append(("generator", Made(*parts, needs)))
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classifier, "features", watched_features)
        patch.setattr(Classifier, "forward", watched_forward)
        patch.setattr(FrozenGenerator, "forward", watched_generate)
        patch.setattr("os.fsync", lambda _: None)  # a third of the time where a disk is busy
        yield events


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


def _read(image: Tensor) -> tuple[int, int] | None:
    """Data set and row of an image [3, S, S] in bytes; padding is black."""
    code, dataset, place = image[:, image.any(dim=0)]
    known = dataset.numel() and dataset[0].item() in (TARGET, FOUNDATION)
    if not known or (code != code[0]).any() or (dataset != dataset[0]).any():
        return None
    if not ((place == CENTRE) | (place == EDGE)).all():
        return None
    count = {TARGET: POOL + TEST + TAIL, FOUNDATION: FOUNDATION_POOL + FOUNDATION_REST}
    which = dataset[0].item()
    return which, code[0].item() * pow(MIX, -1, count[which]) % count[which]


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
