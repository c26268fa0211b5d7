"""Decoding: rows that share a prompt prefix are answered as one batch on one prefilled cache.

Exactness: the prompt's ends are run right-padded and the cache is then rolled so that padding lies left of everything;
distances between real tokens are those of a single row, sliding windows included. Caches keep every position and the
model's own mask applies the window, so that nothing is cropped at padding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from transformers import DynamicCache

from pipeline.shared_prefix import common_prefix_length


class Constraint(Protocol):
    """What the grammar of one row allows next."""

    def mask(self, logits: torch.Tensor) -> None:
        """Set the logits (V,) of tokens that may not come next to -inf, in place."""

    def accept(self, token: int) -> None:
        """Advance by a token that the mask allowed."""


@dataclass
class Generated:
    """Token ids of one answer without its end token; `ended` is False where it was cut at the limit."""

    tokens: list[int] = field(default_factory=list)
    ended: bool = False


def _roll_left_padded(cache: DynamicCache, pads: torch.Tensor) -> None:
    """Move each row's trailing `pads` (K,) cache positions to its left end."""
    for layer in cache.layers:
        length = layer.keys.shape[-2]
        index = (torch.arange(length, device=pads.device)[None] - pads[:, None]) % length
        index = index[:, None, :, None].expand_as(layer.keys)
        layer.keys = layer.keys.gather(-2, index)
        layer.values = layer.values.gather(-2, index)


def _choose(logits: torch.Tensor, temperature: float, generator: torch.Generator | None) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits / temperature).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


@torch.inference_mode()
def generate(
    model: Any,
    prompts: list[list[int]],
    *,
    end_ids: set[int],
    max_new_tokens: int,
    constraints: list[Constraint] | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Generated]:
    """Answers to `prompts` (token ids), which should share a prefix; greedy at temperature 0.

    A row ends at one of `end_ids` or after `max_new_tokens` tokens.
    """
    device = next(model.parameters()).device
    rows = len(prompts)
    shared = min(common_prefix_length(prompts), min(map(len, prompts)) - 1)
    cache = DynamicCache()
    body, head = model.model, model.lm_head
    if shared > 0:
        prefix = torch.tensor(prompts[0][:shared], device=device)
        body(input_ids=prefix[None], past_key_values=cache, use_cache=True)
        if rows > 1:
            cache.batch_repeat_interleave(rows)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    pads = longest - lengths
    ends = torch.zeros(rows, longest - shared, dtype=torch.long, device=device)
    for index, prompt in enumerate(prompts):
        ends[index, : len(prompt) - shared] = torch.tensor(prompt[shared:], device=device)
    hidden = body(input_ids=ends, past_key_values=cache, use_cache=True).last_hidden_state
    last = hidden[torch.arange(rows, device=device), lengths - shared - 1]
    _roll_left_padded(cache, pads)

    results = [Generated() for _ in prompts]
    active = list(range(rows))
    mask = torch.arange(longest, device=device)[None] >= pads[:, None]
    positions = lengths
    padded = bool(pads.any())
    for step in range(max_new_tokens):
        logits = head(last).float()
        if constraints is not None:
            for slot, row in enumerate(active):
                constraints[row].mask(logits[slot])
        chosen = _choose(logits, temperature, generator)
        keep = []
        for slot, (row, token) in enumerate(zip(active, chosen.tolist(), strict=True)):
            if token in end_ids:
                results[row].ended = True
                continue
            results[row].tokens.append(token)
            if constraints is not None:
                constraints[row].accept(token)
            keep.append(slot)
        if not keep or step == max_new_tokens - 1:
            break
        if len(keep) < len(active):
            index = torch.tensor(keep, device=device)
            cache.batch_select_indices(index)
            active = [active[slot] for slot in keep]
            chosen, mask, positions = chosen[index], mask[index], positions[index]
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
        last = body(
            input_ids=chosen[:, None],
            past_key_values=cache,
            use_cache=True,
            attention_mask=mask if padded else None,
            position_ids=positions[:, None],
        ).last_hidden_state[:, -1]
        positions = positions + 1
    return results
