"""Small stand-ins that several tests share: smooth, fast, with the package's interfaces."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpssl.config.method import Converter, Lmo, Mapper
from mpssl.config.training import Augmentation, RandAugment, Training, Views
from mpssl.data.batches import Batches, batches_of
from mpssl.data.store import Packed
from mpssl.models.classifier import Classifier
from mpssl.training.objectives import build_objective
from mpssl.training.objectives.base import Objective
from mpssl.training.parts import Parts
from mpssl.training.rng import Streams
from mpssl.training.sources import build_source
from mpssl.training.sources.base import Ingredients, Step
from mpssl.training.train import Task

CPU = torch.device("cpu")
SIDE = 8
CLASSES = 3  # of the target
FOUNDATION_CLASSES = 5
TASK_SIDE = 16  # of the images of `toy_task`, which has a real network
METHODS = [
    ("none", "none", {}),
    ("real", "freematch", {"threshold_momentum": 0.9, "fairness_weight": 0.05}),
    ("uniform", "scr", {}),
    ("pseudo", "fixmatch", {"confidence_threshold": 0.3}),
    ("lmo", "scr", {}),
    ("lmo", "freematch", {"threshold_momentum": 0.9, "fairness_weight": 0.05}),
]

# A labeled batch and the validation images.
BATCH = 6
X = torch.rand(BATCH, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
Y = torch.arange(BATCH) % CLASSES
VALIDATION = torch.rand(10, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
VALIDATION_CLASSES = torch.arange(len(VALIDATION)) % CLASSES


class SmoothClassifier(Classifier):
    """A classifier with batch norm and without kinks."""

    def __init__(self, classes: int = CLASSES) -> None:
        nn.Module.__init__(self)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1, bias=False),
            nn.BatchNorm2d(4),
            nn.Softplus(),
            nn.Conv2d(4, 6, 3, 2, 1, bias=False),
            nn.BatchNorm2d(6),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(6, classes)
        self.register_buffer("mean", torch.tensor(0.5))
        self.register_buffer("std", torch.tensor(0.25))


class SmoothGenerator(nn.Module):
    """G(z, y), smooth in both; remembers every (z, y) that it was called with."""

    def __init__(
        self, z_dim: int = 4, classes: int = FOUNDATION_CLASSES, seed: int = 0, side: int = SIDE
    ) -> None:
        super().__init__()
        self.z_dim, self.classes, self.side = z_dim, classes, side
        weight = torch.randn(
            z_dim + classes, 3 * side * side, generator=torch.Generator().manual_seed(seed)
        )
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()), requires_grad=False)
        self.calls: list[tuple[Tensor, Tensor]] = []

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        self.calls.append((z.detach().clone(), y.detach().clone()))
        return torch.sigmoid(torch.cat([z, y], dim=1) @ self.weight).view(
            -1, 3, self.side, self.side
        )


class ToyBatches(Batches):
    """Images [N, 3, S, S] and their classes [N], as they are."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        super().__init__(labels, images.shape[-1])
        self.images = images

    def whole(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[rows], self.labels[rows]


class Flip(nn.Module):
    """A deterministic weak view."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(3)


class Darken(nn.Module):
    """A deterministic, smooth strong view: darker, and shifted by a pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return (x**2).roll(1, dims=2)


def labeled_gradient(model: Classifier, x: Tensor, y: Tensor) -> list[Tensor]:
    """The gradient of the labeled loss, which leaves the running statistics."""
    with model.statistics_frozen():
        return list(torch.autograd.grad(F.cross_entropy(model(x), y), model.trained))


def make_ingredients(seed: int = 0, **changes) -> Ingredients:
    """What a source of the toy run needs; `changes` replace or add."""
    defaults = {
        "classes": CLASSES,
        "device": CPU,
        "streams": Streams(seed, CPU),
        "ratio": 1,
        "generator": SmoothGenerator(),
    }
    return Ingredients(**defaults | changes)


def make_objective(name: str, classes: int, options: dict) -> Objective:
    """An objective whose two views are one batch, unless `options` say otherwise."""
    return build_objective(name, classes, {"views": "joint"} | options)


def make_step(model: Classifier, objective, x: Tensor, y: Tensor, **changes) -> Step:
    """A training step of the toy run; `changes` replace."""
    defaults = {
        "weak": Flip(),
        "strong": Darken(),
        "labeled_gradient": labeled_gradient(model, x, y),
        "learning_rate": 0.1,
        "lambda_": 1.0,
        "number": 0,
    }
    return Step(model=model, objective=objective, x=x, y=y, **defaults | changes)


def make_lmo(ratio=1, seed=0, validation=None, **settings):
    """Latent meta-optimization on the toys; `settings` replace."""
    defaults = {
        "mapper_learning_rate": 1e-2,
        "converter_learning_rate": 1e-1,
        "validation_batch_size": 4,
        "record_every": 1,
        "mapper": Mapper(hidden=8, embedding=3),
        "converter": Converter(temperature=1),
    }
    return build_source(
        "lmo",
        make_ingredients(
            seed,
            ratio=ratio,
            lmo=Lmo(**defaults | settings),
            validation=validation or ToyBatches(VALIDATION, VALIDATION_CLASSES),
        ),
    )


def toy_task(source="none", objective="none", options=None, *, seed=0, **training) -> Task:
    """A run of a few steps on random images; `training` replaces settings."""
    torch.manual_seed(1)
    images = torch.randint(0, 256, (60, TASK_SIDE, TASK_SIDE, 3), dtype=torch.uint8).numpy()
    labels = (torch.arange(60) % CLASSES).numpy()
    packed = Packed(images, labels, list("abc"), pool=60, digest="toy")
    streams = Streams(seed, CPU)
    normalization = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    with streams.use("initial_weights"):
        model = Classifier("resnet8", CLASSES, *normalization)
    torch.manual_seed(3)
    foundation_classifier = Classifier("resnet8", FOUNDATION_CLASSES, *normalization).eval()
    validation = batches_of(packed, range(20, 36), TASK_SIDE, CPU)
    unlabeled = batches_of(packed, range(36, 60), TASK_SIDE, CPU)
    lmo = Lmo(mapper_learning_rate=1e-2, converter_learning_rate=1e-2, record_every=2)
    ingredients = Ingredients(
        classes=CLASSES,
        device=CPU,
        streams=streams,
        ratio=1,
        generator=SmoothGenerator(side=TASK_SIDE),
        foundation_classifier=foundation_classifier,
        unlabeled=unlabeled,
        validation=validation,
        lmo=lmo,
    )
    plain = Views(crop="padded", padding=2, flip=False)
    strong = plain.model_copy(
        update={"randaugment": RandAugment(n=1, m=10, operations=["rotate", "contrast"])}
    )
    defaults = {"epochs": 4, "steps_per_epoch": 2, "batch_size": 6, "image_size": TASK_SIDE}
    return Task(
        training=Training(**defaults | training),
        augmentation=Augmentation(labeled=plain, weak=plain, strong=strong),
        model=model,
        space=model,
        source=build_source(source, ingredients),
        objective=make_objective(objective, CLASSES, options or {})
        if objective != "none"
        else None,
        lambda_=0.5,
        steps_factor=1,
        labeled=batches_of(packed, range(20), TASK_SIDE, CPU),
        validation=validation,
        streams=streams,
        identity={"method": source + objective, "seed": seed},
        parts=Parts(model, None, 6, 6),
    )
