"""What a GPU's float32 means inside and outside the block."""

import pytest
import torch

from mpssl.machine.precision import arithmetic


def state():
    cudnn = torch.backends.cudnn
    parts = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    return [part.fp32_precision for part in parts], cudnn.benchmark


@pytest.mark.parametrize(
    ("precision", "means"), [("float32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")]
)
@pytest.mark.parametrize("autotune", [False, True])
def test_float32_is_float32_unless_tf32_is_asked_for(precision, means, autotune):
    before = state()
    with arithmetic(precision, autotune):
        assert state() == ([means] * 3, autotune)
    assert state() == before


def test_an_error_restores_what_was_set():
    before = state()
    with pytest.raises(ValueError, match="of a run"), arithmetic("tf32", True):
        raise ValueError("of a run")
    assert state() == before
