"""Alignment: train the SFT student on its own pairs, and keep the result only if it is better on rows kept for that.

`--method dpo` prefers the chosen answer of a pair to the rejected one; `--method rft` fine-tunes on the chosen answers
alone. The reference is the SFT policy; its log-probabilities are computed once. Afterwards both adapters answer the
decision schemas of the align split, which made no pairs; the aligned one becomes the run's result only if the lower
bound of its paired difference exceeds `--margin`. No decision is made by test rows.

In   outputs/student_runs/<run>/alignment/dpo_pairs.jsonl, the SFT adapter, d_02, d_03
Out  outputs/student_runs/<run>/alignment/checkpoint-final/          the aligned adapter
     outputs/student_runs/<run>/alignment/alignment_metrics.jsonl    step, loss, rewards/margins, logps/chosen, ...
     outputs/student_runs/<run>/result.json                          which adapter won, and why

    uv run python scripts/train_alignment.py --config config/offline.json
    ./runAlignment.sh --config config/defaults.json --adapter CKPT --teacher-model ID
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, locked, read_jsonl, write_json, write_jsonl
from pipeline.config import parse_options
from pipeline.paths import Layout
from pipeline.progress import progress
from pipeline.statistics import paired_difference
from pipeline.students.evaluation import Answerer, batches, decision_rows, judged, load_schemas

VERSION = 4


def make_groups(pairs: list[dict[str, Any]], renderer: Any, size: int) -> list[dict[str, Any]]:
    """Groups of at most `size` pairs of one schema; rows alternate between chosen and rejected."""
    from pipeline.students.shared_prefix import IGNORE

    schemas: dict[str, list[dict[str, Any]]] = {}
    for pair in pairs:
        schemas.setdefault(pair["schema_id"], []).append(pair)
    groups = []
    for members in schemas.values():
        for start in range(0, len(members), size):
            group: dict[str, Any] = {"rows": [], "labels": [], "row_ids": []}
            for pair in members[start : start + size]:
                prompt = renderer.prompt(pair["prompt"])
                for side in ("chosen", "rejected"):
                    answer = renderer.answer(pair[side])
                    group["rows"].append(prompt + answer)
                    group["labels"].append([IGNORE] * len(prompt) + answer)
                group["row_ids"].append(pair["row_id"])
            groups.append(group)
    return groups


def add_reference(groups: list[dict[str, Any]], model: Any, pad_id: int) -> None:
    """Write the policy's log-probability of every row into the groups, as they are before training."""
    import torch

    from pipeline.students.shared_prefix import make_group
    from pipeline.students.trainers import pair_log_probabilities

    model.eval()
    with torch.no_grad():
        for group in progress(groups, "reference groups"):
            made = make_group(group["rows"], group["labels"], pad_id)
            group["reference"] = pair_log_probabilities(model, made).tolist()


def align(
    options: SimpleNamespace, layout: Layout, adapter: Path, pairs: list[dict[str, Any]]
) -> tuple[Any, dict[str, Any]]:
    """Train and save the adapter; returns (renderer, counts)."""
    from pipeline.students.student import (
        Renderer,
        causal_lm,
        holds_all_weights,
        load_student,
        load_tokenizer,
        place,
        save_adapter,
    )

    settings, student, run = options.alignment, options.student, options.run
    placement = place(student, trains=True, whole=holds_all_weights(adapter))
    print(f"alignment: {adapter}, {placement.say()}")
    model = load_student(student, placement, adapter, trainable=True)
    tokenizer = load_tokenizer(student.base_model)
    renderer = Renderer(tokenizer)
    counts = {"method": settings.method, "pairs": len(pairs)}
    if not pairs:
        write_jsonl(layout.alignment_metrics, [])
        save_adapter(model, tokenizer, layout.dpo_adapter, student)
        return renderer, counts | {"steps": 0, "stopped": "there are no pairs: no sample was wrong"}

    import torch
    from datasets import Dataset

    from pipeline.students.trainers import GroupDPOTrainer, MetricsFile, dpo_config

    groups = make_groups(pairs, renderer, settings.pairs_per_group)
    add_reference(groups, causal_lm(model), tokenizer.pad_token_id)
    steps = max(1, round(settings.epochs * len(groups) / settings.groups_per_step))
    steps = min(steps, run.max_steps or steps)
    torch.manual_seed(run.seed)
    trainer = GroupDPOTrainer(
        model=model,
        args=dpo_config(
            layout.alignment, max_steps=steps, gradient_accumulation_steps=settings.groups_per_step,
            learning_rate=settings.learning_rate, beta=settings.beta, logging_steps=1, save_strategy="no",
            seed=run.seed, data_seed=run.seed, use_cpu=placement.device == "cpu", bf16=placement.dtype == "bfloat16",
        ),
        train_dataset=Dataset.from_list(groups),
        processing_class=tokenizer,
        method=settings.method,
        sft_weight=settings.sft_weight,
        max_chosen_drop=settings.max_chosen_drop,
        callbacks=[MetricsFile(layout.alignment_metrics, f"{settings.method} steps")],
    )  # fmt: skip
    trainer.train()
    save_adapter(trainer.model, tokenizer, layout.dpo_adapter, student)
    last = next((e for e in reversed(trainer.state.log_history) if "rewards/margins" in e), {})
    counts |= {"steps": trainer.state.global_step, "stopped": trainer.stopped}
    return renderer, counts | {key: last.get(key) for key in ("rewards/margins", "chosen_change")}


def passes(
    options: SimpleNamespace,
    adapter: Path,
    renderer: Any,
    rows: list[dict[str, Any]],
    schemas: dict[str, dict[str, Any]],
) -> dict[str, bool]:
    """row_id -> whether the adapter's greedy free answer means what is expected."""
    from pipeline.schemas.asts import SchemaJudges
    from pipeline.students.student import load_answering, place

    settings = options.evaluation
    model = load_answering(options.student, place(options.student), adapter)
    answerer = Answerer(model, renderer, settings.max_new_tokens)
    found, judges = {}, SchemaJudges()
    jobs = batches(rows, schemas, settings.batch_rows)
    calls = [{"schema_rows": [schemas[row["schema_id"]] for row in members], "rows": members} for members in jobs]
    for call, answers in zip(progress(calls, "decision batches"), answerer.each(calls), strict=True):
        for row, schema_row, answer in zip(call["rows"], call["schema_rows"], answers, strict=True):
            found[row["row_id"]] = judged(row, answer, "free", judges.of(schema_row), None)["semantic_match"]
    return found


def decide(
    before: dict[str, bool], after: dict[str, bool], rows: list[dict[str, Any]], margin: float, counts: dict[str, Any]
) -> dict[str, Any]:
    """Which adapter is the run's result, and why; `counts` are those of `align`."""
    method, stopped = counts["method"].upper(), counts["stopped"]
    difference = paired_difference((r["schema_id"], before[r["row_id"]], after[r["row_id"]]) for r in rows)
    low = difference["low"]
    better = low is not None and difference["difference"] > 0 and low > margin and not stopped
    if stopped:
        why = f"kept SFT: {stopped}"
    elif low is None:
        why = "kept SFT: fewer than two decision schemas, so that no interval can be given"
    else:
        said = f"{method} minus SFT is {100 * difference['difference']:+.1f} points ({100 * low:+.1f} to {100 * difference['high']:+.1f})"
        said += f" on {difference['rows']} rows of {difference['schemas']} schemas kept for this decision"
        why = f"kept {method}: {said}" if better else f"kept SFT: {said}; its lower bound is not above {100 * margin:g}"
    return {"winner": "dpo" if better else "sft", "why": why, "decision": difference, "margin": margin}


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "teacher", "student", "evaluation", "pairs", "alignment"))
    layout = Layout(options.run)
    from pipeline.students.student import base_inputs, check_adapter

    adapter = Path(options.evaluation.adapter) if options.evaluation.adapter else layout.sft_adapter
    with locked(layout.root, "alignment"):
        check_adapter(adapter, options.student.base_model)
        facts = {"alignment": vars(options.alignment)}
        facts |= {
            "base_model": options.student.base_model,
            "seed": options.run.seed,
            "max_steps": options.run.max_steps,
        }
        facts |= {"decision_share": options.pairs.decision_share, "max_samples": options.run.max_samples}
        facts |= {"max_new_tokens": options.evaluation.max_new_tokens}
        inputs = [layout.pairs, layout.schemas, layout.dataset, adapter, *base_inputs(options.student.base_model)]
        outputs = [layout.dpo_adapter, layout.alignment_metrics, layout.result]
        stage = Stage("alignment", VERSION, layout.root, outputs, facts, inputs)
        if not options.force and stage.up_to_date():
            return 0
        pairs = list(read_jsonl(layout.pairs, "build_alignment_pairs.py"))
        rows = [r for r in read_jsonl(layout.dataset, "generate_dataset.py") if r["split"] == "align"]
        kept = decision_rows(rows, options.pairs.decision_share)
        rows = [r for r in rows if r["row_id"] in kept][: options.run.max_samples]
        stage.set_aside()
        shutil.rmtree(layout.dpo_adapter, ignore_errors=True)
        schemas = load_schemas(layout.schemas)
        renderer, counts = align(options, layout, adapter, pairs)
        folders = {"sft": adapter, "dpo": layout.dpo_adapter}
        passed = {name: passes(options, folder, renderer, rows, schemas) for name, folder in folders.items()}
        result = decide(passed["sft"], passed["dpo"], rows, options.alignment.margin, counts)
        result["adapter"] = stage.relative(folders[result["winner"]])
        write_json(layout.result, result)
        stage.finish(counts | {"winner": result["winner"]}, f"{result['why']} -> {layout.result}")
    return 0


if __name__ == "__main__":
    errors.run(main)
