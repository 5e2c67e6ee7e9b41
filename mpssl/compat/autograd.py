"""What autograd's engine knows of the backward pass that is running.

Delete when: PyTorch says in public which gradients a running backward pass needs;
`torch._C._will_engine_execute_node` came for pytorch/pytorch issue 83617 and is still private.
"""

import torch
from torch.autograd.graph import Node


def is_wanted(node: Node | None) -> bool:
    """Whether the backward pass that is running needs the gradient for this node of its graph.

    Autograd cannot say whether a leaf's gradient is wanted, so we assume that it is.
    """
    if node is None or node.name() == "torch::autograd::AccumulateGrad":
        return node is not None
    return torch._C._will_engine_execute_node(node)
