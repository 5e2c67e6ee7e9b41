"""The classifier f = h o g and the frozen generator G_F."""

from mpssl.config.torchvision_list import TORCHVISION, Backbone

SMALL_RESNETS = {"resnet8": 1, "resnet14": 2, "resnet20": 3}  # residual blocks a stage
BACKBONES = {
    "resnet8": Backbone(1_239_504, 128, 8, False, None),
    "resnet14": Backbone(2_795_008, 128, 8, False, None),
    "resnet20": Backbone(4_350_512, 128, 8, False, None),
    **TORCHVISION,
}
UNSPLITTABLE = ("squeezenet1_0", "squeezenet1_1")  # their last layer is a convolution
UNSPLITTABLE_REASON = "cannot be split into features g and a last linear layer h; take another"
