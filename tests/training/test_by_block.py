"""A step in parts is the whole step: every loss and gradient in float64, and its random numbers."""

from threading import Thread

import pytest
import torch
from torch import nn

from benchmarks import gpu_check
from mpssl.models.classifier import Classifier
from mpssl.models.generator import FrozenGenerator
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.plan import Plan
from mpssl.training.by_block import pass_by_block
from mpssl.training.second_order import SecondOrder
from mpssl.training.train import Loop
from tests.support.toys import METHODS, SmoothGenerator, toy_task

CPU, DOUBLE = torch.device("cpu"), torch.float64
# One row for each pair of source and objective of Table 1, and those that differ in their passes.
ROWS = [
    "base/base",
    "control/scr",
    "oracle/uda",
    "oracle/fixmatch",
    "oracle/freematch",
    "generative/naive_gssl",
    "generative/pssl",
    "generative/mpssl",
    "generative/mpssl/loss_freematch",
]


def observed(config, frozen, row, architecture, images_per_pass, **lmo):
    roles = config.roles
    column = Column(roles.datasets["main"][0], roles.fractions["default"][0], architecture)
    training = config.training.model_copy(update={"images_per_pass": images_per_pass})
    settings = config.lmo.model_copy(update=lmo)
    plan = Plan(config.model_copy(update={"training": training, "lmo": settings}))
    return gpu_check.observe(plan, cell_of(row, column), CPU, DOUBLE, frozen)


def assert_same(reference, found):
    assert reference.keys() == found.keys()
    for name, error in gpu_check.errors(reference, found).items():
        assert error < 1e-9, name


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_every_part_size_of_every_method(config, frozen, row):
    batch = config.training.batch_size
    whole = observed(config, frozen, row, "resnet8", batch * 7)
    for part in range(1, batch):
        assert_same(whole, observed(config, frozen, row, "resnet8", part))


@pytest.mark.slow
@pytest.mark.parametrize(
    "lmo", [{"gap_statistics": "running"}, {"balance": "norms"}, {"gap": "mmd"}], ids=str
)
def test_every_form_of_lmo(config, frozen, lmo):
    whole, parts = (
        observed(config, frozen, "generative/mpssl", "resnet8", part, **lmo)
        for part in (config.training.batch_size, 3)
    )
    assert_same(whole, parts)


@pytest.mark.slow
def test_a_network_of_torchvision(config, frozen):
    whole, parts = (
        observed(config, frozen, "generative/mpssl", "resnet18", part)
        for part in (config.training.batch_size, 1)
    )
    assert_same(whole, parts)


@pytest.mark.parametrize("architecture", ["resnet8", "resnet14", "resnet18", "alexnet"])
def test_the_blocks_are_the_network(architecture):
    torch.manual_seed(0)
    model = Classifier(architecture, 3, (0.5,) * 3, (0.25,) * 3).eval()
    x = torch.rand(2, 3, 64, 64)
    blocks = nn.Sequential(*model.blocks)
    assert torch.equal(blocks(x), model.backbone(x))
    assert set(map(id, blocks.parameters())) == set(map(id, model.backbone.parameters()))
    assert (len(model.blocks) > 1) == architecture.startswith("resnet")
    names = Classifier(architecture, 3, (0.5,) * 3, (0.25,) * 3).state_dict().keys()
    assert model.state_dict().keys() == names


def test_only_the_inputs_of_blocks_are_stored():
    model = Classifier("resnet8", 3, (0.5,) * 3, (0.25,) * 3)
    stored = {}
    for passes in (None, pass_by_block):
        model.passes, sizes = passes, {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.setdefault(t.data_ptr(), t) is None or t, lambda t: t
        ):
            model.features(torch.rand(8, 3, 32, 32))
        weights = {p.data_ptr() for p in model.parameters()}
        stored[passes] = sum(t.numel() for key, t in sizes.items() if key not in weights)
    assert stored[pass_by_block] < 0.6 * stored[None]


@pytest.mark.parametrize("frozen_statistics", [False, True])
def test_running_statistics_move_once(frozen_statistics):
    x, moved = torch.rand(6, 3, 16, 16), []
    for passes in (None, pass_by_block):
        torch.manual_seed(0)
        model = Classifier("resnet8", 3, (0.5,) * 3, (0.25,) * 3).train()
        model.passes = passes
        if frozen_statistics:
            with model.statistics_frozen():
                loss = model(x).square().sum()
        else:
            loss = model(x).square().sum()
        loss.backward()
        moved.append(dict(model.named_buffers()))
        assert all(module.training for module in model.modules())
    for name, value in moved[0].items():
        assert torch.equal(moved[1][name], value), name


def test_bf16_stays_bf16_when_a_block_is_computed_again():
    x, gradients = torch.rand(6, 3, 16, 16), []
    for passes in (None, pass_by_block):
        torch.manual_seed(0)
        model = Classifier("resnet8", 3, (0.5,) * 3, (0.25,) * 3).train()
        model.passes, model.precision = passes, "bf16"
        model(x).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for found, expected in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_backward_pass_in_another_thread_is_the_same():
    """On a GPU autograd has threads of its own, which do not know the caller's modes."""
    torch.manual_seed(0)
    model = Classifier("resnet8", 3, (0.5,) * 3, (0.25,) * 3).double().train()
    model.passes = pass_by_block
    x = torch.rand(6, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    parameters = list(model.backbone.parameters())
    directions = [torch.randn_like(p) for p in parameters]
    found = []

    def both_passes(loss):
        gradients = torch.autograd.grad(loss, parameters, create_graph=True)
        (mixed,) = torch.autograd.grad(gradients, x, directions)
        found.append((*(g.detach() for g in gradients), mixed))

    for in_thread in (False, True):
        with model.statistics_frozen(), SecondOrder():
            loss = model.features(x).square().sum()
        if in_thread:
            thread = Thread(target=both_passes, args=(loss,))
            thread.start()
            thread.join()
        else:
            both_passes(loss)
    assert found[0][-1].norm() > 0
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_the_mode_of_second_order_is_known():
    assert not SecondOrder.active()
    with SecondOrder(), SecondOrder():
        assert SecondOrder.active()
    assert not SecondOrder.active()


@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("part", [1, 2, 5])
def test_a_generator_in_parts(part, wanted):
    network = SmoothGenerator()
    inputs = [
        tensor.requires_grad_(w)
        for tensor, w in zip((torch.randn(5, 4), torch.rand(5, 5)), wanted, strict=True)
    ]
    weights = torch.randn(5, 3, 8, 8)
    found = []
    for count in (None, part):
        generator = FrozenGenerator(network, 8)
        generator.images_per_pass = count
        network.calls.clear()
        images = generator(*inputs)
        assert count is None or max(len(z) for z, _ in network.calls) == count
        leaves = [leaf for leaf in inputs if leaf.requires_grad]
        found.append((images, *torch.autograd.grad((weights * images).sum(), leaves)))
        assert images.requires_grad
        with torch.no_grad():
            assert not generator(*inputs).requires_grad
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("source", "objective", "options"), METHODS)
def test_steps_in_parts_train_alike(source, objective, options):
    tasks = [toy_task(source, objective, options) for _ in range(2)]
    tasks[1].model.passes = pass_by_block
    if hasattr(tasks[1].source, "generator"):
        tasks[1].source.generator = FrozenGenerator(tasks[1].source.generator, 16)
        tasks[0].source.generator = FrozenGenerator(tasks[0].source.generator, 16)
        tasks[1].source.generator.images_per_pass = 4
    loops = [Loop(task) for task in tasks]
    for loop in loops:
        for number in range(3):
            loop.step(number, 0.01)
    states = [loop.state_dict() for loop in loops]
    for name, value in states[0]["model"].items():
        torch.testing.assert_close(states[1]["model"][name], value, rtol=1e-3, atol=1e-4)
    for name, stream in states[0]["streams"].items():
        assert all(map(torch.equal, stream, states[1]["streams"][name])), name


# ------------------------------------------------------------------------ memory that runs out


def steps(task, count):
    """Steps of one epoch, as the loop takes them."""
    loop = Loop(task)
    loop.steps = count
    loop.run_epoch()
    return loop


def failing(task, calls):
    """Let some calls of the objective fail, after their random numbers were drawn."""
    inner, made = task.objective.on_views, []

    def on_views(*arguments, **options):
        value = inner(*arguments, **options)
        made.append(True)
        if len(made) in calls:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return value

    task.objective.on_views = on_views


@pytest.mark.parametrize("call", [3, 4])  # under LMO, each is a part of the second step
@pytest.mark.parametrize(("source", "objective", "options"), METHODS[1:])
def test_a_step_that_does_not_fit_is_made_again_in_halves(capsys, source, objective, options, call):
    states = []
    for calls in ((), (call,)):
        task = toy_task(source, objective, options)
        task.parts.may_halve = True
        failing(task, calls)
        states.append(steps(task, 4).state_dict())
        assert task.parts.halved == bool(calls)
        assert task.parts.images_per_pass == (3 if calls else 6)
    assert "memory ran out" in capsys.readouterr().out
    for name, value in states[0]["model"].items():
        torch.testing.assert_close(states[1]["model"][name], value, rtol=1e-3, atol=1e-4)
    for name, stream in states[0]["streams"].items():
        assert all(map(torch.equal, stream, states[1]["streams"][name])), name
    assert torch.equal(states[0]["order"]["order"], states[1]["order"]["order"])


@pytest.mark.parametrize("may_halve", [False, True])
def test_memory_that_goes_on_running_out_ends_the_run(may_halve):
    task = toy_task("uniform", "scr")
    task.parts.may_halve = may_halve
    failing(task, range(100))
    with pytest.raises(torch.OutOfMemoryError):
        steps(task, 2)
    assert task.parts.halved == may_halve
