"""torchvision's classification models, made by `benchmarks/list_torchvision.py`."""

from typing import NamedTuple


class Backbone(NamedTuple):
    """What a plan must know of g without building it."""

    bytes: int
    """Of the weights and buffers."""
    features: int
    """D."""
    smallest: int
    """Side of the smallest images that pass, of those tried."""
    fixed: bool
    """Whether no other size than that passes."""
    weights: str | None
    """File of IMAGENET1K_V1; its name ends in the first
    digits of the sha256."""


TORCHVISION = {
    "alexnet": Backbone(228015360, 4096, 64, False, "alexnet-owt-7be5be79.pth"),
    "convnext_base": Backbone(350265856, 1024, 32, False, "convnext_base-6075fbad.pth"),
    "convnext_large": Backbone(784921344, 1536, 32, False, "convnext_large-ea097f82.pth"),
    "convnext_small": Backbone(197818752, 768, 32, False, "convnext_small-0c510722.pth"),
    "convnext_tiny": Backbone(111280512, 768, 32, False, "convnext_tiny-983f1562.pth"),
    "densenet121": Backbone(28150984, 1024, 32, False, "densenet121-a639ec97.pth"),
    "densenet161": Backbone(106769032, 2208, 32, False, "densenet161-8d451a50.pth"),
    "densenet169": Backbone(50572872, 1664, 32, False, "densenet169-b2777c0a.pth"),
    "densenet201": Backbone(73289544, 1920, 32, False, "densenet201-c1103571.pth"),
    "efficientnet_b0": Backbone(
        16198648, 1280, 32, False, "efficientnet_b0_rwightman-7f5810bc.pth"
    ),
    "efficientnet_b1": Backbone(
        26301480, 1280, 32, False, "efficientnet_b1_rwightman-bac287d4.pth"
    ),
    "efficientnet_b2": Backbone(
        31074800, 1408, 32, False, "efficientnet_b2_rwightman-c35c1473.pth"
    ),
    "efficientnet_b3": Backbone(
        43134736, 1536, 32, False, "efficientnet_b3_rwightman-b3899882.pth"
    ),
    "efficientnet_b4": Backbone(
        70696032, 1792, 32, False, "efficientnet_b4_rwightman-23ab8bcd.pth"
    ),
    "efficientnet_b5": Backbone(
        114055008, 2048, 32, False, "efficientnet_b5_lukemelas-1a07897c.pth"
    ),
    "efficientnet_b6": Backbone(
        163841616, 2304, 32, False, "efficientnet_b6_lukemelas-24a108a5.pth"
    ),
    "efficientnet_b7": Backbone(
        256392024, 2560, 32, False, "efficientnet_b7_lukemelas-c5b4e57e.pth"
    ),
    "efficientnet_v2_l": Backbone(470989128, 1280, 32, False, "efficientnet_v2_l-59c71312.pth"),
    "efficientnet_v2_m": Backbone(212602808, 1280, 32, False, "efficientnet_v2_m-dc08266a.pth"),
    "efficientnet_v2_s": Backbone(81326320, 1280, 32, False, "efficientnet_v2_s-dd5fe13b.pth"),
    "googlenet": Backbone(22458312, 1024, 32, False, "googlenet-1378be20.pth"),
    "inception_v3": Backbone(87280752, 2048, 75, False, "inception_v3_google-0cc3c7bd.pth"),
    "maxvit_t": Backbone(122243808, 512, 224, True, "maxvit_t-bc5ab103.pth"),
    "mnasnet0_5": Backbone(3832960, 1280, 32, False, "mnasnet0.5_top1_67.823-3ffadce67e.pth"),
    "mnasnet0_75": Backbone(7676480, 1280, 32, False, "mnasnet0_75-7090bc5f.pth"),
    "mnasnet1_0": Backbone(12561344, 1280, 32, False, "mnasnet1.0_top1_73.512-f206786ef8.pth"),
    "mnasnet1_3": Backbone(20200704, 1280, 32, False, "mnasnet1_3-a4c69d6f.pth"),
    "mobilenet_v2": Backbone(9032352, 1280, 32, False, "mobilenet_v2-b0353104.pth"),
    "mobilenet_v3_large": Backbone(16906096, 1280, 32, False, "mobilenet_v3_large-8738ca79.pth"),
    "mobilenet_v3_small": Backbone(6120144, 1024, 32, False, "mobilenet_v3_small-047dcff4.pth"),
    "regnet_x_16gf": Backbone(209363384, 2048, 32, False, "regnet_x_16gf-2007eb11.pth"),
    "regnet_x_1_6gf": Backbone(33283032, 912, 32, False, "regnet_x_1_6gf-e3633e7f.pth"),
    "regnet_x_32gf": Backbone(421810896, 2520, 32, False, "regnet_x_32gf-9d47f8d0.pth"),
    "regnet_x_3_2gf": Backbone(57401088, 1008, 32, False, "regnet_x_3_2gf-f342aeae.pth"),
    "regnet_x_400mf": Backbone(20531896, 400, 32, False, "regnet_x_400mf-adf1edd5.pth"),
    "regnet_x_800mf": Backbone(26496296, 672, 32, False, "regnet_x_800mf-ad17e45c.pth"),
    "regnet_x_8gf": Backbone(150969040, 1920, 32, False, "regnet_x_8gf-03ceed89.pth"),
    "regnet_y_128gf": Backbone(2551340552, 7392, 32, False, None),
    "regnet_y_16gf": Backbone(322752296, 3024, 32, False, "regnet_y_16gf-9e6ed7dd.pth"),
    "regnet_y_1_6gf": Backbone(41465096, 888, 32, False, "regnet_y_1_6gf-b11a554e.pth"),
    "regnet_y_32gf": Backbone(565968752, 3712, 32, False, "regnet_y_32gf-4dee3f7a.pth"),
    "regnet_y_3_2gf": Backbone(71958536, 1512, 32, False, "regnet_y_3_2gf-b5a9779c.pth"),
    "regnet_y_400mf": Backbone(15721608, 440, 32, False, "regnet_y_400mf-c65dace8.pth"),
    "regnet_y_800mf": Backbone(22712152, 784, 32, False, "regnet_y_800mf-1b27b58c.pth"),
    "regnet_y_8gf": Backbone(149804448, 2016, 32, False, "regnet_y_8gf-d0d0e4a8.pth"),
    "resnet101": Backbone(170422848, 2048, 32, False, "resnet101-63fe2227.pth"),
    "resnet152": Backbone(233182168, 2048, 32, False, "resnet152-394f9c45.pth"),
    "resnet18": Backbone(44744608, 512, 32, False, "resnet18-f37072fd.pth"),
    "resnet34": Backbone(85207072, 512, 32, False, "resnet34-b627a593.pth"),
    "resnet50": Backbone(94245032, 2048, 32, False, "resnet50-0676ba61.pth"),
    "resnext101_32x8d": Backbone(347781696, 2048, 32, False, "resnext101_32x8d-8ba56ff5.pth"),
    "resnext101_64x4d": Backbone(326437440, 2048, 32, False, "resnext101_64x4d-173b62eb.pth"),
    "resnext50_32x4d": Backbone(92192936, 2048, 32, False, "resnext50_32x4d-7cdf4587.pth"),
    "shufflenet_v2_x0_5": Backbone(1399424, 1024, 32, False, "shufflenetv2_x0.5-f707e7126e.pth"),
    "shufflenet_v2_x1_0": Backbone(5079584, 1024, 32, False, "shufflenetv2_x1-5666bf0f80.pth"),
    "shufflenet_v2_x1_5": Backbone(10008704, 1024, 32, False, "shufflenetv2_x1_5-3c479a10.pth"),
    "shufflenet_v2_x2_0": Backbone(21515296, 2048, 32, False, "shufflenetv2_x2_0-8be3c8ee.pth"),
    # squeezenet1_0 cannot be split into features g and a last linear layer h; take another
    # squeezenet1_1 cannot be split into features g and a last linear layer h; take another
    "swin_b": Backbone(347433888, 1024, 32, False, "swin_b-68c6b09e.pth"),
    "swin_s": Backbone(195810024, 768, 32, False, "swin_s-5e29d889.pth"),
    "swin_t": Backbone(110307912, 768, 32, False, "swin_t-704ceda3.pth"),
    "swin_v2_b": Backbone(348453024, 1024, 32, False, "swin_v2_b-781e5279.pth"),
    "swin_v2_s": Backbone(196703400, 768, 32, False, "swin_v2_s-637d8ceb.pth"),
    "swin_v2_t": Backbone(110745096, 768, 32, False, "swin_v2_t-b137f0e2.pth"),
    "vgg11": Backbone(515065344, 4096, 32, False, "vgg11-8a719046.pth"),
    "vgg11_bn": Backbone(515109440, 4096, 32, False, "vgg11_bn-6002323d.pth"),
    "vgg13": Backbone(515803392, 4096, 32, False, "vgg13-19584684.pth"),
    "vgg13_bn": Backbone(515850576, 4096, 32, False, "vgg13_bn-abd245e5.pth"),
    "vgg16": Backbone(537042176, 4096, 32, False, "vgg16-397923af.pth"),
    "vgg16_bn": Backbone(537109864, 4096, 32, False, "vgg16_bn-6c64b313.pth"),
    "vgg19": Backbone(558280960, 4096, 32, False, "vgg19-dcbb9e9d.pth"),
    "vgg19_bn": Backbone(558369152, 4096, 32, False, "vgg19_bn-c79401a0.pth"),
    "vit_b_16": Backbone(343194624, 768, 224, True, "vit_b_16-c867db91.pth"),
    "vit_b_32": Backbone(349820928, 768, 224, True, "vit_b_32-d86f8d99.pth"),
    "vit_h_14": Backbone(2523059200, 1280, 224, True, None),
    "vit_l_16": Backbone(1213206528, 1024, 224, True, "vit_l_16-852ce7e3.pth"),
    "vit_l_32": Backbone(1222041600, 1024, 224, True, "vit_l_32-c7638314.pth"),
    "wide_resnet101_2": Backbone(499903040, 2048, 32, False, "wide_resnet101_2-32ee1156.pth"),
    "wide_resnet50_2": Backbone(267610280, 2048, 32, False, "wide_resnet50_2-95faca4d.pth"),
}
