"""The error of torch's compiler, which has no public name.

Delete when: `torch.compiler` names its errors. No upstream issue is known.
"""


def compiler_error() -> type[Exception]:
    """What a compiled function raises if it cannot be compiled on this machine."""
    from torch._dynamo.exc import BackendCompilerFailed  # slow to import

    return BackendCompilerFailed
