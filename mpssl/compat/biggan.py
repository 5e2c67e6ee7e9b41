"""BigGAN's network without the rest of its package, whose import takes longer than a training step.

`pytorch_pretrained_biggan/__init__.py` also imports scipy.stats and nltk's helpers, for functions
that nothing here uses. Its modules are the package's own: a later plain import finds the same.

Delete when: `import pytorch_pretrained_biggan` imports no scipy.stats, or a start may take longer.
No upstream issue is known.
"""

import importlib.util
import sys

_PACKAGE = "pytorch_pretrained_biggan"

_loaded = _PACKAGE in sys.modules
if not _loaded:
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(importlib.util.find_spec(_PACKAGE))
try:
    from pytorch_pretrained_biggan.config import BigGANConfig
    from pytorch_pretrained_biggan.model import BigGAN, BigGANBatchNorm, GenBlock
finally:
    if not _loaded:
        del sys.modules[_PACKAGE]  # it was never run

__all__ = ["BigGAN", "BigGANBatchNorm", "BigGANConfig", "GenBlock"]
