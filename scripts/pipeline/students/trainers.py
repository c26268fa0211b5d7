"""TRL's trainers over groups of rows that share a prefix. Import only after the base model is loaded (Unsloth
first)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from pipeline.artifacts import write_jsonl
from pipeline.errors import UserError
from pipeline.progress import Progress
from pipeline.students.shared_prefix import (
    IGNORE,
    PrefixGroup,
    group_loss,
    labelled_hidden,
    make_group,
    token_log_probabilities,
)
from pipeline.students.student import causal_lm

TIMED = ("runtime", "per_second", "flos")


def collate_groups(features: list[dict[str, Any]], pad_id: int) -> dict[str, Any]:
    """One group (rows, labels, row_ids) as the tensors of a PrefixGroup, `labels` (K, 1 + S) with a column more in
    front.

    Trainers count a batch's supervised tokens without the first of each row, which is one here where its prefix is a
    whole prompt.
    """
    (group,) = features
    made = make_group(group["rows"], group["labels"], pad_id)
    return {
        "prefix": made.prefix,
        "suffixes": made.suffixes,
        "labels": torch.nn.functional.pad(made.labels, (1, 0), value=IGNORE),
        "lengths": made.lengths,
        "row_ids": group["row_ids"],
    }


def group_of(inputs: dict[str, Any]) -> PrefixGroup:
    """The PrefixGroup that `collate_groups` took apart."""
    return PrefixGroup(inputs["prefix"], inputs["suffixes"], inputs["labels"][:, 1:], inputs["lengths"])


def collate_rows(features: list[dict[str, Any]], pad_id: int) -> dict[str, Any]:
    """The same group as an ordinary right-padded batch, each row with its whole prompt."""
    (group,) = features
    width = max(map(len, group["rows"]))
    pad = lambda rows, value: torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
    return {
        "input_ids": pad(group["rows"], pad_id),
        "attention_mask": pad([[1] * len(row) for row in group["rows"]], 0),
        "labels": pad(group["labels"], IGNORE),
        "row_ids": group["row_ids"],
    }


class GroupSFTTrainer(SFTTrainer):
    """SFTTrainer whose examples are groups of rows of one schema; its logging, checkpoints and schedule stay.

    With `shared_prefix` the prefix of a group is computed once and logits only where there is a label; without, the
    group is TRL's ordinary batch. Loss and gradients are the same, in one process or several.
    """

    def __init__(
        self, *args: Any, shared_prefix: bool, measure: Callable[[Any], dict[str, float]] | None, **kwargs: Any
    ):
        self.shared_prefix, self.measure = shared_prefix, measure
        pad_id = kwargs["processing_class"].pad_token_id
        collate = collate_groups if shared_prefix else collate_rows
        super().__init__(*args, data_collator=lambda features: collate(features, pad_id), **kwargs)
        self.model_accepts_loss_kwargs = True
        self.remove_callback(PrinterCallback)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().training_step(*args, **kwargs)
        # The loss does not go through the wrapped model's forward, so that DDP takes no mean of the gradients.
        if self.accelerator.num_processes > 1 and self.accelerator.sync_gradients:
            found = [p.grad for p in self.model.parameters() if p.grad is not None]
            mean = self.accelerator.reduce(torch.cat([grad.flatten() for grad in found]), "mean")
            for grad, part in zip(found, mean.split([grad.numel() for grad in found]), strict=True):
                grad.copy_(part.view_as(grad))
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        row_ids = inputs.pop("row_ids")
        if not self.shared_prefix:
            result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            loss = result[0] if return_outputs else result
        else:
            group = group_of(inputs)
            total, _ = group_loss(causal_lm(model), group)
            # Items are those of all processes, over whose losses and gradients the trainer takes means.
            items = (group.labels != IGNORE).sum()
            if num_items_in_batch is not None:
                items = num_items_in_batch / self.accelerator.num_processes
            loss = total / items
            result = (loss, None) if return_outputs else loss
        if not math.isfinite(loss.item()):
            raise UserError(
                f"the loss is {loss.item()} on rows {', '.join(row_ids)}; lower --learning-rate, or look at these rows "
                "in d_04"
            )
        return result

    def prediction_step(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> tuple[Any, None, None]:
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        metrics = super().evaluate(*args, **kwargs)
        if self.measure is not None:
            self.model.eval()
            measured = self.measure(causal_lm(self.model))
            self.model.train()
            self.log(measured)
            metrics |= measured
        return metrics


class MetricsFile(TrainerCallback):
    """Keeps a JSONL of everything logged, without timings, and shows progress."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what, self.bar = path, what, None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = Progress(state.max_steps, self.what)
        self.bar.update(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        last = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), None)
        self.bar.update(1, f"loss {last:.3f}" if last is not None else "")

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.write(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()
        self.write(state)

    def write(self, state: Any) -> None:
        rows = []
        for entry in state.log_history:
            kept = {k: v for k, v in entry.items() if not any(word in k for word in TIMED)}
            if len(kept) > 2 or "loss" in kept:
                rows.append(kept)
        write_jsonl(self.path, rows)


ONE_GROUP_EACH = {
    "per_device_train_batch_size": 1,
    "remove_unused_columns": False,
    "max_length": None,
    "gradient_checkpointing": False,
    "report_to": "none",
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
    "logging_nan_inf_filter": False,
    "optim": "adamw_torch_fused",
    "weight_decay": 0.0,
    "warmup_steps": 0,
}
"""Arguments of both trainers: one group a micro-batch, nothing cut, dropped or reported anywhere.

What decides an update is said, since Unsloth's configs have other defaults: AdamW of 8 bits, a weight decay, a warm-up.
"""


def on_one_gpu(config: Any) -> Any:
    """A trainer's config, for one GPU a process: where there are several, Trainer's DataParallel would take a group for
    each of them into a batch."""
    config._n_gpu = min(config.n_gpu, 1)
    return config


def sft_config(output: Path, **options: Any) -> SFTConfig:
    """SFTConfig for groups that are token ids already."""
    config = SFTConfig(
        output_dir=str(output),
        per_device_eval_batch_size=1,
        dataset_kwargs={"skip_prepare_dataset": True},
        packing=False,
        lr_scheduler_type="cosine",
        save_only_model=False,
        **ONE_GROUP_EACH | options,
    )
    return on_one_gpu(config)


def pair_log_probabilities(model: Any, group: PrefixGroup) -> torch.Tensor:
    """Summed log-probability of each row's completion: (K,). Rows 2i and 2i + 1 are chosen and rejected of a pair."""
    hidden, labels, rows = labelled_hidden(model.model, group)
    logps, _ = token_log_probabilities(model.lm_head, hidden, labels)
    return torch.zeros(len(group.lengths), device=logps.device).index_add(0, rows, logps)


class GroupDPOTrainer(DPOTrainer):
    """DPOTrainer over groups of pairs of one schema, the prompt's shared prefix computed once for all their sides.

    The reference is the policy as it is handed in: its log-probabilities stand in the groups (`reference`), so that the
    reward margin is 0 at the first step. An SFT term (`sft_weight`) keeps the chosen answers likely; alone (`method`
    rft) it is fine-tuning on them, after rejection-sampling fine-tuning (Yuan et al. 2023, arXiv 2308.01825); where no
    sample was right, the chosen answer is the teacher's. Where the chosen answers' log-probability falls by more than
    `max_chosen_drop` nats a completion on average, training stops.
    """

    def __init__(self, *args: Any, method: str, sft_weight: float, max_chosen_drop: float, **kwargs: Any) -> None:
        self.method, self.sft_weight, self.max_chosen_drop = method, sft_weight, max_chosen_drop
        self.stopped: str | None = None
        self.seen: dict[str, list[float]] = {}
        pad_id = kwargs["processing_class"].pad_token_id

        def collate(features: list[dict[str, Any]]) -> dict[str, Any]:
            batch = collate_groups(features, pad_id)
            return batch | {"reference": torch.tensor(features[0]["reference"])}

        super().__init__(*args, data_collator=collate, **kwargs)
        self.remove_callback(PrinterCallback)
        if "ref" in getattr(self.model, "peft_config", {}):
            self.model.delete_adapter("ref")

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any) -> Any:
        group = group_of(inputs)
        logps = pair_log_probabilities(causal_lm(model), group)
        ratio = logps - inputs["reference"].to(logps.device)
        chosen, rejected = ratio[0::2], ratio[1::2]
        tokens = (group.labels != IGNORE).sum(1).to(logps.device)[0::2]
        preference = -torch.nn.functional.logsigmoid(self.beta * (chosen - rejected))
        likelihood = -logps[0::2] / tokens
        loss = (likelihood if self.method == "rft" else preference + self.sft_weight * likelihood).mean()
        if not math.isfinite(loss.item()):
            raise UserError(
                f"the {self.method} loss is {loss.item()} on rows {', '.join(inputs['row_ids'])}; lower --dpo-learning-rate"
            )
        measured = {
            "rewards/margins": self.beta * (chosen - rejected),
            "rewards/accuracies": (chosen > rejected).float(),
            "logps/chosen": logps[0::2],
            "logps/rejected": logps[1::2],
            "chosen_change": chosen,
        }
        for key, value in measured.items():
            self.seen.setdefault(key, []).extend(value.detach().float().cpu().tolist())
        return (loss, None) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self.seen:
            logs |= {key: sum(values) / len(values) for key, values in self.seen.items()}
            self.seen.clear()
            if logs["chosen_change"] < -self.max_chosen_drop:
                self.stopped = (
                    f"the chosen answers' log-probability fell by {-logs['chosen_change']:.1f} nats at step "
                    f"{self.state.global_step}, more than --max-chosen-drop {self.max_chosen_drop}"
                )
                self.control.should_training_stop = True
        super().log(logs, start_time)


def dpo_config(output: Path, **options: Any) -> DPOConfig:
    """DPOConfig for groups whose reference log-probabilities come with the data."""
    config = DPOConfig(
        output_dir=str(output),
        precompute_ref_log_probs=True,
        lr_scheduler_type="linear",
        **ONE_GROUP_EACH | options,
    )
    return on_one_gpu(config)
