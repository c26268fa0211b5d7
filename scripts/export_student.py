"""The student leaves: adapter merged into safetensors, made a model of an Ollama server, and blessed there.

Merged weights are compared with adapter and base before anything is written. Where an Ollama server answers, the model
is made there and answers validation rows again over HTTP: prompt token counts must be those of training, and greedy
answers equal, or, where they part, the two tokens closer than the rounding of the weights. An export that does worse
than the adapter is refused; `blessed` is null where no server answered.

In   the adapter (the run's result, or --adapter), outputs/d_02_final_schemas.jsonl, outputs/d_03_dataset.jsonl
Out  outputs/student_runs/<run>/export/   model.safetensors (bf16), config.json, tokenizer files, Modelfile, README.md
                                          (model card), export_report.json {"adapter", "rounding", "served", "blessed"}

    uv run python scripts/export_student.py --config config/offline.json
    uv run python scripts/export_student.py --adapter outputs/student_runs/gemma3-270m/checkpoint-final
    cd outputs/student_runs/gemma3-270m/export && ollama create my-student     # by hand, on another machine
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, locked, read_jsonl, write_json
from pipeline.config import parse_options, read_json_object
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.progress import progress

VERSION = 1
LARGEST_MERGE_DIFFERENCE = 1e-3
LICENCES = {"gemma": "the Gemma Terms of Use (https://ai.google.dev/gemma/terms)", "assets": "that of this repository"}


def forced_logits(model: Any, prompt: list[int], answer: list[int]) -> Any:
    """Logits (A, V) in float32 that predict each token of an answer after its prompt."""
    import torch

    with torch.inference_mode():
        device = next(model.parameters()).device
        ids = torch.tensor([prompt + answer], device=device)
        hidden = model.model(input_ids=ids).last_hidden_state[0, len(prompt) - 1 : -1]
        return model.lm_head(hidden).float().cpu()


def merge(
    options: SimpleNamespace, adapter: Path, samples: list[tuple[list[int], list[int]]], folder: Path
) -> dict[str, float]:
    """Write the merged model to `folder` (bf16); returns the largest logit differences on `samples`.

    `merge`: merged against adapter and base, both in float32; `rounding`: the bf16 file, what its layers multiply
    rounded to bf16 as servers do it, against the merged weights. Raises UserError where the merge changes the model.
    """
    import torch

    from pipeline.students.student import Placement, causal_lm, load_base, load_student, place

    placement = place(options.student)
    whole = Placement("transformers", placement.device, "float32")
    model = load_student(options.student, whole, adapter).eval()
    before = [forced_logits(causal_lm(model), *sample) for sample in samples]
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    after = [forced_logits(merged, *sample) for sample in samples]
    largest = lambda pairs: max(float((a - b).abs().max()) for a, b in pairs)
    scale = max(float(a.abs().max()) for a in before)
    difference = largest(zip(before, after, strict=True))
    if not difference <= LARGEST_MERGE_DIFFERENCE * max(1.0, scale):
        raise UserError(
            f"merging {adapter} changes its logits by {difference:.3g}; the adapter's base is not the base it is merged "
            "into, or its weights are broken: train it again"
        )
    merged.to(torch.bfloat16).save_pretrained(folder)
    student = SimpleNamespace(**{**vars(options.student), "base_model": str(folder)})
    saved = load_base(student, whole).eval()
    for module in saved.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(lambda _, inputs: inputs[0].bfloat16().float())
    rounded = [forced_logits(saved, *sample) for sample in samples]
    return {"merge": difference, "rounding": largest(zip(after, rounded, strict=True))}


def copy_tokenizer(base: Path, folder: Path) -> None:
    """The base's tokenizer files, with `add_bos_token`: without it a served model loses its BOS."""
    from pipeline.students.served import SERVED_FILES

    for name in (*SERVED_FILES, "chat_template.jinja"):
        if name not in ("config.json", "generation_config.json") and (base / name).exists():
            shutil.copyfile(base / name, folder / name)
    path = folder / "tokenizer_config.json"
    config = read_json_object(path) | {"add_bos_token": True}
    path.write_text(json.dumps(config, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")


def closest(gap: float, rounding: float) -> bool:
    """Whether two tokens' logits are closer than the rounding of the weights can tell."""
    return gap <= 2 * rounding


def parting(local: list[int], served: list[int]) -> int | None:
    """The first position where two answers differ, or None; an end counts as a token."""
    for position in range(max(len(local), len(served))):
        if local[position : position + 1] != served[position : position + 1]:
            return position
    return None


def bless(
    options: SimpleNamespace, layout: Layout, folder: Path, adapter: Path, rows: list[dict[str, Any]], rounding: float
) -> dict[str, Any]:
    """What the served model answers to validation rows, beside the adapter's own answers."""
    from pipeline.schemas.asts import SchemaJudge
    from pipeline.statistics import paired_difference, rate
    from pipeline.students.evaluation import Answerer, by_schema, judged, load_schemas
    from pipeline.students.served import ServedAnswerer, ServedStudent
    from pipeline.students.student import Renderer, load_answering, load_tokenizer, place

    export, limit = options.export, options.evaluation.max_new_tokens
    name = export.ollama_name or options.run.name
    server = ServedStudent(
        options.teacher.host, name, options.student.max_seq_length, options.teacher.timeout, options.teacher.concurrency
    )
    server.create(folder)
    schemas = load_schemas(layout.schemas)
    renderer = Renderer(load_tokenizer(options.student.base_model))
    model = load_answering(options.student, place(options.student), adapter)
    mine, theirs = Answerer(model, renderer, limit), ServedAnswerer(server, limit)
    counts = {"rows": len(rows), "equal": 0, "parted_within_rounding": 0, "parted": 0, "prompt_tokens_differ": 0}
    outcomes: list[tuple[str, float, float]] = []
    for members in progress(list(by_schema(rows, schemas).values()), "schemas answered over HTTP"):
        schema_rows = [schemas[row["schema_id"]] for row in members]
        local, served = mine.answers(schema_rows, members), theirs.answers(schema_rows, members)
        judge = SchemaJudge(schema_rows[0]["schema"])
        for row, schema_row, here, there in zip(members, schema_rows, local, served, strict=True):
            prompt = renderer.request(schema_row["schema"], row["query"], row["current_date"])
            counts["prompt_tokens_differ"] += there["prompt_tokens"] != len(prompt)
            if here["text"] == there["text"]:
                counts["equal"] += 1
            else:
                ids = [renderer.answer([{"content": answer["text"]}]) for answer in (here, there)]
                position = parting(*ids) or 0
                logits = forced_logits(model, prompt, ids[0])[position]
                token = ids[1][position] if position < len(ids[1]) else renderer.answer([{"content": ""}])[-1]
                gap = float(logits.max() - logits[token])
                counts["parted_within_rounding" if closest(gap, rounding) else "parted"] += 1
            passed = [float(judged(row, answer, "free", judge, None)["exact_match"]) for answer in (here, there)]
            outcomes.append((row["schema_id"], *passed))
    return {
        "model": name,
        **counts,
        "exact_match_adapter": rate((schema, bool(first)) for schema, first, _ in outcomes),
        "exact_match_served": rate((schema, bool(second)) for schema, _, second in outcomes),
        "difference": paired_difference(outcomes),
    }


def verdict(served: dict[str, Any], largest_drop: float) -> str | None:
    """Why an export is refused, or None."""
    if served["prompt_tokens_differ"]:
        return f"{served['prompt_tokens_differ']} of {served['rows']} prompts have other token counts than in training"
    if served["parted"]:
        return f"{served['parted']} of {served['rows']} greedy answers part from the adapter's by more than rounding"
    if served["difference"]["difference"] < -largest_drop:
        return f"exact match is {-100 * served['difference']['difference']:.1f} points below the adapter's"
    return None


def model_card(options: SimpleNamespace, layout: Layout, adapter: Path) -> str:
    """README.md of the export: what it is, how to ask it, what was measured, the base's licence."""
    from pipeline.requests.prompts import render_prompt

    schema = {"type": "object", "properties": {"salePrice": {"type": "number"}}}
    (asked,) = render_prompt(schema, "sale price 20, since monday", "2024-03-17")
    base = options.student.base_model
    licence = next((text for word, text in LICENCES.items() if word in base.lower()), f"see {base}")
    lines = [
        "---", f"base_model: {base}", "library_name: transformers", "---", f"# {options.run.name}", "",
        "A student that reads a JSON Schema and a request in English or French and writes one JSON object, or a refusal.",
        f"LoRA on {base}, merged. Licence of the base: {licence}.", "",
        "    ollama create NAME                                 # in this folder",
        '    uv run python scripts/ask.py --schema FILE --ollama NAME "request"', "",
        "A program of your own asks it by one user's message in this form (in brackets what `scripts/pipeline/requests/prompts.py` finds "
        "for words of time and of the schema):",
        "", *(f"    {line}" for line in asked["content"].splitlines()), "",
    ]  # fmt: skip
    names = {layout.sft_adapter.resolve(): "sft", layout.dpo_adapter.resolve(): "dpo"}
    name = names.get(adapter.resolve(), f"{adapter.resolve().parent.name}-{adapter.resolve().name}")
    summary = layout.evaluation(name) / "evaluation_summary.json"
    if not summary.exists():
        return "\n".join([*lines, "No evaluation of this adapter was found."]) + "\n"
    from pipeline.tables import percent

    lines += ["| split | mode | exact match | valid | rows | schemas |", "| --- | --- | --- | --- | --- | --- |"]
    for split, modes in read_json_object(summary)["splits"].items():
        for mode, values in modes.items():
            measured = f"{percent(values['exact_match'])} | {percent(values['schema_valid'])}"
            lines.append(f"| {split} | {mode} | {measured} | {values['rows']} | {values['schemas']} |")
    lines += ["", f"Teacher: {options.teacher.kind if options.teacher.kind == 'embedded' else options.teacher.model}."]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "teacher", "student", "export"))
    from pipeline.config import complete_sections

    options.evaluation = SimpleNamespace(**complete_sections(Path(options.config))["evaluation"])
    layout = Layout(options.run)
    from pipeline.students.student import base_inputs, check_adapter, kept_adapter

    with locked(layout.root, "export"):
        adapter = Path(options.export.adapter) if options.export.adapter else kept_adapter(layout)
        check_adapter(adapter, options.student.base_model)
        facts = {"export": {"bless_rows": options.export.bless_rows, "largest_drop": options.export.largest_drop}}
        facts |= {"base_model": options.student.base_model, "context": options.student.max_seq_length}
        inputs = [layout.schemas, layout.dataset, adapter, *base_inputs(options.student.base_model)]
        stage = Stage("export", VERSION, layout.root, [layout.export], facts, inputs)
        from ollama import Client

        from pipeline.server import is_there

        there = is_there(Client(host=options.teacher.host, timeout=5))
        report = layout.export / "export_report.json"
        done = not there or (report.exists() and read_json_object(report)["blessed"])
        if done and not options.force and stage.up_to_date():
            return 0
        return export(options, layout, stage, adapter, there)


def export(options: SimpleNamespace, layout: Layout, stage: Stage, adapter: Path, there: bool) -> int:
    """Write the export, bless it where a server is there, record it; 0, or 2 where it is refused."""
    from pipeline.students.evaluation import load_schemas
    from pipeline.students.served import modelfile
    from pipeline.students.student import Renderer, load_tokenizer, locate_base

    rows = [r for r in read_jsonl(layout.dataset, "generate_dataset.py") if r["split"] == "validation"]
    rows = rows[: options.export.bless_rows]
    if not rows:
        raise UserError(f"{layout.dataset} has no validation rows to compare answers on; make some")
    schemas = load_schemas(layout.schemas)
    renderer = Renderer(load_tokenizer(options.student.base_model))
    samples = [
        (renderer.request(schemas[r["schema_id"]]["schema"], r["query"], r["current_date"]), renderer.ast(r["ast"]))
        for r in rows[:8]
    ]
    part = layout.export.with_name("export.part")
    shutil.rmtree(part, ignore_errors=True)
    differences = merge(options, adapter, samples, part)
    copy_tokenizer(locate_base(options.student.base_model), part)
    (part / "Modelfile").write_text(modelfile(options.student.max_seq_length), encoding="utf-8")
    (part / "README.md").write_text(model_card(options, layout, adapter), encoding="utf-8")
    report: dict[str, Any] = {"adapter": stage.relative(adapter), "largest_logit_difference": differences}
    refused = None
    if there:
        report["served"] = bless(options, layout, part, adapter, rows, differences["rounding"])
        refused = verdict(report["served"], options.export.largest_drop)
    report |= {"blessed": refused is None if there else None, "refused": refused}
    write_json(part / "export_report.json", report)
    if refused:
        raise UserError(f"the export is refused: {refused}; it is left in {part} with its export_report.json")
    stage.set_aside()
    shutil.rmtree(layout.export, ignore_errors=True)
    os.replace(part, layout.export)
    if there:
        served = report["served"]
        said = (
            f"blessed as {served['model']} on {options.teacher.host}: {served['equal']} of {served['rows']} answers "
            f"equal, {served['parted_within_rounding']} part within rounding"
        )
    else:
        said = f"not blessed: no Ollama server answers at {options.teacher.host}; start one and run this again"
    stage.finish({"blessed": report["blessed"]}, f"{said} -> {layout.export}")
    return 0


if __name__ == "__main__":
    errors.run(main)
