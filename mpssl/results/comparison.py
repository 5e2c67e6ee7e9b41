"""How much one cell's measure is above another's, paired by seed, and how surely."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from mpssl.common.errors import UserError
from mpssl.results.predictions import correct
from mpssl.results.records import Records
from mpssl.runs.record import RunRecord

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, with Student's t for its uncertainty.

    `error` and `degrees` are the standard error and its degrees of freedom: over seeds and test
    images for test accuracy, over seeds for any other measure. NaN if there are fewer than two
    seeds.
    """

    effect: float
    """Mean difference, in units of the measure: points of accuracy."""
    error: float
    degrees: float
    seeds_error: float
    """Standard error over the seeds alone, for these test images."""
    seeds: int
    images: int
    """Test images that were compared; 0 for a measure that is not of single images."""

    @property
    def low(self) -> float:
        """Lower end of the two-sided 95 % interval."""
        return self.bound(-1, (1 - CONFIDENCE) / 2)

    @property
    def high(self) -> float:
        """Upper end of the two-sided 95 % interval."""
        return self.bound(1, (1 - CONFIDENCE) / 2)

    @property
    def seeds_low(self) -> float:
        """Lower end of the 95 % interval that covers the seeds alone."""
        return self.effect - self._seeds_half

    @property
    def seeds_high(self) -> float:
        """Upper end of the 95 % interval that covers the seeds alone."""
        return self.effect + self._seeds_half

    def bound(self, side: int, level: float) -> float:
        """The bound that the true difference passes on one side (-1 or 1) with chance `level`."""
        return float(self.effect + side * student.isf(level, self.degrees) * self.error)

    def p_above(self, margin: float = 0) -> float:
        """The one-sided p-value for a true difference above `margin`."""
        return self._p(self.effect - margin)

    def p_below(self, margin: float = 0) -> float:
        """The one-sided p-value for a true difference below `margin`."""
        return self._p(margin - self.effect)

    def _p(self, distance: float) -> float:
        if self.error == 0:
            return 0.0 if distance > 0 else 1.0
        return float(student.sf(distance / self.error, self.degrees))

    @property
    def _seeds_half(self) -> float:
        return float(student.isf((1 - CONFIDENCE) / 2, self.seeds - 1) * self.seeds_error)


def compare(
    records: Records, ours: list[RunRecord], others: list[RunRecord], measure: str = "test_accuracy"
) -> Difference:
    """`measure` of our runs minus that of other runs, paired by seed.

    Test accuracy is compared image by image. A seed of which one run won a search for lambda is
    left out: that run's accuracy is the highest of the grid.

    Raises:
        UserError: the runs do not have the same seeds or the same test images, or their
            predictions are missing or damaged.
        ValueError: a run does not have the measure.
    """
    for a, b in zip(ours, others, strict=False):
        _refuse_other_tests(a, b)
    if [a.run.seed for a in ours] != [b.run.seed for b in others]:
        raise UserError(
            f"{_name(ours)} and {_name(others)} cannot be compared: they have other seeds"
        )
    pairs = [
        pair
        for pair in zip(ours, others, strict=True)
        if not any(records.won_search(record) for record in pair)
    ]
    if measure == "test_accuracy" and pairs:
        of = records.experiment
        return two_way(
            np.stack([100.0 * correct(of, a) - 100.0 * correct(of, b) for a, b in pairs])
        )
    values = [(a.measure(measure), b.measure(measure)) for a, b in pairs]
    if any(value is None for pair in values for value in pair):
        raise ValueError(f"no {measure} was recorded")
    return over_seeds([a - b for a, b in values])


def over_seeds(differences: list[float]) -> Difference:
    """The mean of one difference for each seed; NaN for its error if there are fewer than two."""
    seeds = len(differences)
    effect = float(np.mean(differences)) if seeds else np.nan
    error = float(np.std(differences, ddof=1)) / seeds**0.5 if seeds > 1 else np.nan
    return Difference(effect, error, seeds - 1, error, seeds, 0)


def two_way(differences: np.ndarray) -> Difference:
    """The mean over seeds and test images, both of them random, of differences [seeds, images].

    Its interval covers another training and another test set: see `variance`.
    """
    seeds, images = differences.shape
    effect = float(differences.mean())
    if seeds < 2 or images < 2:
        return Difference(effect, np.nan, np.nan, np.nan, seeds, images)
    error = float(np.std(differences.mean(axis=1), ddof=1)) / seeds**0.5
    squared, degrees = variance(differences)
    return Difference(effect, float(squared) ** 0.5, float(degrees), error, seeds, images)


def variance(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The variance of the mean of differences [..., S, N] over seeds and images.

    The two-way random effects model D[s, i] = mean + seed + image + residual gives the mean squares
    of seeds, images and residual, and the variance is

        (MS_seeds + max(0, MS_images - MS_residual)) / (S N),

    with Satterthwaite's degrees of freedom. MS_seeds is not taken below MS_residual, its
    expectation if seeds do not differ: with few seeds and images the seeds' means tie by chance,
    and the interval would have no width. In simulations (tests/results/test_comparison.py) its 95 %
    interval covers 94 to 98 % with 5 seeds. The 95 % interval of a bootstrap over seeds and images
    covers 86 % with 5 seeds if most of the variance is between seeds, and 99 % if most of it is
    residual, which the bootstrap counts three times.

    Returns:
        Variance [...] and its degrees of freedom [...].
    """
    s, n = differences.shape[-2:]
    mean = differences.mean(axis=(-2, -1))
    by_seed, by_image = differences.mean(axis=-1), differences.mean(axis=-2)
    df_seeds, df_images, df_residual = s - 1, n - 1, (s - 1) * (n - 1)
    seeds = n * by_seed.var(axis=-1, ddof=1)
    images = s * by_image.var(axis=-1, ddof=1)
    squares = np.square(differences - mean[..., None, None]).sum(axis=(-2, -1))
    residual = np.maximum(squares - df_seeds * seeds - df_images * images, 0) / df_residual
    df_seeds = np.where(seeds < residual, df_residual, df_seeds)
    seeds, images = np.maximum(seeds, residual), np.maximum(images - residual, 0)
    total = seeds + images
    spread = seeds**2 / df_seeds + images**2 / df_images
    constant = spread == 0
    degrees = np.where(constant, s - 1, total**2 / np.where(constant, 1, spread))
    return total / (s * n), degrees


def _refuse_other_tests(a: RunRecord, b: RunRecord) -> None:
    if a.digests.data != b.digests.data:
        raise UserError(
            f"{a.run.id} and {b.run.id} cannot be compared: they were tested on other images"
        )


def _name(records: list[RunRecord]) -> str:
    return records[0].run.cell.id if records else "no runs"
