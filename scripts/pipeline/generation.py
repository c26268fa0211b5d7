"""Decoding: rows that share a prompt prefix are answered as one batch on one prefilled cache.

Exactness: the prompt's ends are run right-padded and the cache is then rolled so that padding lies left of everything;
distances between real tokens are those of a single row, sliding windows included. Caches keep every position and the
model's own mask applies the window, so that nothing is cropped at padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from pipeline.shared_prefix import common_prefix_length

GROUPED = "sdpa_grouped"


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


class RoomyLayer(DynamicLayer):
    """A cache layer with room to grow: a step writes its keys and values in place of copying all earlier ones."""

    room = 128

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.keys.shape[-2] if self.keys.dim() == 4 else 0
        new = old + key_states.shape[-2]
        buffers = getattr(self, "buffers", None)
        fits = buffers is not None and self.keys.data_ptr() == buffers[0].data_ptr() and new <= buffers[0].shape[-2]
        if not fits:
            shape = (*key_states.shape[:2], new + self.room, key_states.shape[-1])
            buffers = key_states.new_empty(shape), value_states.new_empty(shape)
            if old:
                buffers[0][..., :old, :] = self.keys
                buffers[1][..., :old, :] = self.values
            self.buffers = buffers
        for buffer, states in zip(buffers, (key_states, value_states), strict=True):
            buffer[..., old:new, :] = states
        self.keys, self.values = buffers[0][..., :new, :], buffers[1][..., :new, :]
        return self.keys, self.values


def roomy_cache() -> DynamicCache:
    """A cache that keeps every position of every layer and grows in place."""
    cache = DynamicCache()
    cache.layer_class_to_replicate = RoomyLayer
    return cache


def _grouped_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **kwargs: Any
) -> tuple[torch.Tensor, None]:
    """Attention of one new position: query heads that share a key head are its rows, so that no key is copied."""
    batch, heads, length, size = query.shape
    if length != 1 or query.device.type != "cpu":
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    grouped = query.view(batch, key.shape[1], heads // key.shape[1], size)
    out = torch.nn.functional.scaled_dot_product_attention(
        grouped, key, value, attn_mask=attention_mask, scale=kwargs.get("scaling")
    )
    return out.view(batch, 1, heads, size), None


AttentionInterface.register(GROUPED, _grouped_attention)
AttentionMaskInterface.register(GROUPED, sdpa_mask)


@contextmanager
def _grouped(body: Any) -> Iterator[None]:
    before = body.config._attn_implementation
    if before == "sdpa":
        body.config._attn_implementation = GROUPED
    try:
        yield
    finally:
        body.config._attn_implementation = before


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


def generate(model: Any, prompts: list[list[int]], **options: Any) -> list[Generated]:
    """Answers to `prompts` (token ids), which should share a prefix; greedy at temperature 0.

    Options are those of `_generate`: end_ids, max_new_tokens, constraints, temperature, generator. A row ends at one of
    `end_ids` or after `max_new_tokens` tokens.
    """
    with torch.inference_mode(), _grouped(model.model):
        return _generate(model, prompts, **options)


def _generate(
    model: Any,
    prompts: list[list[int]],
    *,
    end_ids: set[int],
    max_new_tokens: int,
    constraints: list[Constraint] | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Generated]:
    device = next(model.parameters()).device
    rows = len(prompts)
    shared = min(common_prefix_length(prompts), min(map(len, prompts)) - 1)
    cache = roomy_cache()
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
