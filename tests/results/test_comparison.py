"""Paired differences: by hand, and how often their intervals cover the truth."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from mpssl.common.errors import UserError
from mpssl.config.reading import resolve
from mpssl.plan.cells import SELECTED, Run, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.results.comparison import Difference, compare, errors, over_seeds, two_way
from mpssl.results.records import Records
from tests.support.records import record_of, write_predicted


def test_over_seeds_by_hand():
    # mean 2, sample std 1, standard error 1 / sqrt(3) = 0.57735; t(0.975, 2 df) = 4.302653
    found = over_seeds([1.0, 2.0, 3.0])
    assert found.low == found.seeds_low == pytest.approx(2 - 4.302653 * 0.577350, abs=1e-5)
    assert found.high == found.seeds_high == pytest.approx(2 + 4.302653 * 0.577350, abs=1e-5)
    # t = 2 / 0.57735 = 3.4641; one-sided p with 2 df: 1/2 - t / (2 sqrt(2 + t^2)) = 0.037090
    assert found.p_above() == pytest.approx(0.037090, abs=1e-5)
    assert found.p_below() == pytest.approx(1 - 0.037090, abs=1e-5)
    assert found.p_above(2) == 0.5
    assert found.images == 0


def test_two_way_by_hand():
    d = np.array([[2.0, 4.0, 0.0], [4.0, 10.0, 4.0]])
    # mean 4; seeds' means 2, 6; images' means 3, 7, 2
    # SS: seeds 3 (4 + 4) = 24; images 2 (1 + 9 + 4) = 28; total 4 + 16 + 36 = 56; residual 4
    # MS: 24 / 1, 28 / 2 = 14, 4 / 2 = 2; squared errors 24 / 6 = 4 and (14 - 2) / 6 = 2
    found = two_way(d)
    assert (found.effect, found.seeds, found.images) == (4, 2, 3)
    assert found.seeds_error == pytest.approx(2)
    assert found.images_error == pytest.approx(math.sqrt(2))
    assert found.seeds_high - 4 == pytest.approx(12.706205 * 2, abs=1e-4)
    half = math.hypot(12.706205 * 2, 4.302653 * math.sqrt(2))
    assert (found.low, found.high) == pytest.approx((4 - half, 4 + half), abs=1e-4)


@pytest.mark.parametrize("distance", [0.1, 1, 5, 100])
def test_a_p_value_is_the_level_at_which_the_interval_ends_at_the_margin(distance):
    found = Difference(1.5, 0.4, 0.7, 4, 30)
    for p in (found.p_above(1.5 - distance), found.p_below(1.5 + distance)):
        assert found.half(p) == pytest.approx(distance, rel=1e-6)
    assert found.p_above(1.5 + distance) == pytest.approx(1 - found.p_above(1.5 - distance))
    assert found.p_above(1.5) == pytest.approx(0.5)
    assert found.p_above(found.low) == pytest.approx(0.025)


def test_images_that_do_not_differ_add_nothing_and_seeds_that_tie_leave_the_residual():
    seeds_only = two_way(np.array([[1.0, 1.0], [3.0, 3.0]]))
    assert (seeds_only.seeds_error, seeds_only.images_error) == (1, 0)  # of the means 1, 3
    found = two_way(np.array([[100.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 100.0]]))
    # seeds 0, images 2 * var(50, 0, 0, 50) = 1666.7, residual (15000 - 5000) / 3 = 3333.3
    assert found.seeds_error == pytest.approx(math.sqrt(10000 / 3 / 8))
    assert found.images_error == 0


def test_constant_differences_have_no_width_and_one_seed_has_no_interval():
    same = two_way(np.zeros((3, 20)))
    assert (same.low, same.effect, same.high) == (0, 0, 0)
    assert same.p_above() == same.p_below() == 1
    above = two_way(np.full((3, 20), 100.0))
    assert (above.p_above(), above.p_below()) == (0, 1)
    for found in (two_way(np.eye(4)[:1]), over_seeds([1.0]), over_seeds([])):
        values = (found.low, found.high, found.seeds_low, found.p_above(), found.p_below())
        assert all(map(math.isnan, values)) and not found.known


def differences(rng, shape, accuracies, images, methods, seeds):
    """Differences of correctness of two methods on images of latent difficulty, in percent.

    A method is right if its skill and three normal effects exceed a standard normal: the image's
    difficulty for both methods, its difficulty for this one, and the seed's skill.
    """
    repeats, s, n = shape
    normal = rng.standard_normal
    shared = images * normal((repeats, 1, n), dtype=np.float32)
    scale = math.sqrt(1 + images**2 + methods**2 + seeds**2)
    right = [
        norm.ppf(accuracy) * scale
        + shared
        + methods * normal((repeats, 1, n), dtype=np.float32)
        + seeds * normal((repeats, s, 1), dtype=np.float32)
        + normal(shape, dtype=np.float32)
        > 0
        for accuracy in accuracies
    ]
    return 100 * (right[0].astype(np.float32) - right[1])


REPEATS = {80: 3000, 400: 2000, 2000: 1000}


@pytest.mark.parametrize("seeds", [0, 0.05, 0.2])
@pytest.mark.parametrize("methods", [0.1, 1])
@pytest.mark.parametrize("images", REPEATS)
def test_the_interval_covers_the_truth_as_often_as_it_says(images, methods, seeds):
    rng = np.random.default_rng(7)
    covered, over_seeds_alone = [], []
    for accuracies in ((0.5, 0.5), (0.75, 0.7), (0.93, 0.9)):
        shape = REPEATS[images] // 3, 5, images
        d = differences(rng, shape, accuracies, 1.5, methods, seeds)
        miss = np.abs(d.mean(axis=(1, 2)) - 100 * (accuracies[0] - accuracies[1])) - 1e-4
        of_seeds, of_images = errors(d)
        of_seeds = student.isf(0.025, 4) * of_seeds
        covered += [miss <= np.hypot(of_seeds, student.isf(0.025, images - 1) * of_images)]
        over_seeds_alone += [miss <= of_seeds]
    assert 0.93 <= np.mean(covered) <= 0.97
    if methods == 1 and seeds == 0:  # the case for which the images are in the interval
        assert np.mean(over_seeds_alone) < 0.9


@pytest.mark.parametrize("seeds", [0.05, 0.3, 1])
def test_small_levels_are_kept_too(seeds):
    """Claims are tested at 0.025 divided by the number of comparisons; here with three seeds."""
    rng, level = np.random.default_rng(7), 0.025 / 12
    normal = rng.standard_normal
    d = seeds * normal((20000, 3, 1)) + normal((20000, 1, 40)) + normal((20000, 3, 40))
    of_seeds, of_images = errors(d)
    half = np.hypot(student.isf(level, 2) * of_seeds, student.isf(level, 39) * of_images)
    assert (np.abs(d.mean(axis=(1, 2))) > half).mean() <= 2 * level + 0.0015  # three deviations


def cells(records):
    column = records.plan.columns("table1")[0]
    return [records.of(cell_of(row, column)).records for row in ("generative/mpssl", "base/base")]


def write(experiment, row, right, runs=None, **more):
    plan = experiment.plan
    cell = cell_of(row, plan.columns("table1")[0])
    for run, images in zip(runs or plan.fixed_runs(cell), right, strict=True):
        write_predicted(experiment, run, np.array(images, bool), **more)


BASE = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
OURS = [[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]


def test_cells_are_compared_image_by_image_and_other_measures_seed_by_seed(experiment):
    write(experiment, "base/base", BASE, seconds=2)
    write(experiment, "generative/mpssl", OURS, seconds=5)
    records = Records(experiment, [])
    ours, base = cells(records)
    assert compare(records, ours, base) == two_way(100 * (np.array(OURS) - np.array(BASE)))
    assert compare(records, ours, base, "seconds") == over_seeds([3, 3, 3])
    with pytest.raises(ValueError, match="no sample_distance"):
        compare(records, ours, base, "sample_distance")


def test_other_seeds_and_other_test_images_are_refused(experiment):
    write(experiment, "base/base", BASE)
    write(experiment, "generative/mpssl", OURS)
    records = Records(experiment, [])
    ours, base = cells(records)
    with pytest.raises(UserError, match="cannot be compared: they have other seeds"):
        compare(records, ours[:2], base)
    digests = ours[0].digests.model_copy(update={"data": "other"})
    changed = ours[0].model_copy(update={"digests": digests})
    with pytest.raises(UserError, match="cannot be compared: they were tested on other images"):
        compare(records, [changed, *ours[1:]], base)


def test_the_seed_of_a_searchs_winner_is_left_out(content, experiment):
    search = {"unlabeled_weight": "search", "search_seed": "first"}
    searched = Experiment(resolve(content | search))
    column = searched.plan.columns("table1")[0]
    runs = searched.plan.fixed_runs(cell_of("generative/mpssl", column))
    write(searched, "base/base", BASE)
    write(searched, "generative/mpssl", OURS[1:], runs)
    records = Records(searched, [])
    base = records.of(cell_of("base/base", column)).records
    cell = cell_of("generative/mpssl", column)
    winner = record_of(searched, Run(cell, "0.25", searched.config.seeds[0]), 99)
    ours = [winner, *(record_of(searched, run, 50) for run in runs)]
    assert [run.lambda_ for run in runs] == [SELECTED, SELECTED]
    assert compare(records, ours, base, "seconds").seeds == 2
    assert records.won_search(winner)
    assert not any(map(records.won_search, [*ours[1:], *base]))
