"""The configuration of the small world of the wiring tests, and what its pixels say."""

PACKED, SIDE, BORDER = 12, 8, 2  # sides of packed images and of the classifier's, pixels
CLASSES, FOUNDATION_CLASSES = 3, 5
NAMES = ["low", "middle", "high"]
POOL, TEST, TAIL = 60, 21, 6  # the tail: unlabeled images of the data set's own
FOUNDATION_POOL, FOUNDATION_REST = 40, 8
MIX = 37  # has no divisor in common with 87 and 48, the numbers of images
TARGET, FOUNDATION = 100, 180  # channel 1
CENTRE, EDGE = 40, 220  # channel 2
FRACTIONS = (30, 60)  # of 60 images: D and D_val have 12 and 6, or 24 and 12
BATCH, EPOCHS = 6, 3
MEAN, STD = [0.3, 0.4, 0.2], [0.25, 0.3, 0.2]
SHORT = {"epochs": 1, "steps_per_epoch": 2}  # of `training`
RATIO = {"oracle": 3, "transfer": 2, "generative": 2}

# No value of `training` is a default, so that a default in a value's place is seen.
CONTENT = {
    "experiment": "wiring",
    "device": "cpu",
    "datasets": {
        "target": {"adapter": "digits", "title": "T", "pool_size": POOL, "test_size": TEST},
        "foundation": {"adapter": "glyphs", "images_per_class": 8},
    },
    "foundation": {
        "dataset": "foundation",
        "generator": {"kind": "trained", "steps": 1},
        "classifier": {"kind": "trained", "steps": 1},
        "truncation": 0.5,
        "class_groups": {"some": ["1", "3-4"]},
        "class_map": {name: [k, "4"] for k, name in enumerate(NAMES)},
    },
    "roles": {
        "datasets": {"main": ["target"]},
        "fractions": {"default": [60]},
        "architectures": {"default": ["resnet8"]},
    },
    "seeds": [0, 1, 2],
    "unlabeled_ratio": RATIO,
    "packing": {"size": PACKED},
    "split": {"seed": 3, "validation_fraction": 0.333},
    "training": {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "learning_rate": 0.05,
        "momentum": 0.8,
        "weight_decay": 0.05,
        "milestones": [0.5],
        "decay": 0.25,
        "image_size": SIDE,
        "normalize_mean": MEAN,
        "normalize_std": STD,
        "equal_epochs": "first",
        "evaluation_batch_size": 8,
        "snapshots": 2,
    },
    "augmentation": {
        "labeled": {"crop": "padded", "padding": 0, "flip": False},
        "weak": {"crop": "none", "flip": False},
        "strong": {"crop": "padded", "padding": 3, "flip": False},
    },
    "lmo": {
        "validation_batch_size": 4,
        "record_every": 1,
        "converter_learning_rate": 0.05,
        "mapper_learning_rate": 0.01,
    },
    "objectives": {"fixmatch": {"confidence_threshold": 0.4}},
    "methods": {
        "base": {"base": {"label": "B", "source": "none", "objective": "none"}},
        "control": {
            "scr": {"label": "D", "source": "labeled", "objective": "scr"},
            "supervised": {"label": "A", "source": "labeled", "objective": "supervised"},
            "longer": {"label": "L", "source": "none", "objective": "none", "budget": "images"},
        },
        "oracle": {
            "scr": {
                "label": "O",
                "source": "real",
                "objective": "scr",
                "variants": {"as_many": {"label": "m", "ratio": "generative"}},
            },
            "fixmatch": {"label": "F", "source": "real", "objective": "fixmatch"},
        },
        "transfer": {
            "scr": {
                "label": "T",
                "source": "foundation",
                "objective": "scr",
                "variants": {"some": {"label": "s", "classes": "some"}},
            },
        },
        "generative": {
            "naive": {
                "label": "N",
                "source": "uniform",
                "objective": "scr",
                "variants": {"some": {"label": "s", "classes": "some"}},
            },
            "labels": {"label": "L", "source": "mapped", "objective": "supervised"},
            "pssl": {"label": "P", "source": "pseudo", "objective": "scr"},
            "mpssl": {
                "label": "M",
                "source": "lmo",
                "objective": "scr",
                "variants": {
                    "no_gap": {"label": "G", "lmo": {"gap_weight": 0}},
                    "soft": {"label": "S", "lmo": {"converter": {"kind": "soft_label"}}},
                    "third": {"label": "3", "lmo": {"exact": False, "adapt_every": 3}},
                },
            },
        },
    },
    "tables": {},
    "figures": {},
    "claims": {},
}
