"""Latent meta-optimization: what a step moves, what it leaves, what it goes on from."""

import copy

import pytest
import torch

from mpssl.config.method import Converter
from tests.support.toy_lmo import (
    FREEMATCH,
    SCORE,
    TERMS,
    a_step,
    all_equal,
    learned,
    make_model,
)
from tests.support.toys import (
    VALIDATION,
    VALIDATION_CLASSES,
    ToyBatches,
    X,
    Y,
    make_lmo,
)

# -------------------------------------------------------------------------------------- the step


@pytest.mark.parametrize("ratio", [1, 2])
def test_sample_makes_the_same_draw_under_the_updated_parameters(ratio):
    source = make_lmo(ratio)
    draw = source._new_draw(X, Y)
    source._new_draw = lambda x, y: draw
    source.for_step(a_step())
    z, y, noise = draw.z, draw.y, draw.noise
    assert torch.equal(y, Y.repeat(ratio))
    (z_before, y_before), (z_after, y_after) = source.generator.calls
    assert torch.equal(z_before, z)  # the residual mapper starts as the identity
    with torch.no_grad():
        assert torch.equal(z_after, source.mapper(z, y))
        assert torch.equal(y_after, source.converter(y, noise))
    assert not torch.equal(z_after, z_before)


def test_second_sample_is_a_new_draw():
    source = make_lmo()
    first = source.for_step(a_step()).pixels
    assert not torch.allclose(source.sample(X, Y), first, atol=1e-3)


@pytest.mark.parametrize(("redraw", "same"), [(False, True), (True, False)])
def test_noise_is_kept_unless_it_is_redrawn(redraw, same):
    # Learning rates so small that the labels can change by the noise alone.
    source = make_lmo(
        converter=Converter(temperature=1, redraw_noise=redraw),
        mapper_learning_rate=1e-12,
        converter_learning_rate=1e-12,
    )
    source.for_step(a_step())
    (z_before, y_before), (z_after, y_after) = source.generator.calls
    torch.testing.assert_close(z_after, z_before)
    assert torch.equal(y_after, y_before) is same


@pytest.mark.parametrize("gap_statistics", ["joint", "running"])
@pytest.mark.parametrize("objective", [("scr", {}), FREEMATCH], ids=["scr", "freematch"])
def test_adam_moves_phi_and_xi_only(objective, gap_statistics):
    source, step = make_lmo(gap_statistics=gap_statistics), a_step(objective=objective)
    before = learned(source)
    others = (step.model, step.objective, source.generator)
    frozen = copy.deepcopy([module.state_dict() for module in others])
    source.for_step(step)
    assert not torch.equal(source.converter.logits, before[-1])
    assert not torch.equal(source.mapper.mlp[-1].weight, before[-3])
    for module, state in zip(others, frozen, strict=True):
        assert all_equal(module.state_dict().values(), state.values())
        assert all(p.grad is None for p in module.parameters())
    assert all(m.training for m in step.model.modules())


def test_first_step_of_adam_has_the_size_of_each_learning_rate():
    source = make_lmo(mapper_learning_rate=1e-3, converter_learning_rate=1e-1)
    before = learned(source)
    source.for_step(a_step())
    moved = [(a - b).abs().max().item() for a, b in zip(learned(source), before, strict=True)]
    assert moved[-1] == pytest.approx(1e-1, rel=1e-3)
    assert max(moved[:-1]) == pytest.approx(1e-3, rel=1e-3)


def test_nothing_moves_without_both_terms():
    source = make_lmo(gap_weight=0, validation_weight=0)
    before = learned(source)
    images = source.for_step(a_step())
    assert (images.pixels.shape, images.record) == (X.shape, {})
    assert all_equal(learned(source), before)


@pytest.mark.parametrize("term", TERMS)
def test_one_term_alone_moves_and_is_recorded_alone(term):
    (other,) = set(TERMS) - {term}
    source = make_lmo(**{f"{other}_weight": 0})
    before = learned(source)
    record = source.for_step(a_step()).record
    assert not all_equal(learned(source), before)
    assert f"{term}_gradient_xi" in record
    assert not any(other in key for key in record)


def test_validation_term_is_inert_without_lambda():
    source = make_lmo(gap_weight=0)
    record = source.for_step(a_step(lambda_=0.0)).record
    assert record["validation_gradient_phi"] == record["validation_gradient_xi"] == 0


def test_record_of_both_terms_at_phi_and_xi():
    source = make_lmo(record_every=2)
    record = source.for_step(a_step(number=4)).record
    norms = {f"{term}_gradient_{part}" for term in TERMS for part in ("phi", "xi")}
    assert set(record) == norms | {"meta_validation_loss", "gap"}
    assert all(value > 0 for value in record.values())
    assert set(source.for_step(a_step(number=5)).record) == {"meta_validation_loss", "gap"}


def test_weights_scale_the_recorded_gradients():
    once = make_lmo(validation_weight=1, gap_weight=1).for_step(a_step()).record
    more = make_lmo(validation_weight=3, gap_weight=5).for_step(a_step()).record
    for part in ("phi", "xi"):
        for term, factor in zip(TERMS, (3, 5), strict=True):
            name = f"{term}_gradient_{part}"
            assert more[name].item() == pytest.approx(factor * once[name].item(), rel=1e-4)
    assert more["gap"] == once["gap"]


class Recorded(ToyBatches):
    """D_val, with the rows that were asked for."""

    def __init__(self):
        super().__init__(VALIDATION, VALIDATION_CLASSES)
        self.seen = []

    def whole(self, rows):
        self.seen.append(rows)
        return super().whole(rows)


def test_validation_batches_cover_d_val():
    validation = Recorded()
    source = make_lmo(validation=validation, validation_batch_size=5)
    for _ in range(2):
        source.for_step(a_step())
    assert torch.cat(validation.seen).sort().values.tolist() == list(range(len(VALIDATION)))


def test_validation_batch_is_at_most_d_val():
    validation = Recorded()
    source = make_lmo(validation=validation, validation_batch_size=64)
    source.for_step(a_step())
    assert validation.seen[0].sort().values.tolist() == list(range(len(VALIDATION)))


# -------------------------------------------------------------------------------- approximations


def run_steps(source, model, numbers):
    images = []
    for number in numbers:
        images.append(source.for_step(a_step(model, number=number))[0])
    return images


def test_reused_samples_are_those_before_the_update():
    source = make_lmo(exact=False, reuse_samples=True)
    before = copy.deepcopy(source)
    images = run_steps(source, make_model(), [0])[0]
    assert len(source.generator.calls) == 1
    assert not images.requires_grad
    z, y = source.generator.calls[0]
    assert torch.equal(images, before.generator(z, y))
    assert not all_equal(learned(source), learned(before))


def test_carried_samples_serve_the_next_step_too():
    source, model = make_lmo(exact=False, carry_samples=True), make_model()
    first = run_steps(source, model, [0])[0]
    assert len(source.generator.calls) == 2
    moved = learned(source)
    with torch.no_grad():
        assert torch.equal(first, source._generate(source._carried))  # under the updated phi, xi
    source.generator.calls.clear()
    seen = []
    inner = source._paired_features
    source._paired_features = lambda model, x, images: (
        seen.append((x, images)) or inner(model, x, images)
    )
    second = run_steps(source, model, [1])[0]
    assert len(source.generator.calls) == 1
    assert seen[0][0] is X
    assert torch.equal(seen[0][1], first)
    assert not torch.equal(second, first)
    assert not all_equal(learned(source), moved)


def test_adapts_every_so_many_steps():
    source, model = make_lmo(exact=False, adapt_every=3), make_model()
    states = [learned(source)]
    for number in range(4):
        run_steps(source, model, [number])
        states.append(learned(source))
    moved = [not all_equal(a, b) for a, b in zip(states, states[1:], strict=False)]
    assert moved == [True, False, False, True]


# ----------------------------------------------------------------------------------------- state


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"exact": False, "carry_samples": True},
        {"balance": "norms", "converter": SCORE},
        {"exact": False, "carry_samples": True, "converter": SCORE},
    ],
)
def test_continues_bit_for_bit_from_its_state(changes):
    source, resumed = make_lmo(**changes), make_lmo(seed=9, **changes)
    model, images = make_model(), []
    for number in range(2):
        source.for_step(a_step(model, number=number))
    resumed.load_state_dict(copy.deepcopy(source.state_dict()))
    resumed.streams.load_state_dict(copy.deepcopy(source.streams.state_dict()))
    for each in (source, resumed):
        made = [each.for_step(a_step(model, number=number)) for number in (2, 3, 4)]
        images.append((made[-1].pixels, *made[-1].record.values(), *learned(each)))
    assert all_equal(*images)
