"""SFT: TRL's SFTTrainer as shipped (completion-only loss) against the trainer of this project, LoRA on both.

Same rows, same order, same updates, same seed. The losses of every step and the adapters at the end are compared.
Random tokens: prefix P, suffix S with L supervised tokens, K rows a schema. The first step is left out of the times.

    uv run python benchmarks/sft.py
    uv run python benchmarks/sft.py --model gemma3-270m-random --steps 2
    uv run python benchmarks/sft.py --model gemma3-270m-random --device cuda
    uv run python benchmarks/sft.py --model gemma3-270m-random --device cuda --backend unsloth
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from typing import Any

import common

from pipeline import errors


def groups_of(args: argparse.Namespace, model: Any) -> list[dict[str, Any]]:
    """One group a step."""
    return common.make_rows(
        args.steps, args.rows, args.prefix, args.suffix, args.labels, model.config.vocab_size
    )  # fmt: skip


def baseline(args: argparse.Namespace) -> dict[str, Any]:
    """TRL as shipped, or as Unsloth changes it."""
    model = common.load_student(args)
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from pipeline.students.trainers import on_one_gpu

    rows = [
        {"input_ids": row, "completion_mask": [int(label != -100) for label in labels]}
        for group in groups_of(args, model)
        for row, labels in zip(group["rows"], group["labels"], strict=True)
    ]
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=args.micro_batch,
        gradient_accumulation_steps=args.rows // args.micro_batch, completion_only_loss=True, max_length=None,
        gradient_checkpointing=False, report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
        lr_scheduler_type="cosine", **common.trainer_settings(args),
    )  # fmt: skip
    config = on_one_gpu(config)
    clock = common.Clock()
    data = Dataset.from_list(rows)
    trainer = SFTTrainer(model, config, train_dataset=data, processing_class=common.tokenizer(), callbacks=[clock])
    return common.trained(trainer, clock, args.device)


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Shared prefixes."""
    model = common.load_student(args)
    from datasets import Dataset

    from pipeline.students.trainers import GroupSFTTrainer, sft_config

    config = sft_config(tempfile.mkdtemp(), gradient_accumulation_steps=1, **common.trainer_settings(args))
    clock = common.Clock()
    trainer = GroupSFTTrainer(
        model, config, train_dataset=Dataset.from_list(groups_of(args, model)), callbacks=[clock],
        processing_class=common.tokenizer(), shared_prefix=True, measure=None,
    )  # fmt: skip
    return common.trained(trainer, clock, args.device)


def weights(theirs: dict[str, Any], mine: dict[str, Any]) -> dict[str, Any]:
    """How the adapters differ at the end."""
    return {"max_difference_weights": common.largest_difference(theirs["adapter"], mine["adapter"])}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_training_arguments(parser)
    parser.add_argument("--rows", type=int, default=16, help="K: rows a schema")
    parser.add_argument("--micro-batch", type=int, help="the baseline's (default: 16 embedded, 4 for 270M: what fits)")
    args = parser.parse_args(argv)
    args.micro_batch = common.micro_batch(args, embedded=16, large=4)
    if args.side:
        print(json.dumps({"baseline": baseline, "ours": ours}[args.side](args)))
        return 0
    given = sys.argv[1:] if argv is None else argv
    named = f"trl.SFTTrainer, completion-only, micro-batch {args.micro_batch}"
    return common.compare_trainers(args, given, "sft", named, args.rows, weights)


if __name__ == "__main__":
    errors.run(main)
