"""kornia's augmentations and the operations of its RandAugment, imported without warnings.

Delete when: kornia lists the default operations of RandAugment in public and its import warns of
nothing. No upstream issue is known. The list's ranges changed with kornia issue 4655, so numbers
need kornia 0.9.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import kornia.augmentation as augmentation
    from kornia.augmentation.auto import RandAugment
    from kornia.augmentation.auto.operations.ops import Equalize, Posterize
    from kornia.augmentation.auto.rand_augment.rand_augment import default_policy
    from kornia.geometry import warp_affine

OPERATIONS = {operation[0][0]: operation for operation in default_policy}
"""What RandAugment draws from: (name, least, greatest magnitude) in a list, by name."""

WITHOUT_GRADIENT = (Equalize, Posterize)
"""The operations of RandAugment whose gradient at the image is 0, as they count or round pixels."""

__all__ = ["OPERATIONS", "WITHOUT_GRADIENT", "RandAugment", "augmentation", "warp_affine"]
