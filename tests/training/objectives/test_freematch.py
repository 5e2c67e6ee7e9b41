"""FreeMatch (Wang et al., 2023): self-adaptive thresholds, Eqs. (5) to (8); fairness, Eq. (11)."""

import pytest
import torch

from mpssl.training.objectives.freematch import FreeMatch


def logits(*probabilities):
    """Logits whose softmax is the given probabilities."""
    return torch.tensor(probabilities).log()


def freematch(classes=2, *, threshold=None, probability=None, histogram=None, **settings):
    """An objective in a given state, without fairness unless asked."""
    settings = {"threshold_momentum": 0.9, "fairness_weight": 0.0} | settings
    objective = FreeMatch(classes, **settings, views="joint")
    state = {
        "global_threshold": threshold,
        "class_probability": probability,
        "label_histogram": histogram,
    }
    for name, value in state.items():
        if value is not None:
            getattr(objective, name).copy_(torch.tensor(value))
    return objective


def state_of(objective):
    return {name: value.tolist() for name, value in objective.state_dict().items()}


THREE_WEAK = logits([0.9, 0.1], [0.6, 0.4], [0.2, 0.8])
THREE_STRONG = logits([0.5, 0.5], [0.5, 0.5], [0.5, 0.5])


def test_state_starts_at_one_over_k():
    assert state_of(freematch(4)) == {
        "global_threshold": 0.25,
        "class_probability": [0.25] * 4,
        "label_histogram": [0.25] * 4,
    }


def test_state_is_a_moving_average():
    objective = freematch()
    objective(THREE_WEAK, THREE_STRONG, update=True)
    # tau: 0.9 * 0.5 + 0.1 * (0.9 + 0.6 + 0.8) / 3;  p~_0: 0.45 + 0.1 * (0.9 + 0.6 + 0.2) / 3
    # h~_0: 0.45 + 0.1 * 2 / 3
    expected = {
        "global_threshold": 0.526667,
        "class_probability": [0.506667, 0.493333],
        "label_histogram": [0.516667, 0.483333],
    }
    for name, value in expected.items():
        assert getattr(objective, name).tolist() == pytest.approx(value, abs=1e-6)
    objective(THREE_WEAK, THREE_STRONG)  # moves by default; 0.9 * 0.526667 + 0.1 * 0.766667
    assert objective.global_threshold.item() == pytest.approx(0.550667, abs=1e-6)


def test_state_stays_without_update():
    objective = freematch(fairness_weight=0.05)
    before = state_of(objective)
    objective(THREE_WEAK, THREE_STRONG, update=False)
    assert state_of(objective) == before


def test_state_round_trips():
    trained, fresh = freematch(fairness_weight=0.05), freematch(fairness_weight=0.05)
    for _ in range(3):
        trained(THREE_WEAK, THREE_STRONG)
    fresh.load_state_dict(trained.state_dict())
    weak, strong = logits([0.55, 0.45], [0.3, 0.7]), logits([0.3, 0.7], [0.6, 0.4])
    assert trained(weak, strong).item() == fresh(weak, strong).item()
    assert state_of(trained) == state_of(fresh)


def test_threshold_is_tau_times_the_relative_class_probability():
    objective = freematch(3, threshold=0.8, probability=[0.6, 0.3, 0.1])
    # thresholds 0.8 * (1, 1/2, 1/6) = (0.8, 0.4, 0.133)
    weak = logits(
        [0.70, 0.20, 0.10],  # class 0 at 0.70 < 0.8: no
        [0.30, 0.45, 0.25],  # class 1 at 0.45 >= 0.4: yes, -ln 0.25
        [0.20, 0.30, 0.50],  # class 2 at 0.50 >= 0.133: yes, -ln 0.25
        [0.85, 0.10, 0.05],  # class 0 at 0.85 >= 0.8: yes, -ln 0.5
    )
    strong = logits(*[[0.5, 0.25, 0.25]] * 4)
    # (1.386294 + 1.386294 + 0.693147) / 4
    loss = objective(weak, strong, update=False)
    assert loss.item() == pytest.approx(0.866434, abs=1e-5)


def test_state_moves_before_the_mask_is_taken():
    weak, strong = logits([0.9, 0.1], [0.6, 0.4]), logits([0.5, 0.5], [0.5, 0.5])
    # momentum 0: tau = 0.75, the second is masked, ln 2 / 2; at the initial tau = 0.5: ln 2
    moved = freematch(threshold_momentum=0.0)(weak, strong, update=True)
    still = freematch(threshold_momentum=0.0)(weak, strong, update=False)
    assert moved.item() == pytest.approx(0.346574, abs=1e-5)
    assert still.item() == pytest.approx(0.693147, abs=1e-5)


def test_momentum_changes_the_value():
    weak, strong = logits([0.9, 0.1], [0.6, 0.4]), logits([0.5, 0.5], [0.5, 0.5])
    # 0.999: tau = 0.50025, both images count
    slow = freematch(threshold_momentum=0.999)(weak, strong)
    assert slow.item() == pytest.approx(0.693147, abs=1e-5)


FAIR_STATE = {"threshold": 0.7, "probability": [0.6, 0.4], "histogram": [0.75, 0.25]}
# thresholds 0.7 * (1, 2/3): the last image, class 0 at 0.6, is not confident
FAIR_WEAK = logits([0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4])
FAIR_STRONG = logits([0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.01, 0.99])


def fairness(weight):
    """What the fairness term adds to the loss."""
    with_it, without = freematch(**FAIR_STATE, fairness_weight=weight), freematch(**FAIR_STATE)
    losses = [o(FAIR_WEAK, FAIR_STRONG, update=False).item() for o in (with_it, without)]
    return losses[0] - losses[1]


def test_fairness_by_hand():
    # target: (0.6, 0.4) / (0.75, 0.25) = (0.8, 1.6) -> (1/3, 2/3)
    # batch, confident strong views only: p = (1.7, 1.3) / 3, h = (2, 1) / 3
    # p / h = (0.85, 1.3) -> (0.395349, 0.604651)
    # -H = 1/3 ln 0.395349 + 2/3 ln 0.604651 = -0.309329 - 0.335402, added with + weight
    assert fairness(1.0) == pytest.approx(-0.644731, abs=1e-5)
    assert fairness(0.05) == pytest.approx(0.05 * -0.644731, abs=1e-5)


def test_minimizing_raises_the_cross_entropy_of_eq_11():
    """The sign of the paper and of its code: down the gradient, -H falls."""
    strong = FAIR_STRONG.clone().requires_grad_()
    objective = freematch(**FAIR_STATE, fairness_weight=1.0)
    plain = freematch(**FAIR_STATE)

    def term(strong):
        losses = [o(FAIR_WEAK, strong, update=False) for o in (objective, plain)]
        return losses[0] - losses[1]

    (gradient,) = torch.autograd.grad(term(strong), strong)
    # d(-H)/dp_0 ~ (1/3) / 0.395349 - ... : class 0 is above its target, so p_0 is pushed further up
    assert gradient[0, 0] < 0 < gradient[0, 1]
    assert not gradient[3].any()  # not confident
    assert term(strong - 0.1 * gradient).item() < -0.644731


def test_gradient_of_the_weak_view_is_zero_with_fairness():
    weak, strong = FAIR_WEAK.clone().requires_grad_(), FAIR_STRONG.clone().requires_grad_()
    loss = freematch(**FAIR_STATE, fairness_weight=1.0)(weak, strong)
    gradient = torch.autograd.grad(loss, [weak, strong], allow_unused=True)
    assert gradient[0] is None or not gradient[0].any()
    assert gradient[1].any()


def test_nothing_confident_is_exactly_zero():
    objective = freematch(threshold=1.0, probability=[0.5, 0.5], fairness_weight=1.0)
    strong = FAIR_STRONG.clone().requires_grad_()
    loss = objective(FAIR_WEAK, strong, update=False)
    loss.backward()
    assert loss.item() == 0
    assert not strong.grad.any()


def test_one_predicted_class_stays_finite():
    """Class 1 never occurs: p~_1 and h~_1 are 0, and no strong view is of it."""
    objective = freematch(probability=[1.0, 0.0], histogram=[1.0, 0.0], fairness_weight=1.0)
    strong = logits([0.9, 0.1], [0.8, 0.2]).requires_grad_()
    loss = objective(logits([0.9, 0.1], [0.7, 0.3]), strong, update=False)
    loss.backward()
    # target = batch = (1, 0): the term is ln 1 = 0, the rest (-ln 0.9 - ln 0.8) / 2
    assert loss.item() == pytest.approx(0.164252, abs=1e-5)
    assert strong.grad.isfinite().all()
