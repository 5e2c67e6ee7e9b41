"""The jobs that train a foundation of our own: the generator and the classifiers."""

from collections.abc import Callable

import torch
from tqdm import tqdm

from mpssl.common.errors import UserError
from mpssl.data import store
from mpssl.foundation.train import train_foundation_classifier, train_generator
from mpssl.machine.cpu import prepare_cpu
from mpssl.models import generator, tensor_file
from mpssl.models.classifier import Classifier
from mpssl.plan.experiment import Experiment


def make_generator(experiment: Experiment, threads: int) -> None:
    """Train the generator and write config.json and model.safetensors.

    Raises:
        UserError: the configuration names another kind, or training diverges.
    """
    config, paths = experiment.config, experiment.paths
    settings = config.foundation.generator
    if settings.kind != "trained":
        raise UserError(f"the generator is of kind {settings.kind}, which is not trained")
    prepare_cpu(threads)
    packed = store.load(paths.packed(config.foundation.dataset))
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
    generator.save(network, paths.generator())


def make_classifier(experiment: Experiment, architecture: str, threads: int) -> None:
    """Train the foundation classifier of one architecture and write its weights.

    Raises:
        UserError: the configuration names another kind, or training diverges.
    """
    config, paths = experiment.config, experiment.paths
    settings = config.foundation.classifier
    if settings.kind != "trained":
        raise UserError(f"the classifier is of kind {settings.kind}, which is not trained")
    prepare_cpu(threads)
    packed = store.load(paths.packed(config.foundation.dataset))
    training = config.training
    torch.manual_seed(settings.seed)
    model = Classifier(architecture, len(packed.classes), *training.normalization(architecture))
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
    tensor_file.save(paths.classifier(architecture), model.state_dict())


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
