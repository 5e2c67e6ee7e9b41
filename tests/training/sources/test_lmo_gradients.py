"""The gradients of latent meta-optimization: balance, estimators, and the gap that they are of."""

import copy

import pytest
import torch

from mpssl.config.method import Converter
from mpssl.training.gap import GAPS
from tests.support.toy_lmo import (
    FREEMATCH,
    SCORE,
    TERMS,
    a_step,
    all_equal,
    gap_of,
)
from tests.support.toys import (
    CLASSES,
    FOUNDATION_CLASSES,
    X,
    Y,
    make_lmo,
)

# ------------------------------------------------------------------------- balance and estimators


def gradients_of(objective=("scr", {}), number=0, lambda_=1.0, **settings):
    """The gradient at phi and at xi of one step, flat, on the same draws."""
    source = make_lmo(**settings)
    torch.nn.init.normal_(source.mapper.mlp[-1].weight, generator=torch.Generator().manual_seed(0))
    source.learn(
        a_step(objective=objective, number=number, lambda_=lambda_), source._new_draw(X, Y)
    )
    return {
        part: torch.cat([p.grad.flatten() for p in network.parameters()])
        for part, network in (("phi", source.mapper), ("xi", source.converter))
    }


@pytest.mark.parametrize("converter", [Converter(temperature=1), SCORE], ids=["through", "score"])
@pytest.mark.parametrize("number", [0, 1])  # with and without a record of the norms
def test_balanced_terms_have_equal_norms_at_phi_and_at_xi(converter, number):
    settings = {"converter": converter, "record_every": 2}
    terms = [gradients_of(**{f"{other}_weight": 0}, **settings) for other in TERMS]
    balanced = gradients_of(balance="norms", number=number, gap_weight=7, **settings)
    for part, found in balanced.items():
        expected = sum(term[part] / term[part].norm() for term in terms)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_term_without_gradient_leaves_the_other_alone():
    alone = gradients_of(validation_weight=0)
    balanced = gradients_of(balance="norms", lambda_=0.0)
    for part, found in balanced.items():
        torch.testing.assert_close(found, alone[part] / alone[part].norm(), rtol=1e-4, atol=1e-6)


def test_recorded_norms_are_those_before_the_balance():
    records = [make_lmo(balance=b).for_step(a_step()).record for b in ("none", "norms")]
    assert records[0] == records[1]


@pytest.mark.parametrize("objective", [("scr", {}), FREEMATCH], ids=["scr", "freematch"])
@pytest.mark.parametrize("term", TERMS)
def test_score_function_changes_the_gradient_at_xi_alone(objective, term):
    (other,) = set(TERMS) - {term}
    settings = {"objective": objective, f"{other}_weight": 0}
    through = gradients_of(converter=Converter(temperature=1), **settings)
    score = gradients_of(converter=SCORE, **settings)
    torch.testing.assert_close(score["phi"], through["phi"], rtol=1e-4, atol=1e-7)
    assert score["xi"].norm() > 0
    assert not torch.allclose(score["xi"], through["xi"], rtol=0.1)


@pytest.mark.parametrize("ratio", [1, 2])
def test_score_function_of_the_gap_by_hand(ratio):
    source = make_lmo(ratio, converter=SCORE, validation_weight=0, gap_weight=3)
    step, draw = a_step(), source._new_draw(X, Y)
    source.learn(step, draw)
    with torch.no_grad():
        real, synthetic = source._paired_features(step.model, X, draw.images)
        distance = (real - synthetic).square().sum(dim=1)
    labels, count = source.generator.calls[0][1], len(distance)
    others = (distance.sum() - distance) / (count - 1)
    error = labels - 1 / FOUNDATION_CLASSES  # the rows are uniform at the start
    by_hand = torch.zeros(CLASSES, FOUNDATION_CLASSES)
    by_hand.index_add_(0, draw.y, 3 * ((distance - others) / count)[:, None] * error)
    torch.testing.assert_close(source.converter.logits.grad, by_hand, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------------------- gap


@pytest.mark.parametrize("gap", GAPS)
def test_joint_batch_norm_sees_a_shift_that_separate_forwards_hide(gap):
    source, step = make_lmo(gap=gap), a_step()
    darker = 0.3 * X + 0.1  # another brightness and contrast, nothing else
    with step.model.statistics_frozen(), torch.no_grad():
        separate = GAPS[gap](step.model.features(X), step.model.features(darker))
        same, joint = gap_of(source, step.model, X, X), gap_of(source, step.model, X, darker)
    assert same.abs() < 1e-5
    assert joint > 5 * separate.abs()


def test_running_statistics_are_used_where_they_are_asked_for():
    source, step = make_lmo(gap_statistics="running"), a_step()
    step.model.train()(X)  # statistics of their own
    synthetic = X.flip(0) ** 2
    state = copy.deepcopy(step.model.state_dict())
    with torch.no_grad():
        gap = gap_of(source, step.model, X, synthetic)
        step.model.eval()
        expected = (step.model.features(X) - step.model.features(synthetic)).square()
    assert gap.item() == pytest.approx(expected.sum(dim=1).mean().item(), rel=1e-5)
    assert all_equal(step.model.state_dict().values(), state.values())


def test_gap_pairs_an_image_with_each_of_its_synthetic_ones():
    source, step = make_lmo(ratio=2), a_step()
    with torch.no_grad():
        assert gap_of(source, step.model, X, torch.cat([X, X])).abs() < 1e-6
        assert gap_of(source, step.model, X, torch.cat([X, X.flip(0)])) > 1e-3
