"""Methods as pairs of a source and an objective, LMO, and the objectives' settings."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mpssl.config.fields import (
    AS_IN_YAML_1_2,
    Closed,
    Count,
    Name,
    NonNegative,
    ObjectiveName,
    Positive,
    Probability,
    Setting,
    SourceName,
    View,
)


class Mapper(Closed):
    """Conditional mapper M_phi, Eq. (10): three linear layers, leaky ReLU between."""

    hidden: Count = Field(256, description="Width of the two hidden layers.")
    embedding: Count = Field(128, description="Length of the embedding of the target class.")
    conditional: bool = Field(
        True, description="Whether the mapper sees the target class; Table 4 compares both."
    )
    form: Literal["residual", "scaled", "plain"] = Field(
        "residual",
        description="Form of the mapper: `residual` is z + MLP, zero at the start; `scaled` is the "
        "MLP with unit variance at the start; `plain` has PyTorch's initial weights, which shrink "
        "z to a standard deviation of 0.1.",
    )


class Converter(Closed):
    """Label converter I_xi, Eqs. (11) and (12), and Table 5's variants."""

    kind: Literal["hard_gumbel", "soft_gumbel", "soft_label"] = Field(
        "hard_gumbel",
        description="Form of the foundation label: `hard_gumbel` is one-hot with a straight-"
        "through gradient, `soft_gumbel` is the Gumbel softmax itself, `soft_label` is the softmax "
        "without noise.",
    )
    estimator: Literal["straight_through", "score_function"] = Field(
        "straight_through",
        description="Estimator of the gradient at xi with `hard_gumbel`: `straight_through` takes "
        "that of the Gumbel softmax; `score_function` weights the log-probability of each label "
        "drawn by what its image adds to the loss, and needs no temperature. The other kinds have "
        "an exact gradient.",
    )
    conditional: bool = Field(
        True,
        description="Whether each target class has a row of its own, as in Eq. (11); otherwise all "
        "classes share one, which more images of a step inform.",
    )
    temperature: Positive = Field(
        0.1, description="Temperature tau of the Gumbel softmax; `soft_label` has none."
    )
    redraw_noise: bool = Field(
        False,
        description="Whether line 10 of Algorithm 1 draws new Gumbel noise; otherwise it keeps "
        "that of line 6.",
    )


class Lmo(Closed):
    """Latent meta-optimization, Eqs. (6) to (9) and Algorithm 1, lines 4 to 8."""

    mapper_learning_rate: Positive = Field(
        1e-4, description="Learning rate of Adam on phi, the mapper's weights."
    )
    converter_learning_rate: Positive = Field(
        1e-4, description="Learning rate of Adam on xi, the converter's logits."
    )
    validation_weight: NonNegative = Field(
        1, description="Weight of L_val in Eq. (6); 0 leaves it out, as in Table 3."
    )
    gap_weight: NonNegative = Field(
        10, description="Weight lambda_gap of L_gap in Eq. (6); 0 leaves it out, as in Table 3."
    )
    gap: Literal["pairwise", "batch_mean", "mmd"] = Field(
        "pairwise",
        description="Form of L_gap: `pairwise` is Eq. (8), `batch_mean` is Algorithm 1's line 8, "
        "`mmd` is Table 11's.",
    )
    gap_reduction: Literal["sum", "mean"] = Field(
        "sum",
        description="Reduction of L_gap over the features: `sum` is the squared norm of Eq. (8), "
        "`mean` divides it by the number of features, as the mean squared error does that Table 11 "
        "names. `mmd` has no scale and is the same with both.",
    )
    gap_statistics: Literal["joint", "running"] = Field(
        "joint",
        description="Batch-norm statistics in L_gap: `joint` takes those of labeled and synthetic "
        "images in one batch, `running` the running ones.",
    )
    balance: Literal["none", "norms"] = Field(
        "none",
        description="Balance of the two terms of Eq. (6): with `norms` the gradient of each has "
        "norm 1 at phi and norm 1 at xi, and the weights only say whether a term takes part; a "
        "gradient of 0 stays 0.",
    )
    validation_batch_size: Count = Field(
        64, description="Number of images of D_val in an LMO step; all of D_val if it has fewer."
    )
    validation_part: Annotated[float, Field(gt=0, le=1), AS_IN_YAML_1_2] = Field(
        1,
        description="Part of D_val that trains phi and xi, above 0 and at most 1. With less than 1 "
        "the rest of D_val alone chooses epoch and lambda; with 1 all of D_val does both, as in "
        "the paper.",
    )
    record_every: Count = Field(
        50, description="Number of steps from one record of the gradient norms to the next."
    )
    exact: bool = Field(
        True, description="Whether the three approximations that follow are refused."
    )
    reuse_samples: bool = Field(
        False,
        description="Approximation: line 11 takes the images that were made before phi and xi "
        "moved.",
    )
    carry_samples: bool = Field(
        False,
        description="Approximation: one batch of images serves line 11 and the next step's line 6.",
    )
    adapt_every: Count = Field(
        1, description="Approximation: number of classifier steps for each LMO step; 1 is exact."
    )
    mapper: Mapper = Field(Mapper(), description="Settings of the conditional mapper M_phi.")
    converter: Converter = Field(Converter(), description="Settings of the label converter I_xi.")

    @model_validator(mode="after")
    def _exact(self) -> "Lmo":
        approximations = {
            "reuse_samples": self.reuse_samples,
            "carry_samples": self.carry_samples,
            "adapt_every": self.adapt_every > 1,
        }
        used = [name for name, on in approximations.items() if on]
        if self.exact and used:
            raise ValueError(f"{used[0]} is an approximation; set lmo.exact: false to allow it")
        if self.reuse_samples and self.carry_samples:
            raise ValueError("reuse_samples and carry_samples exclude each other")
        return self


class Uda(Closed):
    """UDA's published defaults."""

    confidence_threshold: Probability = Field(
        0.8,
        description="Probability above which the weak view's class is trusted; others add no loss.",
    )
    temperature: Positive = Field(
        0.4, description="Temperature that sharpens the weak view's probabilities; 1 leaves them."
    )


class FixMatch(Closed):
    """FixMatch's published defaults."""

    confidence_threshold: Probability = Field(
        0.95,
        description="Probability from which the weak view's class is trusted; others add no loss.",
    )


class FreeMatch(Closed):
    """FreeMatch's published defaults."""

    threshold_momentum: Annotated[float, Field(ge=0, lt=1), AS_IN_YAML_1_2] = Field(
        0.999, description="Decay of the moving averages that set the thresholds."
    )
    fairness_weight: NonNegative = Field(0.05, description="Weight of the fairness term.")


class Objectives(Closed):
    """Settings of the consistency objectives."""

    views: Literal["joint", "separate"] = Field(
        "joint",
        description="Batches of the two views: `joint` sends both through the network as one "
        "batch; `separate` sends two, each with its own batch statistics and without a backward "
        "pass through a weak view that is a target.",
    )
    uda: Uda = Field(Uda(), description="Settings of UDA's loss.")
    fixmatch: FixMatch = Field(FixMatch(), description="Settings of FixMatch's loss.")
    freematch: FreeMatch = Field(FreeMatch(), description="Settings of FreeMatch's loss.")

    def of(self, objective: ObjectiveName) -> dict[str, Any]:
        """The options of one objective, as `build_objective` takes them."""
        if objective == "none":
            return {}
        own = getattr(self, objective, None)
        return {"views": self.views} | (own.model_dump() if own else {})


class Variant(Closed):
    """What one variant of a method changes."""

    label: str = Field(description="Name of the variant in tables and figures.")
    source: SourceName | None = Field(
        None, description="Source instead of the method's; the same if this is empty."
    )
    objective: ObjectiveName | None = Field(
        None, description="Objective instead of the method's; the same if this is empty."
    )
    labeled_view: View | None = Field(
        None, description="View of the labeled images; the method's if this is empty."
    )
    ratio: Setting | None = Field(
        None, description="Setting whose `unlabeled_ratio` it takes; the method's if this is empty."
    )
    classes: Name | None = Field(
        None,
        description="Group of `foundation.class_groups` that it draws from; the method's if this "
        "is empty.",
    )
    lmo: dict[str, Any] = Field(
        {},
        description="Keys of `lmo` that the variant changes, laid out as there.",
        examples=[{"converter": {"temperature": 1e-3}}],
    )


KNOW_CLASSES = ("labeled", "mapped")  # sources whose images have a target class


class Method(Closed):
    """A (source, objective) pair and its variants."""

    label: str = Field(description="Name of the method in tables and figures.")
    source: SourceName = Field(
        description="Source of the unlabeled images: `labeled` is D itself, `real` is D_u, "
        "`foundation` the foundation's own images, `uniform` random samples, `mapped` samples of "
        "the classes that `foundation.class_map` names for a target class, `pseudo` samples of "
        "P-SSL's pseudo-labels, `lmo` MP-SSL's."
    )
    objective: ObjectiveName = Field(
        description="Objective on the two views of the unlabeled images; `supervised` is "
        "cross-entropy on their strong view and needs a source that knows their classes, as "
        "`labeled` and `mapped` do."
    )
    labeled_view: View | None = Field(
        None,
        description="View of the labeled images; `augmentation.labeled_view` if this is empty.",
    )
    ratio: Setting | None = Field(
        None,
        description="Setting whose `unlabeled_ratio` the method takes; its own if this is empty.",
    )
    classes: Name | None = Field(
        None,
        description="Group of `foundation.class_groups` that the sources `foundation` and "
        "`uniform` draw from; all classes if this is empty.",
    )
    budget: Literal["steps", "images"] = Field(
        "steps",
        description="What a run has in common with others: the number of `steps`, or the number of "
        "`images` that SCR on generated images passes through the classifier, which takes more "
        "steps.",
    )
    variants: dict[Name, Variant] = Field(
        {}, description="Variants of the method, which a row names as `setting/method/variant`."
    )

    @model_validator(mode="after")
    def _pair_fits(self) -> "Method":
        if (self.source == "none") != (self.objective == "none"):
            raise ValueError(f"{self.label}: source and objective must both be none, or neither")
        if self.objective == "supervised" and self.source not in KNOW_CLASSES:
            raise ValueError(f"{self.label}: the source {self.source} knows no classes")
        if self.classes is not None and self.source not in ("foundation", "uniform"):
            raise ValueError(f"{self.label}: the source {self.source} chooses no classes by group")
        if self.budget == "images" and self.objective != "none":
            raise ValueError(f"{self.label}: budget: images is for the source none")
        if "default" in self.variants:
            raise ValueError(f"{self.label}: 'default' names the method itself, not a variant")
        return self


def split_row(row: str) -> tuple[str, str, str]:
    """Setting, method and variant of a row `setting/method[/variant]`."""
    setting, method, *variant = row.split("/")
    return setting, method, variant[0] if variant else "default"
