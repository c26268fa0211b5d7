"""Shared prefixes: rows that begin with the same tokens are computed from one forward pass over those tokens.

The prefix goes through the model once, with its graph; its key-value cache is repeated over the rows; the rest of the
rows runs as one right-padded batch; logits are made only where there is a label. Loss and gradients are those of
separate rows (Tree Training, arXiv 2511.00413, does it for agents; prefix sharing for DPO, arXiv 2410.20305).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

IGNORE = -100
MOST_SCORES = 1 << 24
"""Scores of the head that are made at once where they need not be kept."""


@dataclass
class PrefixGroup:
    """Rows with one shared prefix.

    prefix: (P,) token ids, P >= 1. suffixes: (K, S) token ids, right-padded. labels: (K, S), the token *at* each
    position where it is supervised and -100 elsewhere; a suffix's first token may be supervised, too. lengths: tokens
    of each suffix without padding.
    """

    prefix: torch.Tensor
    suffixes: torch.Tensor
    labels: torch.Tensor
    lengths: list[int]


def common_prefix_length(rows: list[list[int]]) -> int:
    """Number of leading tokens that all rows have in common."""
    first, last = min(rows), max(rows)
    for index, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b:
            return index
    return min(len(first), len(last))


def make_group(rows: list[list[int]], labels: list[list[int]], pad_id: int) -> PrefixGroup:
    """Group rows of token ids with their labels (same lengths) on their longest common unsupervised prefix.

    At least one token stays on each side: the prefix's last hidden state predicts the first suffix token.
    """
    shared = common_prefix_length(rows) if len(rows) > 1 else len(rows[0])
    for row_labels in labels:
        first_label = next((i for i, label in enumerate(row_labels) if label != IGNORE), len(row_labels))
        shared = min(shared, first_label, len(row_labels) - 1)
    shared = max(shared, 1)
    width = max(len(row) for row in rows) - shared
    suffixes = torch.full((len(rows), width), pad_id)
    targets = torch.full((len(rows), width), IGNORE)
    for index, (row, row_labels) in enumerate(zip(rows, labels, strict=True)):
        suffixes[index, : len(row) - shared] = torch.tensor(row[shared:])
        targets[index, : len(row) - shared] = torch.tensor(row_labels[shared:])
    return PrefixGroup(torch.tensor(rows[0][:shared]), suffixes, targets, [len(row) - shared for row in rows])


def labelled_hidden(body: Any, group: PrefixGroup) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states that predict the supervised tokens.

    `body` is the decoder without its head (`model.model`). Returns (N, H) hidden states, (N,) labels and (N,) row
    numbers, N the supervised tokens of all rows. The rows run in batches of like length, so that padding stays small.
    """
    device = next(body.parameters()).device
    prefix, suffixes, labels = (t.to(device) for t in (group.prefix, group.suffixes, group.labels))
    prefix_cache = DynamicCache(config=body.config)  # sliding layers keep the part of the prefix that rows can see
    before = body(input_ids=prefix[None], past_key_values=prefix_cache, use_cache=True).last_hidden_state[:, -1:]
    states, targets, numbers = [], [], []
    for rows in length_batches(group.lengths):
        index = torch.tensor(rows, device=device)
        width = max(group.lengths[row] for row in rows)
        cache = DynamicCache(config=body.config)
        for number, layer in enumerate(prefix_cache.layers):
            repeated = (part.expand(len(rows), -1, -1, -1) for part in (layer.keys, layer.values))
            cache.update(*repeated, number)
            if layer.is_sliding:
                cache.layers[number].cumulative_length = len(prefix)
        hidden = body(input_ids=suffixes[index, :width], past_key_values=cache, use_cache=True).last_hidden_state
        predicting = torch.cat([before.expand(len(rows), -1, -1), hidden[:, :-1]], dim=1)
        wanted = labels[index, :width]
        mask = wanted != IGNORE
        states.append(predicting[mask])
        targets.append(wanted[mask])
        numbers.append(index[:, None].expand_as(wanted)[mask])
    return torch.cat(states), torch.cat(targets), torch.cat(numbers)


def length_batches(lengths: list[int], waste: float = 0.15, small: int = 1024) -> list[list[int]]:
    """Row numbers in batches of like length: padding stays below `waste` of a batch's tokens, where they exceed
    `small`.

    Small batches cost their kernel launches, not their arithmetic.
    """
    batches: list[list[int]] = []
    total = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batches:
            padded = lengths[batches[-1][0]] * (len(batches[-1]) + 1)
            if padded <= small or total + lengths[row] >= (1 - waste) * padded:
                batches[-1].append(row)
                total += lengths[row]
                continue
        batches.append([row])
        total = lengths[row]
    return batches


class _FrozenHead(torch.autograd.Function):
    """Log-probabilities under a head that is not trained, one part of the vocabulary at a time.

    A token's log-probability has one gradient with respect to its hidden state, the label's row of the head less the
    expected row. Total and expected row are summed as flash attention sums (arXiv 2205.14135; the head's rows are keys
    and values), so that no score is kept: with Gemma's vocabulary they take a megabyte a token.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        states = hidden.to(weight.dtype).T
        size = max(1, MOST_SCORES // len(labels))
        highest = _precise(weight.new_full(labels.shape, -torch.inf))
        total, wanted = torch.zeros_like(highest), torch.zeros_like(highest)
        expected = _precise(weight.new_zeros(states.shape))
        for start in range(0, len(weight), size):
            part = weight[start : start + size]
            scores = _precise(part @ states)
            inside = ((labels >= start) & (labels < start + size)).nonzero()[:, 0]
            wanted[inside] = scores[labels[inside] - start, inside]
            before, highest = highest, torch.maximum(highest, scores.amax(0))
            weights, fading = scores.sub_(highest).exp_(), (before - highest).exp_()
            total.mul_(fading).add_(weights.sum(0))
            if ctx.needs_input_grad[0]:
                expected.mul_(fading).add_(part.T @ weights.to(weight.dtype))
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward((weight[labels] - (expected / total).T).to(hidden.dtype))
        right = wanted == highest
        ctx.mark_non_differentiable(right)
        return wanted - highest - total.log(), right

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor, _: Any) -> tuple[torch.Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * slope[:, None].to(slopes.dtype), None, None


def _precise(scores: torch.Tensor) -> torch.Tensor:
    return scores if scores.dtype == torch.float64 else scores.float()


def token_log_probabilities(head: Any, hidden: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(log-probability, whether the greedy choice is right) of labels (N,) after hidden states (N, H), in float32 at
    least."""
    if type(head) is torch.nn.Linear and head.bias is None and not head.weight.requires_grad and len(labels):
        return _FrozenHead.apply(hidden, head.weight, labels)
    scores = _precise(head(hidden))
    return scores.log_softmax(-1).gather(-1, labels[:, None])[:, 0], scores.argmax(-1) == labels


def group_loss(model: Any, group: PrefixGroup) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross-entropy of a group's supervised tokens and how many of them the greedy choice gets right."""
    hidden, labels, _ = labelled_hidden(model.model, group)
    found, right = token_log_probabilities(model.lm_head, hidden, labels)
    return -found.sum(), right.sum()
