"""The jobs that train a foundation of our own: the generator and the classifiers."""

from collections.abc import Callable

import torch
from tqdm import tqdm

from mpssl.common.errors import UserError
from mpssl.config.experiment import Config
from mpssl.config.foundation import PretrainedClassifier, TrainedGenerator
from mpssl.data import store
from mpssl.foundation.train import train_foundation_classifier, train_generator
from mpssl.machine.cpu import prepare_cpu
from mpssl.models import generator, tensor_file
from mpssl.models.classifier import Classifier
from mpssl.plan.paths import Paths


def make_generator(config: Config, threads: int) -> None:
    """Train the generator and write config.json and model.safetensors.

    Raises:
        UserError: the configuration names a pretrained one, or training diverges.
    """
    settings = config.foundation.generator
    if not isinstance(settings, TrainedGenerator):
        raise UserError(f"the generator is of kind {settings.kind}, which is not trained")
    prepare_cpu(threads)
    packed = store.load(Paths(config).packed(config.foundation.dataset))
    try:
        network = train_generator(
            settings,
            packed.images,
            packed.labels,
            len(packed.classes),
            _progress("generator", settings.steps),
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(f"foundation.generator: {error}") from None
    generator.save(network, Paths(config).generator())


def make_classifier(config: Config, architecture: str, threads: int) -> None:
    """Train the foundation classifier of one architecture and write its weights.

    Raises:
        UserError: the configuration names a pretrained one, or training diverges.
    """
    settings = config.foundation.classifier
    if isinstance(settings, PretrainedClassifier):
        raise UserError(
            f"the classifier in {settings.path} is pretrained; there is nothing to train"
        )
    prepare_cpu(threads)
    packed = store.load(Paths(config).packed(config.foundation.dataset))
    training = config.training
    torch.manual_seed(settings.seed)
    model = Classifier(
        architecture, len(packed.classes), training.normalize_mean, training.normalize_std
    )
    try:
        accuracy = train_foundation_classifier(
            settings,
            model,
            packed.images,
            packed.labels,
            _progress(architecture, settings.steps),
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(f"foundation.classifier: {error}") from None
    print(f"{architecture}: {accuracy:.1%} of the held-out foundation images are right", flush=True)
    tensor_file.save(Paths(config).classifier(architecture), model.state_dict())


def _progress(name: str, steps: int) -> Callable[[int, dict[str, float]], None]:
    """Return a function that shows progress: a bar on a terminal, ten lines in a log."""
    bar = tqdm(total=steps, desc=name, unit="step", disable=None)

    def show(done: int, losses: dict[str, float]) -> None:
        text = "  ".join(f"{key} {value:.3f}" for key, value in losses.items())
        bar.update(done - bar.n)
        bar.set_postfix_str(text)
        if bar.disable and done % max(1, steps // 10) == 0:
            print(f"{name} step {done}/{steps}  {text}", flush=True)

    return show
