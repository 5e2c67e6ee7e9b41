"""Make the task that is trained from a run's settings and inputs."""

from dataclasses import dataclass

from mpssl.config.run_settings import RunSettings
from mpssl.config.step_memory import StepMemory
from mpssl.data.batches import Batches
from mpssl.machine.memory import free_memory
from mpssl.models.classifier import Classifier, choose_layout
from mpssl.models.generator import FrozenGenerator
from mpssl.training.objectives import build_objective
from mpssl.training.parts import Parts
from mpssl.training.rng import Streams
from mpssl.training.sources import build_source
from mpssl.training.sources.base import Ingredients
from mpssl.training.train import Task


@dataclass
class Inputs:
    """What a run trains on and with; a part that it does not need is None."""

    classes: int
    """K."""
    labeled: Batches
    """D."""
    validation: Batches
    """D_val, or the part of it that chooses the epoch."""
    unlabeled: Batches | None = None
    """D_u, or the foundation's real images."""
    generator: FrozenGenerator | None = None
    """G_F, on the device."""
    foundation_classifier: Classifier | None = None
    """f_F, on the device; training starts from its features if `training.pretrained` says so."""
    class_map: list[list[int]] | None = None
    """The foundation classes of each target class."""
    learning: Batches | None = None
    """The part of D_val that trains phi and xi; the same as `validation` if it is None."""
    memory_share: float = 1
    """Fraction of the device's memory that the run may take, 0 to 1."""


def assemble(
    settings: RunSettings,
    inputs: Inputs,
    *,
    architecture: str,
    lambda_: float,
    streams: Streams,
    identity: dict,
) -> Task:
    """Build model, source and objective of a run.

    Args:
        settings: what the run depends on beside its files.
        inputs: what it trains on and with; all of it is on the same device.
        architecture: name of the classifier's architecture.
        lambda_: weight of the unlabeled loss.
        streams: random streams of the run's seed.
        identity: settings and digests under which a checkpoint must have been made to be resumed.
    """
    training, device = settings.training, inputs.labeled.labels.device
    with streams.use("initial_weights"):
        model = Classifier(architecture, inputs.classes, *training.normalization(architecture)).to(
            device
        )
    foundation_classifier = inputs.foundation_classifier
    space = model
    if training.pretrained and foundation_classifier is not None:
        space = foundation_classifier
        model.backbone.load_state_dict(foundation_classifier.backbone.state_dict())
    for network in (model, foundation_classifier):
        if network is not None:
            choose_layout(network, architecture, device)
    model.precision = training.precision
    if training.train == "head":
        model.freeze_features()
    if inputs.generator is not None and training.generator_precision == "bf16":
        inputs.generator.in_bf16()
    ingredients = Ingredients(
        classes=inputs.classes,
        device=device,
        streams=streams,
        ratio=settings.unlabeled_ratio,
        generator=inputs.generator,
        foundation_classifier=foundation_classifier,
        labeled=inputs.labeled,
        unlabeled=inputs.labeled if settings.source == "labeled" else inputs.unlabeled,
        validation=inputs.validation if inputs.learning is None else inputs.learning,
        foundation_classes=settings.foundation_classes,
        class_map=inputs.class_map,
        lmo=settings.lmo,
    )
    objective = None
    if settings.objective != "none":
        options = settings.objective_options
        objective = build_objective(settings.objective, inputs.classes, options).to(device)
    memory = _step_memory(settings, inputs, architecture)
    part, may_halve = training.images_per_pass, False
    if part == "auto":
        may_halve = device.type == "cuda"
        part = memory.images_per_pass(free_memory(device, inputs.memory_share))
    return Task(
        training=training,
        augmentation=settings.augmentation,
        model=model,
        space=space,
        source=build_source(settings.source, ingredients),
        objective=objective,
        lambda_=lambda_,
        steps_factor=settings.steps_factor,
        labeled=inputs.labeled,
        validation=inputs.validation,
        streams=streams,
        identity=identity,
        parts=Parts(model, inputs.generator, memory.images, part, may_halve, training.compile),
    )


def _step_memory(settings: RunSettings, inputs: Inputs, architecture: str) -> StepMemory:
    """What a step of the run takes on its device."""
    frozen, labeled = inputs.generator, min(settings.training.batch_size, len(inputs.labeled))
    weights = () if frozen is None else frozen.parameters()
    return StepMemory(
        architecture=architecture,
        image_size=settings.training.image_size,
        labeled=labeled,
        unlabeled=settings.unlabeled_ratio * labeled,
        generator_bytes=sum(w.numel() * w.element_size() for w in weights),
        generator_maps=0 if frozen is None else frozen.maps,
        learns=settings.source == "lmo",
    )
