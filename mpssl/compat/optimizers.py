"""SGD and Adam of torch.optim without the compiler.

torch's own import `torch._dynamo` only to say that they are not to be compiled, which takes a
second. Nothing is compiled here; steps and states are theirs.

Delete when: a step of `torch.optim.SGD` leaves `torch._dynamo` out of `sys.modules`. No upstream
issue is known.
"""

from inspect import unwrap

import torch
from torch.optim import Optimizer


class _Eager:
    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)


class SGD(_Eager, torch.optim.SGD):
    """`torch.optim.SGD`; a closure is not supported."""

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))


class Adam(_Eager, torch.optim.Adam):
    """`torch.optim.Adam`; a closure is not supported."""

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
