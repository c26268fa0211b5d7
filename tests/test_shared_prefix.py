"""Shared prefixes change the cost of training, never its loss or gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm

from pipeline.students import shared_prefix
from pipeline.students.shared_prefix import IGNORE, common_prefix_length, group_loss, length_batches, make_group
from pipeline.students.student import LORA_TARGETS, causal_lm

PAD = 0


def rows_with_prefix(prefix: int, suffixes: list[int], seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda count: torch.randint(6, 2048, (count,), generator=generator).tolist()
    start = draw(prefix)
    rows = [[*start, 10 + index, *draw(length)] for index, length in enumerate(suffixes)]
    labels = [
        [IGNORE] * (len(row) - length // 2 - 1) + row[len(row) - length // 2 - 1 :]
        for row, length in zip(rows, suffixes, strict=True)
    ]
    return rows, labels


def plain_loss(model: torch.nn.Module, rows: list[list[int]], labels: list[list[int]]) -> torch.Tensor:
    """Summed cross-entropy, each row alone through the whole model with logits everywhere."""
    total = torch.zeros((), dtype=next(model.parameters()).dtype)
    for row, wanted in zip(rows, labels, strict=True):
        logits = model(input_ids=torch.tensor([row])).logits[0, :-1]
        total = total + torch.nn.functional.cross_entropy(
            logits, torch.tensor(wanted[1:]), ignore_index=IGNORE, reduction="sum"
        )
    return total


def with_lora(model: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    wrapped = get_peft_model(
        copy.deepcopy(model), LoraConfig(r=4, lora_alpha=8, target_modules=LORA_TARGETS, task_type="CAUSAL_LM")
    )
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return wrapped


@pytest.fixture
def norms_keep_their_dtype(monkeypatch):
    """Gemma's RMSNorm computes in float32 whatever comes in; for a proof in float64 it must not."""

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * (1.0 + self.weight)

    monkeypatch.setattr(Gemma3RMSNorm, "forward", forward)


def gradients(model: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad and p.grad is not None])


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("lora", "scores"), [(False, 1 << 25), (True, 1 << 25), (True, 5000), (True, 1)])
def test_loss_and_gradients_equal_those_of_separate_rows(
    tiny_student, norms_keep_their_dtype, monkeypatch, dtype, limit, lora, scores
):
    """All weights and LoRA; with LoRA the head is not trained, and its scores are made a part of the vocabulary at a
    time."""
    monkeypatch.setattr(shared_prefix, "MOST_SCORES", scores)
    model = with_lora(tiny_student.model) if lora else copy.deepcopy(tiny_student.model)
    model = model.to(dtype)
    rows, labels = rows_with_prefix(150, [40, 12, 90, 13, 61])
    expected_loss = plain_loss(model, rows, labels)
    expected = gradients(model, expected_loss)
    loss, _ = group_loss(causal_lm(model), make_group(rows, labels, PAD))
    found = gradients(model, loss)
    assert abs(loss.item() - expected_loss.item()) / abs(expected_loss.item()) < limit
    assert ((found - expected).norm() / expected.norm()).item() < limit


def test_losses_stay_equal_over_optimiser_steps(tiny_student, norms_keep_their_dtype):
    losses = []
    for shared in (True, False):
        model = with_lora(tiny_student.model).to(torch.float64)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        found = []
        for step in range(4):
            rows, labels = rows_with_prefix(100, [20, 35, 8], seed=step)
            group = make_group(rows, labels, PAD)
            loss = group_loss(causal_lm(model), group)[0] if shared else plain_loss(model, rows, labels)
            found.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_a_group_of_one_row_and_of_equal_rows_works(tiny_student):
    rows, labels = rows_with_prefix(60, [20])
    for members in (1, 3):
        loss, _ = group_loss(tiny_student.model, make_group(rows * members, labels * members, PAD))
        assert loss.item() == pytest.approx(members * plain_loss(tiny_student.model, rows, labels).item(), rel=1e-4)


def test_trainers_log_the_losses_of_separate_rows_and_count_a_first_label(tiny_student, tmp_path):
    """Two groups an update, one of a single row: its prefix is a whole prompt, and its suffix begins with a label."""
    from datasets import Dataset

    from pipeline.students.trainers import GroupSFTTrainer, collate_groups, sft_config

    groups = []
    for seed, suffixes in enumerate(([20], [9, 30], [15], [40, 8, 21])):
        rows, labels = rows_with_prefix(70, suffixes, seed)
        groups.append({"rows": rows, "labels": labels, "row_ids": [str(seed)]})
    assert collate_groups(groups[:1], PAD)["labels"][0, 1] != IGNORE
    logged = []
    for shared in (True, False):
        config = sft_config(
            tmp_path / str(shared), max_steps=2, gradient_accumulation_steps=2, logging_steps=1, learning_rate=1e-3,
            use_cpu=True, bf16=False, seed=0,
        )  # fmt: skip
        trainer = GroupSFTTrainer(
            model=with_lora(tiny_student.model), args=config, train_dataset=Dataset.from_list(groups),
            processing_class=tiny_student.renderer.tokenizer, shared_prefix=shared, measure=None,
        )  # fmt: skip
        trainer.train()
        logged.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert logged[0] == pytest.approx(logged[1], rel=1e-5)


def test_prefix_ends_before_the_first_label_even_where_rows_agree_further():
    rows = [[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]]
    labels = [[IGNORE, IGNORE, 3, 4, 5], [IGNORE, IGNORE, 3, 4, 6]]
    group = make_group(rows, labels, PAD)
    assert group.prefix.tolist() == [1, 2]
    assert group.labels.tolist() == [[3, 4, 5], [3, 4, 6]]


def test_common_prefix_length_is_that_of_all_rows():
    assert common_prefix_length([[1, 2, 3], [1, 2], [1, 2, 9]]) == 2
    assert common_prefix_length([[1], [2]]) == 0


def test_length_batches_hold_every_row_once_and_waste_little():
    lengths = [100, 2000, 1960, 140, 120, 1000, 980, 1020, 100]
    batches = length_batches(lengths)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[row] for row in batch)
        assert padded <= 1024 or sum(lengths[row] for row in batch) >= 0.85 * padded


def test_short_rows_stay_in_one_batch():
    assert len(length_batches([5, 100, 98, 7, 6, 50, 49, 51, 5])) == 1
