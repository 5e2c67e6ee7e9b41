"""From a run's settings and what it has at hand to the task that is trained."""

import torch

from mpssl.config.method import Lmo
from mpssl.config.training import Augmentation, Training
from mpssl.data.batches import Batches
from mpssl.models.classifier import Classifier, choose_layout
from mpssl.models.generator import FrozenGenerator
from mpssl.training.objectives import build_objective
from mpssl.training.rng import Streams
from mpssl.training.sources import build_source
from mpssl.training.sources.base import Ingredients
from mpssl.training.train import Task


def assemble(
    settings: dict,
    *,
    architecture: str,
    classes: int,
    weight: float,
    streams: Streams,
    device: torch.device,
    labeled: Batches,
    validation: Batches,
    unlabeled: Batches | None,
    generator: FrozenGenerator | None,
    foundation_classifier: Classifier | None,
    identity: dict,
) -> Task:
    """Build model, source and objective of a run.

    Args:
        settings: of `Plan.settings`.
        architecture: of the classifier.
        classes: K.
        weight: lambda.
        streams: random streams of the run's seed.
        device: where everything lies.
        labeled: D.
        validation: D_val.
        unlabeled: D_u, or the foundation's real images; None where the source needs none.
        generator: G_F, on the device; None where the source needs none.
        foundation_classifier: f_F, on the device; None where nothing needs it. Training starts
            from its features where `training.pretrained` says so.
        identity: what a checkpoint must have been made under to be resumed.
    """
    training = Training.model_validate(settings["training"])
    with streams.use("initial_weights"):
        model = Classifier(
            architecture, classes, training.normalize_mean, training.normalize_std
        ).to(device)
    if training.pretrained and foundation_classifier is not None:
        model.backbone.load_state_dict(foundation_classifier.backbone.state_dict())
    for network in (model, foundation_classifier):
        if network is not None:
            choose_layout(network, architecture, device)
    model.precision = training.precision
    ingredients = Ingredients(
        classes=classes,
        device=device,
        streams=streams,
        ratio=settings["unlabeled_ratio"],
        generator=generator,
        foundation_classifier=foundation_classifier,
        unlabeled=unlabeled,
        validation=validation,
        lmo=Lmo.model_validate(settings["lmo"]) if settings["lmo"] else None,
    )
    objective = None
    if settings["objective"] != "none":
        options = settings["objective_options"]
        objective = build_objective(settings["objective"], classes, options).to(device)
    return Task(
        training=training,
        augmentation=Augmentation.model_validate(settings["augmentation"]),
        model=model,
        source=build_source(settings["source"], ingredients),
        objective=objective,
        weight=weight,
        labeled=labeled,
        validation=validation,
        streams=streams,
        identity=identity,
    )
