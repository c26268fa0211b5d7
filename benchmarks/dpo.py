"""DPO: TRL's DPOTrainer as shipped (LoRA, reference precomputed) against the trainer of this project.

Same pairs, same order, same updates. K pairs of one schema share a prefix of P tokens; chosen and rejected are the last
L of S tokens after it. TRL computes its reference as the base under the adapter, ours as the policy that is handed in;
with a fresh adapter the two are the same. The losses of every step are compared. The first step is left out of the
times.

    uv run python benchmarks/dpo.py
    uv run python benchmarks/dpo.py --model gemma3-270m-random --steps 2 --rows 2
    uv run python benchmarks/dpo.py --model gemma3-270m-random --device cuda --backend unsloth
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from typing import Any

import common

from pipeline import errors

BETA = 0.1


def pairs_of(args: argparse.Namespace, vocabulary: int) -> list[dict[str, Any]]:
    """One group a step: rows 2i and 2i + 1 have one prompt and end in chosen and rejected."""
    made = common.make_rows(args.steps, 2 * args.rows, args.prefix, args.suffix, args.labels, vocabulary)
    for group in made:
        for index in range(0, 2 * args.rows, 2):
            prompt = group["rows"][index][: -args.labels]
            group["rows"][index + 1][: -args.labels] = prompt
    return made


def baseline(args: argparse.Namespace) -> dict[str, Any]:
    """TRL as shipped, or as Unsloth changes it."""
    model = common.load_student(args)
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from pipeline.students.trainers import on_one_gpu

    cut = args.prefix + args.suffix - args.labels
    rows = [
        {
            "prompt_ids": group["rows"][i][:cut],
            "chosen_ids": group["rows"][i][cut:],
            "rejected_ids": group["rows"][i + 1][cut:],
        }
        for group in pairs_of(args, model.config.vocab_size)
        for i in range(0, 2 * args.rows, 2)
    ]

    class Prepared(DPOTrainer):
        """DPOTrainer whose rows are token ids already."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    config = DPOConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=args.micro_batch, beta=BETA, max_length=None,
        gradient_accumulation_steps=args.rows // args.micro_batch, precompute_ref_log_probs=True,
        gradient_checkpointing=False, report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
        lr_scheduler_type="linear", **common.trainer_settings(args),
    )  # fmt: skip
    config = on_one_gpu(config)
    clock = common.Clock()
    started = time.perf_counter()
    data = Dataset.from_list(rows)
    trainer = Prepared(model, args=config, train_dataset=data, processing_class=common.tokenizer(), callbacks=[clock])
    reference = time.perf_counter() - started
    return common.trained(trainer, clock, args.device) | {"reference_seconds": reference}


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Shared prefixes, for policy and reference."""
    model = common.load_student(args)
    from datasets import Dataset

    from pipeline.students.trainers import GroupDPOTrainer, dpo_config
    from train_alignment import add_reference

    groups = pairs_of(args, model.config.vocab_size)
    started = time.perf_counter()
    add_reference(groups, model.get_base_model(), 0)
    reference = time.perf_counter() - started
    config = dpo_config(tempfile.mkdtemp(), gradient_accumulation_steps=1, beta=BETA, **common.trainer_settings(args))
    clock = common.Clock()
    trainer = GroupDPOTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(groups), callbacks=[clock],
        processing_class=common.tokenizer(), method="dpo", sft_weight=0.0, max_chosen_drop=1e9,
    )  # fmt: skip
    return common.trained(trainer, clock, args.device) | {"reference_seconds": reference}


def references(theirs: dict[str, Any], mine: dict[str, Any]) -> dict[str, Any]:
    """What the log-probabilities of the reference took, once for all steps."""
    sides = {"baseline": theirs, "ours": mine}
    return {f"seconds_reference_{side}": found["reference_seconds"] for side, found in sides.items()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_training_arguments(parser)
    parser.add_argument("--rows", type=int, default=8, help="K: pairs a schema")
    parser.add_argument("--micro-batch", type=int, help="the baseline's pairs (default: 8 embedded, 2 for 270M)")
    args = parser.parse_args(argv)
    args.micro_batch = common.micro_batch(args, embedded=8, large=2)
    if args.side:
        print(json.dumps({"baseline": baseline, "ours": ours}[args.side](args)))
        return 0
    given = sys.argv[1:] if argv is None else argv
    named = f"trl.DPOTrainer, micro-batch {args.micro_batch} pairs"
    return common.compare_trainers(args, given, "dpo", named, 2 * args.rows, references)


if __name__ == "__main__":
    errors.run(main)
