"""Every adapter of the configuration has its function."""

from typing import get_args

from mpssl.config.data import Dataset
from mpssl.data.adapters import ADAPTERS


def test_every_adapter_of_the_configuration_is_known():
    models = get_args(get_args(Dataset)[0])
    named = {name for m in models for name in get_args(m.model_fields["adapter"].annotation)}
    assert set(ADAPTERS) == named
