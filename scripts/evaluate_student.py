"""Measure a student on rows that it has not seen: free and constrained, seen and unseen schemas apart.

Greedy, batched by schema. Before anything runs, a check proves that no measured row and no unseen schema is in the
training corpus. The teacher is asked once all is answered, so that an adapter and a teacher on one machine do not need
its memory at the same time. A killed evaluation goes on where it stopped and ends with the same file.

In   outputs/d_02_final_schemas.jsonl, outputs/d_03_dataset.jsonl, outputs/d_04_training_corpus.jsonl, an adapter;
     tests/gold/ for the split gold
Out  outputs/student_runs/<run>/eval/<model>/evaluation_results.jsonl   one row a sample: row_id, schema_id, split, mode,
                                                                        expected, text, the metrics, failure
     outputs/student_runs/<run>/eval/<model>/evaluation_summary.json    {"run", "model", "splits": {split: {mode:
                                                                        {"rows", "schemas", metric: {"rate", "low",
                                                                        "high"}}}}, "slices", "judge"}
     <model> is base, sft, dpo, ollama-NAME, or the name of the adapter's folder

    uv run python scripts/evaluate_student.py --config config/offline.json
    uv run python scripts/evaluate_student.py --base --splits test --modes free
    uv run python scripts/evaluate_student.py --ollama my-student      # what export_student.py made there
    ./runEvals.sh --adapter outputs/student_runs/gemma3-270m/checkpoint-final --teacher-model gpt-oss:120b
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, content_id, locked, write_json, write_jsonl
from pipeline.config import parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.progress import Progress, progress
from pipeline.requests.prompts import form_of_rows
from pipeline.server import side_by_side
from pipeline.students.evaluation import (
    batches,
    check_unseen,
    judged,
    make_answerer,
    measured,
    measured_inputs,
    slices,
    summarise,
    traits,
)
from pipeline.teachers.judging import Verdicts, calibrate
from pipeline.teachers.teacher import make_teacher, teacher_facts

VERSION = 11


def choose_model(options: SimpleNamespace, layout: Layout, base: bool) -> tuple[str, Path | None]:
    """(name, adapter folder or None) of what is measured; says which adapter where none was named."""
    evaluation = options.evaluation
    if base or (evaluation.model == "base" and not evaluation.adapter):
        return "base", None
    adapters = {"sft": layout.sft_adapter, "dpo": layout.dpo_adapter}
    if evaluation.adapter:
        adapter = Path(evaluation.adapter)
        for name, folder in adapters.items():
            if folder.resolve() == adapter.resolve():
                return name, folder
        parent = adapter.resolve().parent.name
        return f"{parent}-{adapter.resolve().name}", adapter
    if evaluation.model in adapters:
        return evaluation.model, adapters[evaluation.model]
    finished = [(folder.stat().st_mtime, name) for name, folder in adapters.items() if folder.exists()]
    if not finished:
        raise UserError(
            f"{layout.sft_adapter} does not exist; ./runTraining.sh makes an adapter, --base measures without"
        )
    name = max(finished)[1]
    print(f"evaluation: no --adapter given, the newest finished one is {adapters[name]}")
    return name, adapters[name]


def kept_answers(part: Path, key: str) -> list[dict[str, Any]]:
    """Answers of a killed evaluation of the same facts; a torn last line is left out."""
    marker = part.with_name(part.name + ".facts")
    if not part.exists() or not marker.exists() or marker.read_text(encoding="utf-8") != key:
        part.unlink(missing_ok=True)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(key, encoding="utf-8")
        return []
    rows = []
    for line in part.read_bytes().split(b"\n"):
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def served_digest(options: SimpleNamespace) -> str:
    """The digest of the served model, so that another model of the same name is measured again."""
    from pipeline.students.served import ServedStudent

    return ServedStudent(options.teacher.host, options.ollama, 0, options.teacher.timeout).digest()


def answered(
    options: SimpleNamespace,
    adapter: Path | None,
    schemas: dict[str, dict[str, Any]],
    rows: list[dict[str, Any]],
    part: Path,
    key: str,
) -> list[tuple[dict[str, Any], str, dict[str, Any]]]:
    """(row, mode, answer) of all rows in all modes, each batch's written to `part` as soon as it is answered.

    The student is gone when this returns, and the memory that it took on a GPU.
    """
    from pipeline.students.student import release_memory

    # Both modes of a row stand side by side: a free answer that is an instance is the constrained one, too.
    jobs = [
        [(row, mode) for row in members for mode in options.evaluation.modes]
        for members in batches(rows, schemas, options.evaluation.batch_rows)
    ]
    made = {(answer["row_id"], answer["mode"]): answer for answer in kept_answers(part, key)}
    whole = lambda job: all((row["row_id"], mode) in made for row, mode in job)
    todo = [job for job in jobs if not whole(job)]
    made = {(row["row_id"], mode): made[row["row_id"], mode] for job in jobs if whole(job) for row, mode in job}
    bar = Progress(sum(map(len, jobs)), "answers")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(answer, ensure_ascii=False) + "\n" for answer in made.values())
        bar.update(len(made))
        calls = [
            {
                "schema_rows": [schemas[row["schema_id"]] for row, _ in job],
                "rows": [row for row, _ in job],
                "constrained": [mode == "constrained" for _, mode in job],
            }
            for job in todo
        ]
        say = lambda who: print(f"evaluation: {who}")
        answerer = make_answerer(options, adapter, options.evaluation.max_new_tokens, say) if todo else None
        for job, answers in zip(todo, answerer.each(calls) if answerer else (), strict=True):
            for (row, mode), answer in zip(job, answers, strict=True):
                made[row["row_id"], mode] = {"row_id": row["row_id"], "mode": mode, **answer}
                file.write(json.dumps(made[row["row_id"], mode], ensure_ascii=False) + "\n")
            file.flush()
            bar.update(len(job))
    bar.close()
    if answerer is not None:
        del answerer
        release_memory()
    return [(row, mode, made[row["row_id"], mode]) for job in jobs for row, mode in job]


def judged_answers(
    answers: list[tuple[dict[str, Any], str, dict[str, Any]]],
    schemas: dict[str, dict[str, Any]],
    verdict: Verdicts | None,
) -> list[dict[str, Any]]:
    """The result rows of these answers, in their order."""
    from pipeline.schemas.asts import SchemaJudges

    judges = SchemaJudges()

    def result(item: tuple[dict[str, Any], str, dict[str, Any]]) -> dict[str, Any]:
        row, mode, answer = item
        schema_row = schemas[row["schema_id"]]
        ask = partial(verdict, schema_row, row) if verdict is not None else None
        return judged(row, answer, mode, judges.of(schema_row), ask) | traits(row, schema_row)

    calls = verdict.teacher.concurrency if verdict is not None else 1
    return list(progress(side_by_side(result, answers, calls), "answers judged", len(answers)))


def judge_of(
    options: SimpleNamespace, schemas: dict[str, dict[str, Any]], rows: list[dict[str, Any]], verdict: Verdicts | None
) -> dict[str, Any] | None:
    """The judge's error on planted ASTs, where a judge is asked for."""
    if verdict is None or not options.evaluation.judge_rows:
        return None
    print(f"evaluation: judging the judge, {verdict.teacher.name}, on planted answers")
    count, calls = options.evaluation.judge_rows, verdict.teacher.concurrency
    return calibrate(verdict, schemas, rows, count, options.run.seed, calls)


def summary_of(
    run: str,
    model: str,
    results: list[dict[str, Any]],
    splits: list[str],
    modes: list[str],
    asked: bool,
    judge: dict[str, Any] | None,
) -> dict[str, Any]:
    """The evaluation summary; `asked` and `judge` are those of `summarise`."""
    cut = lambda split, mode: [r for r in results if r["split"] == split and r["mode"] == mode]
    return {
        "run": run,
        "model": model,
        "splits": {s: {m: summarise(cut(s, m), asked, judge) for m in modes} for s in splits if cut(s, modes[0])},
        "judge": judge,
        "slices": {s: {m: slices(cut(s, m)) for m in modes} for s in splits if cut(s, modes[0])},
    }


def table_of(summary: dict[str, Any]) -> str:
    """Lines of exact match and validity by split and mode."""
    from pipeline.tables import percent

    lines = []
    for split, modes in summary["splits"].items():
        for mode, values in modes.items():
            lines.append(
                f"  {split:<11} {mode:<12} exact {percent(values['exact_match'])}  valid {percent(values['schema_valid'])}"
                f"  ({values['rows']} rows, {values['schemas']} schemas)"
            )
    return "\n".join(lines)


def facts_of(options: SimpleNamespace, name: str) -> dict[str, Any]:
    """What decides the results of the model of this name, for the record of the stage."""
    evaluation = {k: v for k, v in vars(options.evaluation).items() if k not in ("model", "adapter")}
    facts = {"evaluation": evaluation, "base_model": options.student.base_model, "max_samples": options.run.max_samples}
    facts["prompt"] = form_of_rows()
    facts |= {"model": name, "digest": served_digest(options)} if options.ollama else {"model": name}
    return facts | {"teacher": teacher_facts(options.teacher) if options.evaluation.judge else None}


def rows_to_measure(options: SimpleNamespace, layout: Layout) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """(schemas by id, rows) of the splits, the first of each where a smoke run wants no more."""
    splits, most = options.evaluation.splits, options.run.max_samples
    schemas, rows = measured(layout, splits, options.evaluation.gold_rows)
    rows = [r for s in splits for r in [x for x in rows if x["split"] == s][:most]] if most else rows
    if not rows:
        raise UserError(f"{layout.dataset} has no rows of the splits {', '.join(splits)}; check --splits")
    check_unseen(layout, rows)
    return schemas, rows


def evaluate(options: SimpleNamespace, layout: Layout, stage: Stage, name: str, adapter: Path | None) -> None:
    """Answer, judge, write results and summary of the model of this name, and print its table."""
    results_path, summary_path = stage.outputs
    schemas, rows = rows_to_measure(options, layout)
    part = results_path.with_name("evaluation_answers.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    verdict = Verdicts(make_teacher(options.teacher, options.run)) if options.evaluation.judge else None
    answers = answered(options, adapter, schemas, rows, part, content_id(stage.facts))
    results = judged_answers(answers, schemas, verdict)
    judge = judge_of(options, schemas, rows, verdict)
    if verdict is not None:
        verdict.teacher.close()
    stage.set_aside()
    write_jsonl(results_path, results)
    part.unlink()
    part.with_name(part.name + ".facts").unlink(missing_ok=True)
    splits, modes = options.evaluation.splits, options.evaluation.modes
    summary = summary_of(options.run.name, name, results, splits, modes, verdict is not None, judge)
    write_json(summary_path, summary)
    print(table_of(summary))
    if verdict is not None and verdict.trouble:
        missing = sum(v["verdicts_missing"] for figures in summary["splits"].values() for v in figures.values())
        print(f"evaluation: {missing} verdicts are missing, {verdict.trouble}; --force asks for all again")
    stage.finish({"rows": len(results)}, f"{len(results)} answers judged -> {results_path.parent}")


def main(argv: list[str] | None = None) -> int:
    extra = argparse.ArgumentParser(add_help=False)
    which = extra.add_mutually_exclusive_group()
    which.add_argument("--base", action="store_true", help="measure the base model without an adapter")
    which.add_argument("--ollama", metavar="NAME", help="measure this model of the Ollama server")
    options = parse_options(argv, __doc__, ("run", "teacher", "student", "evaluation"), extra)
    layout = Layout(options.run)
    from pipeline.students.student import base_inputs, check_adapter

    with locked(layout.root, "evaluation"):
        if options.ollama:
            name, adapter = "ollama-" + options.ollama.replace(":", "-").replace("/", "-"), None
        else:
            name, adapter = choose_model(options, layout, options.base)
        if adapter is not None:
            check_adapter(adapter, options.student.base_model)
        if options.run.schemas:  # the gold set is of the shipped language
            options.evaluation.splits = [split for split in options.evaluation.splits if split != "gold"]
        inputs = [
            *measured_inputs(layout, options.evaluation.splits),
            *([adapter] if adapter else []),
            *base_inputs(options.student.base_model),
        ]
        folder = layout.evaluation(name)
        outputs = [folder / "evaluation_results.jsonl", folder / "evaluation_summary.json"]
        stage = Stage(f"evaluation of {name}", VERSION, layout.root, outputs, facts_of(options, name), inputs)
        if options.force or not stage.up_to_date():
            evaluate(options, layout, stage, name, adapter)
    return 0


if __name__ == "__main__":
    errors.run(main)
