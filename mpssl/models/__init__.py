"""The classifier f = h o g and the frozen generator G_F."""

SMALL_RESNETS = {"resnet8": 1, "resnet14": 2, "resnet20": 3}  # residual blocks a stage
TORCHVISION_RESNETS = ("resnet18", "resnet50", "resnet101")
ARCHITECTURES = (*SMALL_RESNETS, *TORCHVISION_RESNETS)
