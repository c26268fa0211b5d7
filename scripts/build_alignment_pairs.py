"""Preference pairs for DPO, on policy: what the SFT student samples for requests of the align schemas.

Samples are sorted by the validator and by meaning into right and wrong. The chosen side is a right sample; where all
are wrong it is the teacher's AST, and the row says so. Pairs whose sides mean the same are dropped, but for refusals:
what they say is a label to the validator, and all that their reader has, so that one in other words than the teacher's
is rejected (`other_refusal`). A part of the align schemas makes no pairs: it decides after DPO whether the aligned
adapter is kept.

In   outputs/d_02_final_schemas.jsonl, outputs/d_03_dataset.jsonl, the SFT adapter
Out  outputs/student_runs/<run>/alignment/dpo_pairs.jsonl   pair_id, row_id, schema_id, query, prompt: [message], chosen:
                                                            [message], rejected: [message], chosen_from (sample or
                                                            teacher), rejected_failure

    uv run python scripts/build_alignment_pairs.py --config config/offline.json
    uv run python scripts/build_alignment_pairs.py --adapter CKPT --samples-per-query 8 --temperature 0.8
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, content_id, locked, read_jsonl, write_jsonl
from pipeline.config import parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.progress import progress
from pipeline.requests.prompts import form_of_rows
from pipeline.students.evaluation import Answerer, batches, decision_rows, load_schemas

VERSION = 9


def pairs_of_query(
    row: dict[str, Any], schema_row: dict[str, Any], samples: list[dict[str, Any]], judge: Any, most: int
) -> list[dict[str, Any]]:
    """At most `most` pairs of one request, of different failures first."""
    from pipeline.requests.prompts import render_prompt
    from pipeline.schemas.asts import equal_json, failure_of, parse_answer
    from pipeline.schemas.dsl import is_refusal
    from pipeline.schemas.json_text import minify

    right: Counter[str] = Counter()
    wrong: dict[str, str] = {}
    for sample in samples:
        failure = failure_of(judge, row["ast"], sample["text"], sample["ended"])
        answer = None if failure else parse_answer(sample["text"])
        if failure is None and is_refusal(row["ast"]) and not equal_json(answer, row["ast"]):
            failure = "other_refusal"
        if failure is None:
            right[minify(answer)] += 1
        elif sample["ended"]:
            wrong.setdefault(sample["text"], failure)
    chosen = right.most_common(1)[0][0] if right else minify(row["ast"])
    by_failure: dict[str, list[str]] = {}
    for text, failure in wrong.items():
        by_failure.setdefault(failure, []).append(text)
    picked = [(texts[0], failure) for failure, texts in by_failure.items()]
    picked += [(text, failure) for failure, texts in by_failure.items() for text in texts[1:]]
    return [
        {
            "pair_id": content_id(row["row_id"], chosen, text),
            "row_id": row["row_id"],
            "schema_id": row["schema_id"],
            "query": row["query"],
            "prompt": render_prompt(schema_row["schema"], row["query"], row["current_date"]),
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": text}],
            "chosen_from": "sample" if right else "teacher",
            "rejected_failure": failure,
        }
        for text, failure in picked[:most]
    ]


def make_pairs(
    options: SimpleNamespace, layout: Layout, adapter: Path, rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(pairs, counts) from samples of the student."""
    import torch

    from pipeline.schemas.asts import SchemaJudges
    from pipeline.students.student import Renderer, load_answering, load_tokenizer, place

    schemas = load_schemas(layout.schemas)
    placement = place(options.student)
    print(f"pairs: samples of {adapter}, {placement.say()}")
    model = load_answering(options.student, placement, adapter)
    answerer = Answerer(model, Renderer(load_tokenizer(options.student.base_model)), options.evaluation.max_new_tokens)
    settings, judges = options.pairs, SchemaJudges()
    pairs: list[dict[str, Any]] = []
    kinds: Counter[str] = Counter()
    many = settings.samples_per_query
    jobs = batches(rows, schemas, max(1, options.evaluation.batch_rows // many))
    calls = []
    for members in jobs:
        seed = int(content_id(options.run.seed, *(row["row_id"] for row in members)), 16) % 2**62
        repeated = [row for row in members for _ in range(many)]
        calls.append(
            {
                "schema_rows": [schemas[row["schema_id"]] for row in repeated],
                "rows": repeated,
                "temperature": settings.temperature,
                "generator": torch.Generator(placement.device).manual_seed(seed),
            }
        )
    for members, answers in zip(progress(jobs, "batches"), answerer.each(calls), strict=True):
        for index, row in enumerate(members):
            schema_row = schemas[row["schema_id"]]
            samples = answers[index * many : (index + 1) * many]
            made = pairs_of_query(row, schema_row, samples, judges.of(schema_row), settings.pairs_per_query)
            kinds["queries with a wrong sample" if made else "queries without"] += 1
            pairs += made
    counts = {"pairs": len(pairs), "queries": dict(kinds)}
    counts["chosen_from"] = dict(Counter(pair["chosen_from"] for pair in pairs))
    counts["rejected_failure"] = dict(Counter(pair["rejected_failure"] for pair in pairs))
    return pairs, counts


def main(argv: list[str] | None = None) -> int:
    options = parse_options(argv, __doc__, ("run", "teacher", "student", "evaluation", "pairs", "alignment"))
    layout = Layout(options.run)
    from pipeline.students.student import base_inputs, check_adapter

    adapter = Path(options.evaluation.adapter) if options.evaluation.adapter else layout.sft_adapter
    with locked(layout.root, "pairs"):
        check_adapter(adapter, options.student.base_model)
        facts = {"pairs": vars(options.pairs), "base_model": options.student.base_model, "seed": options.run.seed}
        facts |= {"max_new_tokens": options.evaluation.max_new_tokens, "max_samples": options.run.max_samples}
        facts["prompt"] = form_of_rows()
        inputs = [layout.schemas, layout.dataset, adapter, *base_inputs(options.student.base_model)]
        stage = Stage("pairs", VERSION, layout.root, [layout.pairs], facts, inputs)
        if not options.force and stage.up_to_date():
            return 0
        rows = [r for r in read_jsonl(layout.dataset, "generate_dataset.py") if r["split"] == "align"]
        if not rows:
            raise UserError(
                f"{layout.dataset} has no align rows; set --align-schemas above 0 and make d_02 and d_03 again"
            )
        kept = decision_rows(rows, options.pairs.decision_share)
        rows = [r for r in rows if r["row_id"] not in kept][: options.run.max_samples]
        pairs, counts = make_pairs(options, layout, adapter, rows)
        stage.set_aside()
        write_jsonl(layout.pairs, pairs)
        stage.finish(counts, f"{len(pairs)} pairs from {len(rows)} requests -> {layout.pairs}")
    return 0


if __name__ == "__main__":
    errors.run(main)
