"""SFT: train the student on the corpus with LoRA, inside TRL's SFTTrainer.

Rows of one schema form groups that share their prompt's prefix; an optimiser step sees groups of several schemas. Only
completions are supervised. Every row is checked before training (labels there, nothing cut), a loss that is not finite
stops the run and names the rows. At each evaluation the validation loss and the generated exact match on a few
validation rows are measured; the best checkpoint wins; training stops early without progress. A killed run goes on
from its newest checkpoint.

In   outputs/d_02_final_schemas.jsonl, outputs/d_03_dataset.jsonl, outputs/d_04_training_corpus.jsonl
Out  outputs/student_runs/<run>/checkpoint-final/          adapter and tokenizer
     outputs/student_runs/<run>/checkpoint-<step>/         to go on from
     outputs/student_runs/<run>/training_metrics.jsonl     step, epoch, loss, eval_loss, eval_exact_match, ...
     outputs/student_runs/<run>/run_config.json            options, versions, commit, hardware, hashes of the data

    uv run python scripts/train_student.py --config config/offline.json
    uv run python scripts/train_student.py --config config/offline.json --max-steps 2 --max-samples 8
    uv run python scripts/train_student.py --learning-rate 2e-4 --lora-rank 64
    uv run accelerate launch --num-processes 4 scripts/train_student.py    # docs/SCALING.md
"""

from __future__ import annotations

import json
import platform
import random
import shutil
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from pipeline import errors
from pipeline.artifacts import Stage, commit, content_id, jsonl_row, locked, placed_jsonl, read_jsonl, write_json
from pipeline.config import parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.processes import main_process, processes

VERSION = 5
LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")


class Place(NamedTuple):
    """Where a row stands in d_04, in bytes, and the schema that it is of."""

    schema_id: str
    start: int


def corpus_places(path: Path, most: int | None) -> dict[str, list[Place]]:
    """Split -> where its rows stand, the first `most` of each.

    Raises UserError where there is nothing to train on, and for a row that is none of a corpus.
    """
    found: dict[str, list[Place]] = {"train": [], "validation": []}
    for number, (start, row) in enumerate(placed_jsonl(path, "build_training_corpus.py"), 1):
        if not {"row_id", "schema_id", "prompt", "completion"} <= row.keys() or row.get("split") not in found:
            raise UserError(
                f"{path} line {number} is no row of a corpus; make the file again with build_training_corpus.py --force"
            )
        if most is None or len(found[row["split"]]) < most:
            found[row["split"]].append(Place(row["schema_id"], start))
    if not found["train"]:
        raise UserError(f"{path} has no train rows; run build_training_corpus.py")
    return found


def make_groups(places: list[Place], size: int, seed: int) -> list[list[int]]:
    """Groups of at most `size` rows of one schema, as their places in d_04."""
    by_schema: dict[str, list[int]] = {}
    for place in places:
        by_schema.setdefault(place.schema_id, []).append(place.start)
    groups = []
    for schema_id, members in sorted(by_schema.items()):
        random.Random(f"{seed}-{schema_id}").shuffle(members)
        groups += [members[start : start + size] for start in range(0, len(members), size)]
    random.Random(f"{seed}-groups").shuffle(groups)
    return groups


def encode_group(rows: list[dict[str, Any]], renderer: Any, limit: int) -> dict[str, Any]:
    """{"rows": token ids, "labels": token ids, "row_ids"} of d_04 rows of one schema.

    Rows that would be cut, or have nothing to learn from, raise UserError.
    """
    from pipeline.students.shared_prefix import IGNORE

    group: dict[str, Any] = {"rows": [], "labels": [], "row_ids": []}
    for row in rows:
        prompt, answer = renderer.prompt(row["prompt"]), renderer.answer(row["completion"])
        if len(prompt) + len(answer) > limit:
            raise UserError(
                f"row {row['row_id']} has {len(prompt) + len(answer)} tokens, more than --max-seq-length "
                f"{limit}; run build_training_corpus.py with the same value"
            )
        if len(answer) < 2:
            raise UserError(f"row {row['row_id']} has an empty completion; make the corpus again with --force")
        group["rows"].append(prompt + answer)
        group["labels"].append([IGNORE] * len(prompt) + answer)
        group["row_ids"].append(row["row_id"])
    return group


def grouped_rows(corpus: Path, groups: list[list[int]], renderer: Any, limit: int) -> Any:
    """A datasets.Dataset of `encode_group`'s groups, read and made when they are asked for: memory does not grow with
    rows."""
    from datasets import Dataset

    def encoded(batch: dict[str, list[list[int]]]) -> dict[str, list[Any]]:
        with corpus.open("rb") as file:
            made = [encode_group([jsonl_row(file, at) for at in group], renderer, limit) for group in batch["places"]]
        return {key: [group[key] for group in made] for key in made[0]}

    return Dataset.from_dict({"places": groups}).with_transform(encoded)


def supervised_tokens(groups: Any) -> tuple[int, int]:
    """(tokens with a label, the most of one row) of all groups; that each is made once shows that every row can be."""
    from pipeline.progress import progress
    from pipeline.students.shared_prefix import IGNORE

    total = longest = 0
    for number in progress(range(len(groups)), "groups checked"):
        counts = [sum(label != IGNORE for label in row) for row in groups[number]["labels"]]
        total, longest = total + sum(counts), max(longest, *counts)
    return total, longest


def generated_exact_match(layout: Layout, renderer: Any, count: int, max_new_tokens: int) -> Any:
    """A function that answers a few validation rows with a model and returns their exact match."""
    from pipeline.schemas.asts import equal_json, parse_answer
    from pipeline.students.evaluation import batches, load_schemas
    from pipeline.students.generation import generate

    schemas = load_schemas(layout.schemas)
    rows = [r for r in read_jsonl(layout.dataset, "generate_dataset.py") if r["split"] == "validation"]
    rows = rows[:: max(1, len(rows) // count)][:count]

    def measure(model: Any) -> dict[str, float]:
        right = total = 0
        for members in batches(rows, schemas, 48):
            prompts = [
                renderer.request(schemas[r["schema_id"]]["schema"], r["query"], r["current_date"]) for r in members
            ]
            answers = generate(model, prompts, end_ids=renderer.end_ids, max_new_tokens=max_new_tokens)
            for row, answer in zip(members, answers, strict=True):
                total += 1
                try:
                    right += equal_json(parse_answer(renderer.text(answer.tokens)), row["ast"])
                except ValueError:
                    continue
        return {"eval_exact_match": right / total, "eval_generated_rows": total}

    return measure


def last_checkpoint(layout: Layout, key: str, resume: bool) -> str | None:
    """The newest checkpoint of these facts; checkpoints of others are moved to replaced/."""
    marker = layout.student / "training_state.json"
    found = sorted(layout.student.glob("checkpoint-[0-9]*"), key=lambda p: int(p.name.split("-")[1]))
    same = marker.exists() and json.loads(marker.read_text(encoding="utf-8")).get("facts") == key
    complete = [path for path in found if (path / "trainer_state.json").exists()]
    if same and resume and complete:
        return str(complete[-1])
    if found:
        folder = (
            layout.root
            / "replaced"
            / f"checkpoints-{content_id(str(marker.stat().st_mtime) if marker.exists() else '')[:8]}"
        )
        folder.mkdir(parents=True, exist_ok=True)
        for path in found:
            shutil.move(path, folder / path.name)
        print(f"training: older checkpoints are kept in {folder}")
    write_json(marker, {"facts": key})
    return None


def run_config(options: SimpleNamespace, stage: Stage, placement: Any, extra: dict[str, Any]) -> dict[str, Any]:
    """What a reader needs to make this run again."""
    import torch

    gpu = torch.cuda.get_device_name() if placement.device == "cuda" else None
    return {
        "options": {name: vars(getattr(options, name)) for name in ("run", "student", "training")},
        "placement": vars(placement),
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "gpu": gpu,
            "threads": torch.get_num_threads(),
        },
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "commit": commit(),
        "data": stage.facts["inputs"],
        **extra,
    }


def training_arguments(options: SimpleNamespace, layout: Layout, placement: Any, groups: int, validated: bool) -> Any:
    """The SFTConfig of these options: steps from the epochs, evaluations spread evenly, the best checkpoint kept."""
    from pipeline.students.trainers import sft_config

    training, run = options.training, options.run
    world = processes()
    if training.groups_per_step % world:
        raise UserError(
            f"--groups-per-step {training.groups_per_step} cannot be shared by {world} processes; give a multiple of {world}"
        )
    steps = max(1, round(training.epochs * groups / training.groups_per_step))
    steps = min(steps, run.max_steps or steps)
    every = max(1, steps // training.evaluations)
    return sft_config(
        layout.student,
        max_steps=steps,
        gradient_accumulation_steps=training.groups_per_step // world,
        learning_rate=training.learning_rate,
        warmup_steps=round(training.warmup_share * steps),
        weight_decay=training.weight_decay,
        logging_steps=max(1, every // 5),
        eval_strategy="steps" if validated else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=validated,
        metric_for_best_model="eval_loss" if validated else None,
        greater_is_better=False if validated else None,
        seed=run.seed,
        data_seed=run.seed,
        use_cpu=placement.device == "cpu",
        bf16=placement.dtype == "bfloat16",
        fp16=False,
    )


def counts_of(trainer: Any, groups: list[list[int]], supervised: int) -> dict[str, Any]:
    """What was trained on, and where it ended, for the record and the report."""
    from pipeline.students.student import causal_lm

    measured = [e["eval_exact_match"] for e in trainer.state.log_history if "eval_exact_match" in e]
    return {
        "rows": sum(map(len, groups)),
        "groups": len(groups),
        "steps": trainer.state.global_step,
        "supervised_tokens": supervised,
        "trainable_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "parameters": sum(p.numel() for p in causal_lm(trainer.model).parameters()),
        "best_validation_loss": trainer.state.best_metric,
        "last_generated_exact_match": measured[-1] if measured else None,
    }


def say_where(student: SimpleNamespace, placement: Any) -> None:
    """Print what is trained where, and whether more GPUs are there than are used."""
    import torch

    from pipeline.students.student import said_of

    several = f", {processes()} processes" if processes() > 1 else ""
    print(f"training: {said_of(student, placement)}{several}")
    gpus = torch.cuda.device_count() if placement.device == "cuda" else 0
    if processes() < gpus:
        print(f"training: on {processes()} of {gpus} GPUs; docs/SCALING.md says how to take them all")


def train(options: SimpleNamespace, layout: Layout, stage: Stage, places: dict[str, list[Place]]) -> dict[str, Any]:
    """Train, write the adapter, the metrics and the run's config; returns counts for the record."""
    from pipeline.students.student import Renderer, add_lora, load_base, load_tokenizer, place, save_adapter

    training, student, run = options.training, options.student, options.run
    placement = place(student, trains=True, whole=training.lora_rank == 0)
    if main_process():
        say_where(student, placement)
    model = load_base(student, placement)
    tokenizer = load_tokenizer(student.base_model)
    model = add_lora(model, student, placement, training.lora_rank, training.lora_alpha, run.seed)

    import torch
    from transformers import EarlyStoppingCallback

    from pipeline.students.trainers import GroupSFTTrainer, MetricsFile

    renderer = Renderer(tokenizer)
    groups, validation = (
        make_groups(places[split], training.rows_per_group, run.seed) for split in ("train", "validation")
    )
    data, validation_data = (
        grouped_rows(layout.corpus, made, renderer, student.max_seq_length) for made in (groups, validation)
    )
    supervised, _ = supervised_tokens(data)
    config = training_arguments(options, layout, placement, len(groups), bool(validation))
    # All processes have read what they need of older outputs: the main one may move them, then the others look again.
    with config.main_process_first(local=False, desc="older outputs"):
        checkpoint = last_checkpoint(layout, content_id(stage.facts), training.resume)
        if main_process():
            if checkpoint is None:
                stage.set_aside()
            shutil.rmtree(layout.sft_adapter, ignore_errors=True)
    measure = None
    if main_process() and validation and training.generated_rows:
        _, longest = supervised_tokens(validation_data)
        measure = generated_exact_match(layout, renderer, training.generated_rows, longest + 8)
    torch.manual_seed(run.seed)
    trainer = GroupSFTTrainer(
        model=model,
        args=config,
        train_dataset=data,
        eval_dataset=validation_data if validation else None,
        processing_class=tokenizer,
        shared_prefix=training.shared_prefix,
        measure=measure,
        callbacks=([MetricsFile(layout.training_metrics, "SFT steps")] if main_process() else [])
        + ([EarlyStoppingCallback(training.patience)] if validation else []),
    )
    if checkpoint and main_process():
        print(f"training: going on from {checkpoint}")
    trainer.train(resume_from_checkpoint=checkpoint)
    counts = counts_of(trainer, groups, supervised)
    if main_process():
        save_adapter(trainer.model, tokenizer, layout.sft_adapter, student)
        write_json(layout.run_config, run_config(options, stage, placement, {"counts": counts}))
    return counts


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "student", "training"))
    layout = Layout(options.run)
    from pipeline.students.student import base_inputs, model_facts

    ignored = ("resume",)
    facts = {
        "training": {k: v for k, v in vars(options.training).items() if k not in ignored},
        "student": model_facts(options.student),
        "seed": options.run.seed,
        "max_steps": options.run.max_steps,
        "max_samples": options.run.max_samples,
    }
    with locked(layout.root, "training", several=True):
        stage = Stage(
            "training", VERSION, layout.root, [layout.sft_adapter, layout.training_metrics, layout.run_config], facts,
            [layout.corpus, *base_inputs(options.student.base_model)],
        )  # fmt: skip
        if not options.force and stage.up_to_date():
            return 0
        counts = train(options, layout, stage, corpus_places(layout.corpus, options.run.max_samples))
        if main_process():
            best = counts["best_validation_loss"]
            loss = "not measured" if best is None else f"{best:.4f}"
            stage.finish(
                counts,
                f"{counts['steps']} steps over {counts['rows']} rows, validation loss {loss}, "
                f"generated exact match {counts['last_generated_exact_match']} -> {layout.sft_adapter}",
            )
    return 0


if __name__ == "__main__":
    errors.run(main)
