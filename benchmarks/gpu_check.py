"""One step of every method on a GPU: does it run, what does it take, does it agree with the CPU?

    python -m benchmarks.gpu_check                            # full size: needs a GPU
    python -m benchmarks.gpu_check --device cpu --size small  # the check itself, on any machine

Full size is config/config.yaml: ResNet-18, 224 x 224, batch 64, and BigGAN-deep-256's architecture
with random weights. Nothing is downloaded.

Agreement is of every loss and gradient of one step, for a smaller batch, with the same weights and
the same random draws, TF32 off, against the CPU in float64:

- in float64 to 1e-6, which no mistake passes;
- in float32 to five times the CPU's own error in float32, or 1e-3 where that is less. Rounding
  turns some ReLUs over, so at full size the CPU's own second-order gradients are off by 10 %
  (docs/performance.md); a fixed tolerance would either fail or see nothing.

Views leave out RandAugment's operations that are not continuous (posterize and the like). With
`--device cpu` the device is the CPU without oneDNN, whose float32 kernels round otherwise.

Exit code: 0 all is well, 1 a value is not finite or disagrees, 2 there is no GPU.
"""

import argparse
import contextlib
import copy
import platform
import sys
import time

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mpssl.config import reading
from mpssl.config.experiment import Config
from mpssl.machine.precision import arithmetic
from mpssl.models.generator import FrozenGenerator
from mpssl.plan.cells import Cell, Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools.calibration import device_name, measure, random_generator, random_task
from mpssl.training.sources.lmo import LatentMetaOptimization
from mpssl.training.train import Loop

EXTRA_ROWS = [  # beside those of Table 1
    "oracle/scr",
    "transfer/freematch",
    "transfer/scr",
    "generative/mpssl/loss_freematch",
]
SMOOTH = ["rotate", "shear_x", "shear_y", "translate_x", "translate_y", "contrast", "brightness"]
# Largest |difference| / |reference|, in the Euclidean norm.
DOUBLE_TOLERANCE = 1e-6
SINGLE_ALLOWANCE, SINGLE_FLOOR = 5, 1e-3  # times the CPU's own float32 error; at least this
CONFIDENT = 100  # times the head's weights, for the thresholds of UDA, FixMatch and FreeMatch
SIZES = {"full": ("config/config.yaml", 4), "small": ("config/mini.yaml", 8)}
TIMED_STEPS = 3


class DrawOnCpu(TorchFunctionMode):
    """Random numbers come from the CPU's generator in float32 and are then moved and cast.

    So devices and precisions see the same.
    """

    MOVED = (torch.rand, torch.randn, torch.randint, torch.randperm)
    REFUSED = (
        *(torch.rand_like, torch.randn_like, torch.randint_like, torch.bernoulli, torch.normal),
        *(torch.multinomial, torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.bernoulli_),
        *(torch.Tensor.exponential_, torch.Tensor.random_, torch.Tensor.multinomial),
    )

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.float:  # pixels: uint8 as a number
            return args[0].to(self.dtype)
        if func in self.MOVED:
            drawn = func(*args, **{k: v for k, v in kwargs.items() if k != "device"})
            dtype = self.dtype if drawn.is_floating_point() else drawn.dtype
            return drawn.to(kwargs.get("device"), dtype)
        if func in self.REFUSED and any(isinstance(a, Tensor) and a.is_cuda for a in args):
            raise RuntimeError(f"{func.__name__} draws on the GPU: the devices would not agree")
        return func(*args, **kwargs)


# ------------------------------------------------------------------------------------ agreement


def observe(
    plan: Plan, cell: Cell, device: torch.device, dtype: torch.dtype, frozen: FrozenGenerator
) -> dict[str, Tensor]:
    """Every loss and gradient of one step, float64 on the CPU; `frozen` is not changed."""
    task = random_task(plan, cell, device, copy.deepcopy(frozen).to(device))
    source, found = task.source, {}
    if task.objective is not None and task.objective.space == "logits":
        with torch.no_grad():
            task.model.head.weight.mul_(CONFIDENT)
    parts = {"theta": task.model}
    if isinstance(source, LatentMetaOptimization):
        parts |= {"phi": source.mapper, "xi": source.converter}
        last = source.mapper.mlp[-1]  # at its 0 the layers before it have no gradient
        with task.streams.use("perturbation"), torch.no_grad():
            last.weight.copy_(0.01 * torch.randn(last.weight.shape))
        inner = source._output_gradients

        def keep(*arguments):
            gradients, record = inner(*arguments)
            found.update({f"{name} gradient at x_u": g[0] for name, g in gradients.items()})
            return gradients, record

        source._output_gradients = keep
    others = [getattr(source, name, None) for name in ("generator", "classifier")]
    for module in (*parts.values(), task.objective, *others):
        if module is not None:
            module.to(dtype)
    with DrawOnCpu(dtype):
        found |= Loop(task).step(0, task.training.learning_rate)
    for name, module in parts.items():
        gradients = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
        found[f"gradient at {name}"] = torch.cat(gradients)
    return {name: value.detach().cpu().double() for name, value in found.items()}


def errors(reference: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, float]:
    """Relative error of every value, in the Euclidean norm; nan where one is not finite."""
    return {
        name: ((found[name] - value).norm() / value.norm()).item()  # 0 / 0 is nan: nothing to see
        for name, value in reference.items()
    }


def smaller(config: Config, batch: int) -> Config:
    """The configuration with a smaller batch and continuous views."""
    strong = config.augmentation.strong
    smooth = strong.randaugment.model_copy(update={"operations": SMOOTH})
    strong = strong.model_copy(update={"randaugment": smooth})
    sizes = {"batch_size": batch, "evaluation_batch_size": batch}
    return config.model_copy(
        update={
            "training": config.training.model_copy(update=sizes),
            "lmo": config.lmo.model_copy(update={"validation_batch_size": batch}),
            "augmentation": config.augmentation.model_copy(update={"strong": strong}),
        }
    )


@contextlib.contextmanager
def exact_float32():
    """No TF32, and the same kernels each time."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    with arithmetic("float32"):
        yield
    torch.backends.cudnn.deterministic = before


def agree(plan: Plan, cell: Cell, device: torch.device, frozen: FrozenGenerator) -> list[str]:
    """What differs between `device` and the CPU beyond the tolerance; `frozen` is on the CPU."""
    cpu, single, double = torch.device("cpu"), torch.float32, torch.float64
    other_kernels = torch.backends.mkldnn.flags(enabled=device.type != "cpu")
    with exact_float32():
        reference = observe(plan, cell, cpu, double, frozen)
        cpu_single = errors(reference, observe(plan, cell, cpu, single, frozen))
        with other_kernels:
            in_double = errors(reference, observe(plan, cell, device, double, frozen))
            in_single = errors(reference, observe(plan, cell, device, single, frozen))
    wrong = []
    for name in reference:
        allowed = max(SINGLE_ALLOWANCE * cpu_single[name], SINGLE_FLOOR)
        if "_gradient_" in name:  # a record of a norm, whose error can be small by chance
            allowed = float("inf")
        for precision, error, limit in (
            ("float64", in_double[name], DOUBLE_TOLERANCE),
            ("float32", in_single[name], allowed),
        ):
            if not error <= limit:  # also where it is nan
                wrong.append(
                    f"{cell.row}: {name} in {precision} differs by {error:.1e}, not {limit:.1e}"
                )
    print(f"  {'error, of the norm':<28}{'float64':>9}{'float32':>9}{'CPU float32':>13}")
    for name in reference:
        numbers = f"{in_double[name]:>9.0e}{in_single[name]:>9.0e}{cpu_single[name]:>13.0e}"
        print(f"  {name:<28}{numbers}", flush=True)
    return wrong


# ---------------------------------------------------------------------------------------- speed


def run_steps(plan: Plan, cell: Cell, device: torch.device, frozen: FrozenGenerator) -> list[str]:
    """Time and memory of real-size steps; what is not finite after them."""
    task = random_task(plan, cell, device, frozen)
    measured = measure(task, TIMED_STEPS)
    memory = f"  peak {measured.peak_bytes / 1e9:.2f} GB" if measured.peak_bytes else ""
    print(f"{cell.row}: {1000 * measured.seconds_per_step:.1f} ms a step{memory}", flush=True)
    tensors = [*task.model.state_dict().values()]
    if isinstance(task.source, LatentMetaOptimization):
        tensors += [*task.source.mapper.parameters(), *task.source.converter.parameters()]
    finite = all(torch.isfinite(value).all() for value in tensors)
    return [] if finite else [f"{cell.row}: weights are not finite after some steps"]


# ---------------------------------------------------------------------------------------- check


def check(config: Config, device: torch.device, batch: int, rows: list[str] | None = None) -> int:
    """Steps and agreement of `rows`, else of every method; 0 where all is well, else 1."""
    started, roles = time.perf_counter(), config.roles
    column = Column(
        roles.datasets["main"][0],
        roles.fractions["default"][0],
        roles.architectures["default"][0],
    )
    if rows is None:
        rows = ["generative/mpssl", *config.tables["table1"].rows, *EXTRA_ROWS]
    cells = list(dict.fromkeys(cell_of(row, column) for row in rows))
    on_cpu = random_generator(Experiment(config))
    frozen = copy.deepcopy(on_cpu).to(device)
    wrong = []
    for cell in cells:
        wrong += run_steps(Plan(config), cell, device, frozen)
        wrong += agree(Plan(smaller(config, batch)), cell, device, on_cpu)
    for line in wrong:
        print(f"gpu_check: WRONG: {line}")
    seconds = time.perf_counter() - started
    verdict = f"{len(wrong)} values are wrong" if wrong else "all is well"
    print(f"gpu_check: {verdict}; {len(cells)} methods in {seconds:.0f} s")
    return 1 if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=SIZES, default="full")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("gpu_check: there is no GPU here; --device cpu --size small runs on any machine")
        return 2
    device = torch.device(options.device)
    path, batch = SIZES[options.size]
    print(
        f"{device_name(device)}; torch {torch.__version__}, Python {platform.python_version()}; "
        f"{path}, agreement at batch {batch}"
    )
    return check(reading.load(path), device, batch)


if __name__ == "__main__":
    sys.exit(main())
