"""Decoding: rows that share a prompt prefix are answered as one batch, and the prefix is kept and read once.

Exactness: attention over a prefix and over a row's own tokens are two parts of one softmax (Hydragen, arXiv
2402.05099). Masks are made from positions, not from places in the cache: distances are those of a single row, wherever
padding lies, sliding windows included. Where a grammar leaves no choice its tokens are taken without a forward pass for
each (llguidance's fast-forward tokens).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Protocol

import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from pipeline.students.shared_prefix import common_prefix_length, length_batches

SHARED_PREFIX = "sdpa_shared_prefix"
MOST_FORCED = 16
"""Tokens that a step takes at most of what a grammar forces; the rest waits for the next step."""
MOST_SCORES = 1 << 24
"""Attention scores that are held at once."""


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


def _roomy_cache() -> DynamicCache:
    cache = DynamicCache()
    cache.layer_class_to_replicate = RoomyLayer
    return cache


@dataclass
class Prefixes:
    """Prefixes in the order of a batch's rows: the cache of each and how many neighbouring rows share it."""

    caches: list[DynamicCache]
    rows: list[int]

    def keep(self, slots: list[int]) -> None:
        """Leave the rows at these slots, ascending; a prefix without rows goes."""
        ends = list(accumulate(self.rows))
        counts = [sum(end - count <= slot < end for slot in slots) for end, count in zip(ends, self.rows, strict=True)]
        self.caches = [cache for cache, count in zip(self.caches, counts, strict=True) if count]
        self.rows = [count for count in counts if count]


@dataclass
class Seen:
    """What the new positions (B, Q) of a batch see in one kind of layer.

    own: (B, 1, G * Q, T) for the G query heads of a key head, added to the scores of a row's own positions: 0 or -inf.
    window: how far back, in the prefix too; None where nothing is too far. first: the first place of a prefix that any
    position sees.
    """

    own: torch.Tensor
    positions: torch.Tensor
    prefixes: Prefixes
    window: int | None
    first: int


def _attended(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of scaled queries (B, heads, Q, size) over keys (B, heads, T, size), T >= 1, and the logarithm
    (B, heads, Q, 1) of its softmax's sum; `mask` is added to the scores.

    torch's kernel for the CPU gives both, up to four times as fast as products and exponentials one after the other.
    """
    if query.device.type == "cpu":
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, total = kernel(query, keys, values, attn_mask=mask, scale=1.0)
        return out, total[..., None]
    return _attended_in_steps(query, keys, values, mask)


def _attended_in_steps(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `_attended` says, on any device."""
    scores = (query @ keys.transpose(-1, -2)).float()
    if mask is not None:
        scores += mask
    total = scores.logsumexp(-1, keepdim=True)
    weights = (scores - total.clamp(min=torch.finfo(scores.dtype).min)).exp()
    return weights.to(values.dtype) @ values, total


def _prefix_part(
    query: torch.Tensor, positions: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, seen: Seen
) -> tuple[torch.Tensor, torch.Tensor]:
    """`_attended` over one prefix (1, heads, P, size) for the queries (B, heads, Q, size) of all rows that share it."""
    rows, heads, length, size = query.shape
    flat = query.transpose(0, 1).reshape(1, heads, rows * length, size)
    apart = lambda x: x.view(heads, rows, length, -1).transpose(0, 1)
    if seen.window is None:
        return tuple(map(apart, _attended(flat, keys, values, None)))
    first = min(seen.first, keys.shape[-2] - 1)
    places = torch.arange(first, keys.shape[-2], device=keys.device)
    keys, values = keys[:, :, first:], values[:, :, first:]
    far = positions[:, :, None] - places >= seen.window
    far = far.repeat(1, length // positions.shape[1], 1).flatten(0, 1)
    mask = torch.zeros(far.shape, dtype=query.dtype, device=far.device).masked_fill_(far, float("-inf"))
    out, total = _attended(flat, keys, values, mask[None, None])
    return apart(out), apart(total.masked_fill(far.all(-1, keepdim=True), float("-inf")))


def _shared_prefix_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **kwargs: Any
) -> tuple[torch.Tensor, None]:
    """Attention over a row's own positions and over the prefix that it shares; query heads of one key head are rows."""
    if not isinstance(attention_mask, Seen):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    seen = attention_mask
    batch, heads, length, size = query.shape
    shared = key.shape[1]
    grouped = (query * kwargs["scaling"]).reshape(batch, shared, heads // shared * length, size)
    out, total = _attended(grouped, key, value, seen.own)
    parts = []
    start = 0
    for cache, rows in zip(seen.prefixes.caches, seen.prefixes.rows, strict=True):
        layer = cache.layers[module.layer_idx]
        step = max(1, MOST_SCORES // (heads * length * layer.keys.shape[-2]))
        for first in range(start, start + rows, step):
            mine = slice(first, min(first + step, start + rows))
            parts.append(_prefix_part(grouped[mine], seen.positions[mine], layer.keys, layer.values, seen))
        start += rows
    before, total_before = (torch.cat(column) for column in zip(*parts, strict=True))
    # The share of the prefix in one softmax over both; in float32, as the logarithms are.
    out = torch.lerp(out.float(), before.float(), (total_before - total).sigmoid())
    return out.to(query.dtype).view(batch, heads, length, size).transpose(1, 2), None


AttentionInterface.register(SHARED_PREFIX, _shared_prefix_attention)
AttentionMaskInterface.register(SHARED_PREFIX, sdpa_mask)


@contextmanager
def _attending(body: Any) -> Iterator[bool]:
    """Whether the model's attention takes prefixes from here: not where Unsloth has put its own in its place.

    Whatever the model was loaded with, masks are read as sdpa does: eager and flex attention would add them to scores.
    """
    before = body.config._attn_implementation
    mine = type(body.layers[0].self_attn).forward.__module__.startswith("transformers.")
    body.config._attn_implementation = SHARED_PREFIX if mine else "sdpa"
    try:
        yield mine
    finally:
        body.config._attn_implementation = before


class _Batch:
    """Rows of tokens that grow: their shared prefixes, their own cache, and what position each of its columns holds."""

    def __init__(self, body: Any, prompts: list[list[int]], shared: bool) -> None:
        self.body, self.device = body, next(body.parameters()).device
        groups = shared_beginnings(prompts)
        lengths = [length for _, _, length in groups]
        self.own = _roomy_cache()
        self.prefixes = Prefixes([], [])
        for start, stop, length in groups:
            cache = DynamicCache()
            ids = torch.tensor([prompts[start][:length]], device=self.device)
            body(input_ids=ids, past_key_values=cache, use_cache=True)
            self.prefixes.caches.append(cache)
            self.prefixes.rows.append(stop - start)
        repeats = torch.tensor(self.prefixes.rows, device=self.device)
        self.ends = torch.tensor(lengths, device=self.device).repeat_interleave(repeats)
        self.columns = torch.zeros(len(prompts), 0, dtype=torch.long, device=self.device)
        self.shared = shared
        if not shared:
            self._repeat_prefixes(lengths)

    def _repeat_prefixes(self, lengths: list[int]) -> None:
        """Prefixes as each row's own columns, left-padded, for attention that knows nothing of them."""
        longest = max(lengths)
        for number in range(len(self.prefixes.caches[0].layers)):
            both = []
            for name in ("keys", "values"):
                parts = [
                    torch.nn.functional.pad(getattr(cache.layers[number], name), (0, 0, longest - length, 0)).expand(
                        rows, -1, -1, -1
                    )
                    for cache, rows, length in zip(self.prefixes.caches, self.prefixes.rows, lengths, strict=True)
                ]
                both.append(torch.cat(parts))
            self.own.update(*both, number)
        columns = torch.arange(longest, device=self.device)[None] - (longest - self.ends)[:, None]
        self.columns = columns.clamp(min=-1)
        self.prefixes = Prefixes([], [])

    def keep(self, slots: list[int]) -> None:
        """Leave the rows at these slots, ascending."""
        index = torch.tensor(slots, device=self.device)
        self.own.batch_select_indices(index)
        self.columns, self.ends = self.columns[index], self.ends[index]
        self.prefixes.keep(slots)

    def _of(self, rows: list[int]) -> _Batch:
        """A batch of these rows, ascending, before their own tokens."""
        part = copy.copy(self)
        part.own = _roomy_cache()
        part.ends, part.columns = self.ends[rows], self.columns[rows]
        part.prefixes = Prefixes(self.prefixes.caches, self.prefixes.rows)
        part.prefixes.keep(rows)
        return part

    def start(self, prompts: list[list[int]]) -> torch.Tensor:
        """Last hidden states (B, H) of the prompts, whose own tokens are run.

        Prompts of like length run together, so that padding stays small, and one that several rows have runs once.
        """
        new = [prompt[end:] for prompt, end in zip(prompts, self.ends.tolist(), strict=True)]
        if not self.shared:
            return self.run(new)
        places = {tuple(prompt): row for row, prompt in reversed(list(enumerate(prompts)))}
        different = sorted(places.values())
        batches = [
            sorted(different[i] for i in batch) for batch in length_batches([len(new[row]) for row in different])
        ]
        parts = [self._of(rows) for rows in batches]
        hidden = torch.cat([part.run([new[row] for row in rows]) for part, rows in zip(parts, batches, strict=True)])
        order = {row: place for place, row in enumerate(row for rows in batches for row in rows)}
        index = torch.tensor([order[places[tuple(prompt)]] for prompt in prompts], device=self.device)
        width = max(part.columns.shape[1] for part in parts)
        fill = lambda tensor, size, value: torch.nn.functional.pad(tensor, size, value=value)
        self.columns = torch.cat([fill(p.columns, (0, width - p.columns.shape[1]), -1) for p in parts])[index]
        self.ends = torch.cat([part.ends for part in parts])[index]
        for number in range(len(parts[0].own.layers)):
            layers = [part.own.layers[number] for part in parts]
            keys, values = (
                torch.cat([fill(x, (0, 0, 0, width - x.shape[-2]), 0.0) for x in states])[index]
                for states in zip(*((layer.keys, layer.values) for layer in layers), strict=True)
            )
            self.own.update(keys, values, number)
        return hidden[index]

    def run(self, new: list[list[int]]) -> torch.Tensor:
        """Last hidden states (B, H) after each row's new tokens, at least one a row."""
        counts = torch.tensor([len(tokens) for tokens in new], device=self.device)
        width = max(map(len, new))
        ids = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens in new], device=self.device)
        offsets = torch.arange(width, device=self.device)[None]
        # Padding stands where the last token stands, so that it sees something; nothing sees it.
        positions = self.ends[:, None] + torch.minimum(offsets, counts[:, None] - 1)
        self.columns = torch.cat([self.columns, torch.where(offsets < counts[:, None], positions, -1)], dim=1)
        masks: dict[str, Any] = _masks(self.body.config, self.columns, positions)
        if self.shared:
            masks = {kind: self._seen(kind, own, positions) for kind, own in masks.items()}
        hidden = self.body(
            input_ids=ids, past_key_values=self.own, use_cache=True, attention_mask=masks, position_ids=positions
        ).last_hidden_state
        self.ends = self.ends + counts
        return hidden[torch.arange(len(new), device=self.device), counts - 1]

    def _seen(self, kind: str, own: torch.Tensor, positions: torch.Tensor) -> Seen:
        """What layers of a kind see, by their mask (B, 1, Q, T) of a row's own positions."""
        config = self.body.config
        mask = torch.zeros(own.shape, dtype=self.body.dtype, device=self.device).masked_fill_(~own, float("-inf"))
        mask = mask.repeat(1, 1, config.num_attention_heads // config.num_key_value_heads, 1)
        window = config.sliding_window if kind == "sliding_attention" else None
        if window is None or int(positions.max()) < window:
            return Seen(mask, positions, self.prefixes, None, 0)
        return Seen(mask, positions, self.prefixes, window, max(0, int(positions.min()) - window + 1))


def _choose(logits: torch.Tensor, temperature: float, generator: torch.Generator | None) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits / temperature).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def generate(model: Any, prompts: list[list[int]], **options: Any) -> list[Generated]:
    """Answers to `prompts` (at least two token ids each), in their order; greedy at temperature 0.

    Options are those of `_generate`: end_ids, max_new_tokens, constraints, temperature, generator. Neighbouring prompts
    that share at least half of their tokens are prefilled together; all decode as one batch. A row ends at one of
    `end_ids` or after `max_new_tokens` tokens.
    """
    with torch.inference_mode(), _attending(model.model) as shared:
        return _generate(model, prompts, shared, **options)


def shared_beginnings(prompts: list[list[int]]) -> list[tuple[int, int, int]]:
    """(start, stop, tokens shared) of neighbours that share at least half of their tokens with the first of them.

    Each has at least one token of its own.
    """
    groups: list[tuple[int, int, int]] = []
    start = 0
    for index in range(1, len(prompts) + 1):
        if index == len(prompts) or 2 * common_prefix_length([prompts[start], prompts[index]]) < len(prompts[start]):
            members = prompts[start:index]
            groups.append((start, index, min(common_prefix_length(members), min(map(len, members)) - 1)))
            start = index
    return groups


def _generate(
    model: Any,
    prompts: list[list[int]],
    shared: bool,
    *,
    end_ids: set[int],
    max_new_tokens: int,
    constraints: list[Constraint | None] | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Generated]:
    head = model.lm_head
    batch = _Batch(model.model, prompts, shared)
    last = batch.start(prompts)

    results = [Generated() for _ in prompts]
    active = list(range(len(prompts)))
    limits = constraints or [None] * len(prompts)
    waiting = {row: limit.forced() for row, limit in enumerate(limits) if limit is not None}
    while True:
        logits = head(last).float()
        if constraints is not None:
            _allow(logits, [limits[row] if not waiting.get(row) else None for row in active])
        chosen = _choose(logits, temperature, generator).tolist()
        staying = []
        for slot, row in enumerate(active):
            if not waiting.get(row):
                if chosen[slot] in end_ids:
                    results[row].ended = True
                    continue
                waiting[row] = [chosen[slot]]
                if (limit := limits[row]) is not None:
                    limit.accept(chosen[slot])
                    waiting[row] += limit.forced()
            staying.append(slot)
        width = _step_width([len(waiting[active[slot]]) for slot in staying])
        keep, new = [], []
        for slot in staying:
            row = active[slot]
            tokens = waiting[row][: min(width, max_new_tokens - len(results[row].tokens))]
            waiting[row] = waiting[row][len(tokens) :]
            results[row].tokens += tokens
            if len(results[row].tokens) < max_new_tokens:
                keep.append(slot)
                new.append(tokens)
        if not keep:
            return results
        if len(keep) < len(active):
            batch.keep(keep)
            active = [active[slot] for slot in keep]
        last = batch.run(new)


def _step_width(sizes: list[int]) -> int:
    """Tokens that a step takes at most of rows that have these many waiting: at most a quarter of it is padding."""
    widths = range(min(MOST_FORCED, max(sizes, default=1)), 1, -1)
    return next((w for w in widths if 4 * sum(min(size, w) for size in sizes) >= 3 * w * len(sizes)), 1)


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
