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
    SourceName,
)


class Mapper(Closed):
    """Conditional mapper M_phi, Eq. (10): three linear layers, leaky ReLU between."""

    hidden: Count = 256
    embedding: Count = 128
    conditional: bool = Field(True, description="false: M_phi(z), Table 4")
    form: Literal["residual", "scaled", "plain"] = Field(
        "residual",
        description="residual: z + MLP, zero at the start; scaled: unit variance; "
        "plain: PyTorch's initial weights, which shrink z to std 0.1",
    )


class Converter(Closed):
    """Label converter I_xi, Eqs. (11) and (12), and Table 5's variants."""

    kind: Literal["hard_gumbel", "soft_gumbel", "soft_label"] = "hard_gumbel"
    temperature: Positive = 0.1
    redraw_noise: bool = Field(False, description="new Gumbel noise in line 10 of Algorithm 1")


class Lmo(Closed):
    """Latent meta-optimization, Eqs. (6) to (9) and Algorithm 1, lines 4 to 8."""

    mapper_learning_rate: Positive = 1e-4
    converter_learning_rate: Positive = 1e-4
    validation_weight: NonNegative = Field(1, description="0: without L_val, Table 3")
    gap_weight: NonNegative = Field(10, description="0: without L_gap, Table 3")
    gap: Literal["pairwise", "batch_mean", "mmd"] = Field(
        "pairwise", description="Eq. (8); Algorithm 1, line 8; Table 11"
    )
    gap_statistics: Literal["joint", "running"] = Field(
        "joint", description="batch norm of x and x_u in L_gap: together, or running statistics"
    )
    validation_batch_size: Count = 64
    record_every: Count = Field(50, description="steps between records of the gradient norms")
    exact: bool = Field(True, description="refuse the three approximations that follow")
    reuse_samples: bool = Field(
        False, description="approximation: line 11 takes the images made before phi, xi moved"
    )
    carry_samples: bool = Field(
        False, description="approximation: one batch of images for line 11 and the next line 6"
    )
    adapt_every: Count = Field(1, description="approximation: an LMO step every so many steps")
    mapper: Mapper = Mapper()
    converter: Converter = Converter()

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

    confidence_threshold: Probability = 0.8
    temperature: Positive = 0.4


class FixMatch(Closed):
    """FixMatch's published defaults."""

    confidence_threshold: Probability = 0.95


class FreeMatch(Closed):
    """FreeMatch's published defaults."""

    threshold_momentum: Annotated[float, Field(ge=0, lt=1), AS_IN_YAML_1_2] = 0.999
    fairness_weight: NonNegative = 0.05


class Objectives(Closed):
    """Settings of the consistency objectives."""

    views: Literal["joint", "separate"] = Field(
        "joint",
        description="joint: both views are one batch of the network; separate: two, each with its "
        "own batch statistics, and no backward pass through a weak view that is a target",
    )
    uda: Uda = Uda()
    fixmatch: FixMatch = FixMatch()
    freematch: FreeMatch = FreeMatch()

    def of(self, objective: ObjectiveName) -> dict[str, Any]:
        """The options of one objective, as `build_objective` takes them."""
        if objective == "none":
            return {}
        own = getattr(self, objective, None)
        return {"views": self.views} | (own.model_dump() if own else {})


class Variant(Closed):
    """What one variant of a method changes."""

    label: str
    source: SourceName | None = None
    objective: ObjectiveName | None = None
    lmo: dict[str, Any] = {}


class Method(Closed):
    """A (source, objective) pair and its variants."""

    label: str
    source: SourceName
    objective: ObjectiveName
    variants: dict[Name, Variant] = {}

    @model_validator(mode="after")
    def _pair_fits(self) -> "Method":
        if (self.source == "none") != (self.objective == "none"):
            raise ValueError(f"{self.label}: source and objective must both be none, or neither")
        if "default" in self.variants:
            raise ValueError(f"{self.label}: 'default' names the method itself, not a variant")
        return self


def split_row(row: str) -> tuple[str, str, str]:
    """Setting, method and variant of a row `setting/method[/variant]`."""
    setting, method, *variant = row.split("/")
    return setting, method, variant[0] if variant else "default"
