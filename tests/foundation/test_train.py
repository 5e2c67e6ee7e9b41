"""Training the embedded foundation: the generator that is saved is the one that was trained."""

import numpy as np
import pytest
import torch

from mpssl.config.foundation import TrainedClassifier
from mpssl.config.generators import TrainedGenerator
from mpssl.foundation.train import train_foundation_classifier, train_generator
from mpssl.models import generator
from mpssl.models.classifier import Classifier

SETTINGS = TrainedGenerator(
    kind="trained",
    steps=3,
    z_dim=8,
    channel_width=4,
    layers=[(True, 16, 8), (True, 8, 4), (True, 4, 2), (False, 2, 1)],
    helper_width=8,
    batch_size=8,
    learning_rate=2e-3,
    warmup_steps=2,
    kl_weight=1.0,
    adversarial_weight=0.02,
    class_weight=0.02,
    averaging=0.5,
    seed=0,
)


@pytest.fixture(scope="module")
def data():
    """Three classes of bright bars at different heights."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 40, (60, 32, 32, 1)).repeat(3, axis=3)
    for image, label in zip(images, labels, strict=True):
        image[4 + 8 * label : 10 + 8 * label] += 200
    return images.astype(np.uint8), labels


def one_hot(classes):
    return torch.nn.functional.one_hot(torch.tensor(classes), 3).float()


@pytest.mark.slow
def test_the_saved_generator_gives_the_same_images(data, tmp_path):
    network = train_generator(SETTINGS, *data, num_classes=3)
    again = train_generator(SETTINGS, *data, num_classes=3)
    generator.save(network, tmp_path)
    loaded = generator.load(tmp_path, image_size=32, truncation=1.0)
    z = torch.randn(3, 8)
    expected = (network(z, one_hot([0, 1, 2]), 1.0) + 1) / 2
    torch.testing.assert_close(loaded(z, one_hot([0, 1, 2])), expected, rtol=0, atol=1e-6)
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.slow
def test_training_learns_the_classes(data):
    losses = []
    network = train_generator(
        SETTINGS.model_copy(update={"steps": 60}),
        *data,
        num_classes=3,
        progress=lambda _, values: losses.append(values["generator"]),
    )
    assert len(losses) == 60
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    images = network(torch.randn(30, 8), one_hot([0, 1, 2] * 10), 1.0).mean(dim=(1, 3))
    rows = images.view(10, 3, 32).mean(dim=0)  # mean brightness of each row, by class
    bars = torch.stack([rows[:, 4 + 8 * k : 10 + 8 * k].mean(dim=1) for k in range(3)], dim=1)
    assert bars.argmax(dim=1).tolist() == [0, 1, 2]


def test_divergence_is_an_error(data):
    settings = SETTINGS.model_copy(update={"steps": 20, "learning_rate": 1e30})
    with pytest.raises(RuntimeError, match="step"):
        train_generator(settings, *data, num_classes=3)


def test_layers_must_fit_the_images(data):
    with pytest.raises(ValueError, match="side"):
        train_generator(SETTINGS, data[0][:, :16, :16], data[1], num_classes=3)


def test_the_foundation_classifier_learns(data):
    torch.manual_seed(0)
    model = Classifier("resnet8", 3, (0.5,) * 3, (0.5,) * 3)
    settings = TrainedClassifier(
        kind="trained",
        steps=30,
        batch_size=16,
        learning_rate=0.05,
        weight_decay=0.0,
        held_out=0.2,
    )
    accuracy = train_foundation_classifier(settings, model, *data)
    assert accuracy > 0.9
    assert not model.training
