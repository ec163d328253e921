"""A small decoder-only transformer (GPT; Radford et al. 2019) of tokens, such as characters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lth.errors import InputError
from lth.network.attention import Block, heads_of, initialise_transformer


class Decoder(nn.Module):
    """`depth` causal blocks over tokens and their places, without dropout: logits of the next token everywhere.

    Args:
        depth: Blocks.
        width: Channels of every place.
        heads: Of the attention; None for one to every 32 channels.
        length: Tokens of an example, at most.
        num_tokens: How many different ones there are.

    Raises:
        ValueError: If the width is no multiple of the heads.
    """

    def __init__(self, depth: int, width: int, heads: int | None, length: int, num_tokens: int) -> None:
        super().__init__()
        if depth < 1:
            raise InputError("a transformer has at least one block")
        heads = heads_of(width, heads)
        self.num_tokens = num_tokens
        self.tokens = nn.Embedding(num_tokens, width)
        self.places = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[Block(width, heads, is_causal=True) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_tokens, bias=False)
        initialise_transformer(self)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, (n, length, num_tokens), for tokens (n, length)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        read = self.blocks(self.tokens(tokens) + self.places(places))
        return self.head(self.norm(read))  # type: ignore[no-any-return]
