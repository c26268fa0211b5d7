"""Decoding: rows that share a prompt prefix are answered as one batch on one prefilled cache.

Exactness: the prompt's ends are run right-padded and the cache is then rolled so that padding lies left of everything.
Caches keep every position, and masks are made from positions, not from places in the cache: distances are those of a
single row, sliding windows included. Where a grammar leaves no choice its tokens are taken without a forward pass for
each (llguidance's fast-forward tokens).
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
MOST_FORCED = 16
"""Tokens that a step takes of what a grammar forces; the rest waits for the next step."""


class Constraint(Protocol):
    """What the grammar of one row allows next."""

    def fill(self, bitmask: torch.Tensor, slot: int) -> None:
        """Write which tokens may come next to row `slot` of a (B, ceil(V / 32)) int32 mask, 32 tokens a word."""

    def accept(self, token: int) -> None:
        """Advance by a token that the mask allowed."""

    def forced(self) -> list[int]:
        """Advance by the tokens that the grammar leaves no choice about, and return them."""


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
    """Attention of few new positions: query heads that share a key head are its rows, so that no key is copied."""
    batch, heads, length, size = query.shape
    plain = length > 1 and attention_mask is None
    if plain or length > MOST_FORCED or query.device.type != "cpu":
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    shared, each = key.shape[1], heads // key.shape[1]
    grouped = query.reshape(batch, shared, each * length, size)
    if length > 1:
        attention_mask = attention_mask.repeat(1, 1, each, 1)
    out = torch.nn.functional.scaled_dot_product_attention(
        grouped, key, value, attn_mask=attention_mask, scale=kwargs.get("scaling")
    )
    return out.view(batch, heads, length, size).transpose(1, 2), None


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


def _choose(logits: torch.Tensor, temperature: float, generator: torch.Generator | None) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits / temperature).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def generate(model: Any, prompts: list[list[int]], **options: Any) -> list[Generated]:
    """Answers to `prompts` (token ids), in their order; greedy at temperature 0.

    Options are those of `_generate`: end_ids, max_new_tokens, constraints, temperature, generator. Neighbouring prompts
    that share at least half of their tokens are prefilled together; all decode as one batch. A row ends at one of
    `end_ids` or after `max_new_tokens` tokens.
    """
    with torch.inference_mode(), _grouped(model.model):
        return _generate(model, prompts, **options)


def _prefix_groups(prompts: list[list[int]]) -> list[tuple[int, int]]:
    """(start, stop) of neighbours that share at least half of their tokens with the first of them."""
    groups: list[tuple[int, int]] = []
    start = 0
    for index in range(1, len(prompts) + 1):
        if index == len(prompts) or 2 * common_prefix_length([prompts[start], prompts[index]]) < len(prompts[start]):
            groups.append((start, index))
            start = index
    return groups


def _prefill(model: Any, prompts: list[list[int]], width: int) -> tuple[torch.Tensor, DynamicCache]:
    """Last hidden states (K, H) of prompts that share a prefix, and their cache, left-padded to `width` positions."""
    device = next(model.parameters()).device
    body, rows = model.model, len(prompts)
    shared = min(common_prefix_length(prompts), min(map(len, prompts)) - 1)
    cache = DynamicCache()
    if shared > 0:
        prefix = torch.tensor(prompts[0][:shared], device=device)
        body(input_ids=prefix[None], past_key_values=cache, use_cache=True)
        if rows > 1:
            cache.batch_repeat_interleave(rows)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    ends = torch.zeros(rows, longest - shared, dtype=torch.long, device=device)
    for index, prompt in enumerate(prompts):
        ends[index, : len(prompt) - shared] = torch.tensor(prompt[shared:], device=device)
    hidden = body(input_ids=ends, past_key_values=cache, use_cache=True).last_hidden_state
    last = hidden[torch.arange(rows, device=device), lengths - shared - 1]
    for layer in cache.layers:
        # each row's trailing padding goes to its left end, and more before it
        index = (torch.arange(longest, device=device)[None] - (longest - lengths)[:, None]) % longest
        index = index[:, None, :, None].expand_as(layer.keys)
        layer.keys, layer.values = (
            torch.nn.functional.pad(states.gather(-2, index), (0, 0, width - longest, 0))
            for states in (layer.keys, layer.values)
        )
    return last, cache


def _generate(
    model: Any,
    prompts: list[list[int]],
    *,
    end_ids: set[int],
    max_new_tokens: int,
    constraints: list[Constraint | None] | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Generated]:
    device = next(model.parameters()).device
    body, head = model.model, model.lm_head
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    filled = [_prefill(model, prompts[start:stop], longest) for start, stop in _prefix_groups(prompts)]
    last = torch.cat([states for states, _ in filled])
    cache = roomy_cache()
    for number in range(len(filled[0][1].layers)):
        layers = [part.layers[number] for _, part in filled]
        cache.update(torch.cat([x.keys for x in layers]), torch.cat([x.values for x in layers]), number)
        for layer in layers:
            layer.keys = layer.values = None
    del filled

    results = [Generated() for _ in prompts]
    active = list(range(len(prompts)))
    # What every column of the cache holds: the position of a row's token, or -1 for padding.
    columns = torch.arange(longest, device=device)[None] - (longest - lengths)[:, None]
    columns = columns.clamp(min=-1)
    ends = lengths
    plain = constraints is None and not bool((lengths != longest).any())
    limits = constraints or [None] * len(prompts)
    waiting = {row: limit.forced() for row, limit in enumerate(limits) if limit is not None}
    while True:
        logits = head(last).float()
        if constraints is not None:
            _allow(logits, [limits[row] if not waiting.get(row) else None for row in active])
        chosen = _choose(logits, temperature, generator).tolist()
        keep, new = [], []
        for slot, row in enumerate(active):
            if not waiting.get(row):
                if chosen[slot] in end_ids:
                    results[row].ended = True
                    continue
                waiting[row] = [chosen[slot]]
                if (limit := limits[row]) is not None:
                    limit.accept(chosen[slot])
                    waiting[row] += limit.forced()
            tokens = waiting[row][: min(MOST_FORCED, max_new_tokens - len(results[row].tokens))]
            waiting[row] = waiting[row][len(tokens) :]
            results[row].tokens += tokens
            if len(results[row].tokens) < max_new_tokens:
                keep.append(slot)
                new.append(tokens)
        if not keep:
            return results
        if len(keep) < len(active):
            index = torch.tensor(keep, device=device)
            cache.batch_select_indices(index)
            active = [active[slot] for slot in keep]
            columns, ends = columns[index], ends[index]
        counts = torch.tensor([len(tokens) for tokens in new], device=device)
        width = max(map(len, new))
        ids = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens in new], device=device)
        offsets = torch.arange(width, device=device)[None]
        positions = ends[:, None] + offsets
        columns = torch.cat([columns, torch.where(offsets < counts[:, None], positions, -1)], dim=1)
        hidden = body(
            input_ids=ids,
            past_key_values=cache,
            use_cache=True,
            attention_mask=None if plain else _masks(body.config, columns, positions),
            position_ids=positions,
        ).last_hidden_state
        last = hidden[torch.arange(len(active), device=device), counts - 1]
        ends = ends + counts


def _allow(logits: torch.Tensor, limits: list[Constraint | None]) -> None:
    """Set the logits (B, V) of tokens that the rows' grammars do not allow to -inf, in place."""
    vocabulary = logits.shape[1]
    bitmask = torch.full((len(limits), -(-vocabulary // 32)), -1, dtype=torch.int32)
    for slot, limit in enumerate(limits):
        if limit is not None:
            limit.fill(bitmask, slot)
    bits = bitmask.to(logits.device)[:, :, None] >> torch.arange(32, dtype=torch.int32, device=logits.device)
    logits.masked_fill_((bits.flatten(1)[:, :vocabulary] & 1) == 0, float("-inf"))


def _masks(config: Any, columns: torch.Tensor, positions: torch.Tensor) -> dict[str, torch.Tensor]:
    """Masks (B, 1, Q, T) by kind of layer, from what positions the columns (B, T) and the queries (B, Q) have.

    Distances are those of a single row, wherever padding lies between its tokens.
    """
    distance = positions[:, :, None] - columns[:, None]
    seen = (columns[:, None] >= 0) & (distance >= 0)
    masks = {"full_attention": seen[:, None]}
    if getattr(config, "sliding_window", None):
        masks["sliding_attention"] = (seen & (distance < config.sliding_window))[:, None]
    return masks
