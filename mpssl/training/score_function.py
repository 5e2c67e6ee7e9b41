"""The label converter's gradient by the score function (REINFORCE), with a credit for each image.

A hard foundation label k_i is a draw from p(k | y_i) = softmax(xi[y_i]), which is what the largest
of logits and Gumbel noise is. For any loss L of the batch of images,

    d E[L] / d xi = E[sum_i c_i * d log p(k_i | y_i) / d xi],    c_i = L - L_without_i,

as L_without_i, the loss of the batch without image i, does not depend on k_i and so is a baseline
that adds no bias. c_i is the image's *credit*. For the two terms of Eq. (6):

Gap: c_i is computed as it is defined, from the features. Of Eq. (8), with l_i the distance of pair
i, it is (l_i - mean of the other l_j) / U.

Validation: L is the validation loss at theta' = theta - eta * (g_labeled + lambda * sum_i w_i g_i)
at w = 1, with g_i the part of the unlabeled gradient that flows through the outputs of image i.
Without image i, w_i is 0 and the other weights are U / (U - 1). To first order

    c_i = s_i - mean of the other s_j,    s_i = dL / dw_i = -eta * lambda * <g_i, v>,

with v the gradient of the validation loss at theta'. <g_i, v> is the directional derivative of the
image's own loss along v, and the double backward towards the images yields it on its way: no
further pass is needed.

What the formulas leave out: under batch statistics an image also changes the features of others.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def credit_of_shares(shares: Tensor) -> Tensor:
    """Each image's share [U] of a loss minus the mean of the other images'; 0 if U is 1."""
    count = len(shares)
    return (shares - shares.mean()) * (count / max(count - 1, 1))


@torch.no_grad()
def credit_of_pairs(
    loss: Callable[[Tensor, Tensor], Tensor], real: Tensor, synthetic: Tensor
) -> Tensor:
    """The loss of features [U, D] minus that without pair i, for each i: [U]; 0 if U is 1."""
    count = len(real)
    if count == 1:
        return real.new_zeros(1)
    rest = [torch.cat([torch.arange(i), torch.arange(i + 1, count)]) for i in range(count)]
    return loss(real, synthetic) - torch.stack([loss(real[r], synthetic[r]) for r in rest])
