"""The block that our transformers are made of (arXiv 1706.03762), normalised before each of its two parts."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from lth.errors import InputError

_HEAD_WIDTH = 32  # of a head, where a name does not say how many there are
_STD = 0.02  # of GPT-2's weights, and of ViT's


def heads_of(width: int, said: int | None) -> int:
    """Return how many heads attention of a width has: as many as are said, else one for every 32 channels.

    Raises:
        ValueError: If the width can't be shared out evenly.

    Example:
        >>> heads_of(64, None), heads_of(64, 4), heads_of(16, None)
        (2, 4, 1)
    """
    heads = max(1, width // _HEAD_WIDTH) if said is None else said
    if heads < 1 or width < 1 or width % heads:
        raise InputError(f"a width of {width} can't be shared out to {heads} heads; write another -w or -h")
    return heads


class Block(nn.Module):
    """Attention and a hidden layer of four times the width, each added to what it reads.

    Args:
        width: Channels of every place.
        heads: Of the attention.
        is_causal: Whether a place reads only itself and what is before it.
    """

    def __init__(self, width: int, heads: int, *, is_causal: bool) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_hidden = nn.LayerNorm(width)
        self.hidden = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self._heads, self._is_causal = heads, is_causal

    def forward(self, x: Tensor) -> Tensor:
        """Return what the places, (n, places, width), make of each other."""
        all_three = self.queries_keys_values(self.before_attention(x)).unflatten(2, (3, self._heads, -1))
        queries, keys, values = all_three.permute(2, 0, 3, 1, 4)  # (n, heads, places, width / heads) each
        mixed = scaled_dot_product_attention(queries, keys, values, is_causal=self._is_causal)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.hidden(self.before_hidden(x))  # type: ignore[no-any-return]


def initialise_transformer(network: nn.Module) -> None:
    """Draw weights from N(0, 0.02²), those that end a branch smaller by √(2 · blocks); biases are zero.

    Source: GPT-2 (Radford et al. 2019, section 2.3), whose scaling keeps the sum of all branches as large as
    one of them.
    """
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Embedding | nn.Conv2d):
            nn.init.normal_(module.weight, std=_STD)
            if not isinstance(module, nn.Embedding) and module.bias is not None:
                nn.init.zeros_(module.bias)
    for block in blocks:
        for last in (block.out.weight, block.hidden.get_parameter("2.weight")):
            nn.init.normal_(last, std=_STD / (2 * len(blocks)) ** 0.5)
