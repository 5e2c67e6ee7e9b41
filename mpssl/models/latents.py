"""The two networks that LMO learns: the conditional mapper M_phi and the label converter I_xi."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpssl.config.method import Converter, Mapper


class ConditionalMapper(nn.Module):
    """M_phi(z, y) = MLP(concat(z, EMB(y))). Paper: Eq. (10).

    The MLP has three linear layers with leaky ReLU between them. The paper leaves its initial
    weights open. PyTorch's own shrink z to a standard deviation of about 0.1, so each class has
    one prototype. Therefore, by default, the MLP is added to z and starts at zero.
    """

    def __init__(self, settings: Mapper, z_dim: int, classes: int) -> None:
        super().__init__()
        self.form = settings.form
        self.embedding = nn.Embedding(classes, settings.embedding) if settings.conditional else None
        inputs = z_dim + (settings.embedding if settings.conditional else 0)
        self.mlp = nn.Sequential(
            nn.Linear(inputs, settings.hidden),
            nn.LeakyReLU(),
            nn.Linear(settings.hidden, settings.hidden),
            nn.LeakyReLU(),
            nn.Linear(settings.hidden, z_dim),
        )
        if self.form == "residual":
            nn.init.zeros_(self.mlp[-1].weight)
            nn.init.zeros_(self.mlp[-1].bias)
        elif self.form == "scaled":
            for layer in self.mlp[::2]:
                gain = (
                    nn.init.calculate_gain("leaky_relu", 0.01) if layer is not self.mlp[-1] else 1
                )
                nn.init.normal_(layer.weight, std=gain / layer.in_features**0.5)
                nn.init.zeros_(layer.bias)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Map latents z [U, Z] and target classes y [U] to z_hat [U, Z]."""
        inputs = z if self.embedding is None else torch.cat([z, self.embedding(y)], dim=1)
        outputs = self.mlp(inputs)
        return z + outputs if self.form == "residual" else outputs


class LabelConverter(nn.Module):
    """I_xi(y), a foundation label for each target class. Paper: Eqs. (11) and (12), Table 5.

    `logits` [K, foundation classes], or [1, foundation classes] if all target classes share a row,
    is log(EMB_xi), zero at the start: every foundation class is then equally likely.
    """

    def __init__(self, settings: Converter, classes: int, foundation_classes: int) -> None:
        super().__init__()
        self.kind = settings.kind
        self.temperature = settings.temperature
        self.by_score = settings.kind == "hard_gumbel" and settings.estimator == "score_function"
        """True if xi is reached through `log_probability` and not through the labels."""
        self.classes = classes
        rows = classes if settings.conditional else 1
        self.logits = nn.Parameter(torch.zeros(rows, foundation_classes))

    def _by_class(self) -> Tensor:
        """The logits of each target class [K, foundation classes]."""
        return self.logits.expand(self.classes, -1)

    def draw_noise(self, count: int) -> Tensor:
        """Draw standard Gumbel noise g [count, foundation classes]."""
        uniform = torch.rand(count, self.logits.shape[1], device=self.logits.device)
        tiny = torch.finfo(uniform.dtype).tiny
        return -(-uniform.clamp(min=tiny).log()).clamp(min=tiny).log()

    def forward(self, y: Tensor, noise: Tensor) -> Tensor:
        """Map target classes y [U] and Gumbel noise to foundation labels [U, foundation classes].

        Rows sum to one. `hard_gumbel` returns one-hot rows, with a straight-through gradient unless
        the estimator is `score_function`.
        """
        logits = self._by_class()[y]
        if self.by_score:
            return F.one_hot(self.drawn(y, noise), logits.shape[1]).to(logits)
        if self.kind == "soft_label":
            return logits.softmax(dim=1)
        soft = ((logits + noise) / self.temperature).softmax(dim=1)
        if self.kind == "soft_gumbel":
            return soft
        hard = F.one_hot(soft.argmax(dim=1), soft.shape[1]).to(soft)
        return hard + (soft - soft.detach())

    def drawn(self, y: Tensor, noise: Tensor) -> Tensor:
        """The foundation classes [U] that the noise draws for target classes y [U].

        The largest of logits and Gumbel noise is a draw from the softmax of the logits.
        """
        return (self._by_class().detach()[y] + noise).argmax(dim=1)

    def log_probability(self, y: Tensor, noise: Tensor) -> Tensor:
        """Log-probability [U] of the foundation classes drawn, with its gradient at the logits."""
        return self._by_class().log_softmax(dim=1)[y, self.drawn(y, noise)]

    @torch.no_grad()
    def rows(self) -> Tensor:
        """Probability [K, foundation classes] of each foundation class, without noise."""
        return self._by_class().softmax(dim=1)

    @torch.no_grad()
    def statistics(self) -> dict[str, float]:
        """Return the mean entropy (nats) and mean largest probability of the rows without noise."""
        log_probability = self.logits.log_softmax(dim=1)
        probability = log_probability.exp()
        return {
            "converter_entropy": -(probability * log_probability).sum(dim=1).mean().item(),
            "converter_largest": probability.amax(dim=1).mean().item(),
        }
