"""Answering rows with a student and judging the answers; used by evaluation, pairs and the decision after DPO."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.artifacts import read_jsonl
from pipeline.errors import UserError
from pipeline.paths import GOLD, Layout
from pipeline.processes import in_forks
from pipeline.schemas.asts import SchemaJudge, equal_json, failure_of, parse_answer
from pipeline.schemas.dsl import steps_of
from pipeline.schemas.json_text import minify
from pipeline.statistics import rate
from pipeline.teachers.judging import corrected

GOLD_SCHEMAS, GOLD_REQUESTS = GOLD / "schemas.jsonl", GOLD / "requests.jsonl"
UNSEEN = ("test", "new_words", "gold")
"""Splits whose schemas no model has trained on."""
SIZES = (1500, 3000, 6000)
"""Characters of compact JSON that divide schemas by size."""
METRICS = ("parsed", "schema_valid", "exact_match", "semantic_match", "semantic_pass", "wrong_but_valid")


def load_schemas(path: Path) -> dict[str, dict[str, Any]]:
    """d_02 rows by schema_id."""
    return {row["schema_id"]: row for row in read_jsonl(path, "build_schemas.py")}


def measured_inputs(layout: Layout, splits: list[str]) -> list[Path]:
    """The files that hold the schemas and rows of these splits."""
    return [layout.schemas, layout.dataset, *([GOLD_SCHEMAS, GOLD_REQUESTS] if "gold" in splits else [])]


def measured(
    layout: Layout, splits: list[str], gold_rows: int | None
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """(schemas by id, rows) of these splits.

    `gold` is the hand-written set that travels with the repository, or `gold_rows` of it at even distances.
    """
    schemas = load_schemas(layout.schemas)
    rows = [r for r in read_jsonl(layout.dataset, "generate_dataset.py") if r["split"] in splits]
    if "gold" in splits:
        schemas |= load_schemas(GOLD_SCHEMAS)
        gold = list(read_jsonl(GOLD_REQUESTS, "git checkout"))
        count = min(gold_rows or len(gold), len(gold))
        rows += [gold[index * len(gold) // count] for index in range(count)]
    return schemas, rows


def by_schema(rows: list[dict[str, Any]], schemas: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows grouped by schema, in order. Raises UserError for a row whose schema is missing."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["schema_id"] not in schemas:
            raise UserError(
                f"row {row['row_id']} names the schema {row['schema_id']}, which d_02 lacks; run generate_dataset.py again"
            )
        groups.setdefault(row["schema_id"], []).append(row)
    return groups


def check_unseen(layout: Layout, rows: list[dict[str, Any]]) -> None:
    """Raise UserError where a measured row, its request for its schema, or an unseen schema is in the training
    corpus."""
    corpus = read_jsonl(layout.corpus, "build_training_corpus.py")
    learned = [(row["row_id"], row["schema_id"]) for row in corpus if row["split"] == "train"]
    known, trained = {row_id for row_id, _ in learned}, {schema_id for _, schema_id in learned}
    asked = {
        (row["schema_id"], row["query"].casefold())
        for row in read_jsonl(layout.dataset, "generate_dataset.py")
        if row["row_id"] in known
    }
    for row in rows:
        if (row["schema_id"], row["query"].casefold()) in asked and row["row_id"] not in known:
            raise UserError(
                f"the request of row {row['row_id']} of split {row['split']} is in the training corpus with its schema; "
                "make d_03 and d_04 again"
            )
        if row["row_id"] in known:
            raise UserError(
                f"row {row['row_id']} of split {row['split']} is in the training corpus; make d_03 and d_04 again"
            )
        if row["split"] in UNSEEN and row["schema_id"] in trained:
            raise UserError(
                f"schema {row['schema_id']} of split {row['split']} is in the training corpus; make d_03 and d_04 again"
            )


class Answerer:
    """Greedy answers of one model, free or constrained by the schema."""

    def __init__(self, model: Any, renderer: Any, max_new_tokens: int) -> None:
        from pipeline.students.student import END_OF_TURN

        self.model, self.renderer, self.max_new_tokens = model, renderer, max_new_tokens
        self.end_id = renderer.tokenizer.convert_tokens_to_ids(END_OF_TURN)
        self._compiler: Any = None
        self.unenforced: set[str] = set()

    def answers(
        self,
        schema_rows: list[dict[str, Any]],
        rows: list[dict[str, Any]],
        *,
        constrained: Sequence[bool] | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """{"text", "tokens", "ended", "enforced"} for rows, each with its schema row; neighbours share prefixes.

        `constrained` says for each row whether its schema's grammar binds the answer; none is bound by default. Where
        the same prompt is answered free in this call, and greedily, a bound row is decoded only if the free answer
        leaves the grammar: a mask that forbids none of the tokens that were chosen changes nothing.
        """
        from pipeline.students.generation import generate

        prompts = [
            self.renderer.request(schema_row["schema"], row["query"], row["current_date"])
            for schema_row, row in zip(schema_rows, rows, strict=True)
        ]
        limits: list[Any] = [None] * len(rows)
        if constrained is not None:
            bound = zip(schema_rows, constrained, strict=True)
            limits = [self._constraint(schema_row) if wanted else None for schema_row, wanted in bound]
        made: dict[int, Any] = {}

        def decode(which: list[int]) -> None:
            bound = [limits[i] for i in which]
            answers = generate(
                self.model, [prompts[i] for i in which], end_ids=self.renderer.end_ids,
                max_new_tokens=self.max_new_tokens, constraints=bound if any(bound) else None, **options,
            )  # fmt: skip
            made.update(zip(which, answers, strict=True))

        free = {tuple(prompts[i]): i for i in range(len(rows)) if limits[i] is None}
        greedy = options.get("temperature", 0.0) == 0.0
        twins = {i: free[tuple(p)] for i, p in enumerate(prompts) if greedy and limits[i] and tuple(p) in free}
        decode([i for i in range(len(rows)) if i not in twins])
        for index, twin in twins.items():
            if made[twin].ended and limits[index].lets_through(made[twin].tokens):
                made[index] = made[twin]
        if left := [i for i in twins if i not in made]:
            decode(left)
        return [
            {
                "text": self.renderer.text(made[index].tokens),
                "tokens": len(made[index].tokens),
                "ended": made[index].ended,
                "enforced": limits[index] is not None,
            }
            for index in range(len(rows))
        ]

    def each(self, calls: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """`answers(**call)` of each call, in their order; on a CPU several are worked on side by side."""
        work = lambda call: self.answers(**call)
        return in_forks(work, calls) if self.model.device.type == "cpu" else map(work, calls)

    def _constraint(self, schema_row: dict[str, Any]) -> Any:
        from pipeline.schemas.constraints import GrammarCompiler

        if self._compiler is None:
            self._compiler = GrammarCompiler(self.renderer.tokenizer, self.end_id)
        try:
            return self._compiler.constraint(schema_row["schema"])
        except ValueError:
            self.unenforced.add(schema_row["schema_id"])
            return None


def make_answerer(
    options: SimpleNamespace, adapter: Path | None, max_new_tokens: int, say: Callable[[str], None]
) -> Any:
    """Who answers: an adapter or the base (None) in this process, or the model `options.ollama` of an Ollama server.

    `say` is told who that is.
    """
    if options.ollama:
        from pipeline.students.served import ServedAnswerer, ServedStudent

        teacher = options.teacher
        student = ServedStudent(
            teacher.host, options.ollama, options.student.max_seq_length, teacher.timeout, teacher.concurrency
        )
        say(f"{options.ollama} on {teacher.host}")
        return ServedAnswerer(student, max_new_tokens)
    from pipeline.students.student import Renderer, load_answering, load_tokenizer, place

    placement = place(options.student)
    say(f"{adapter or 'base model'} on {options.student.base_model}, {placement.say()}")
    model = load_answering(options.student, placement, adapter)
    return Answerer(model, Renderer(load_tokenizer(options.student.base_model)), max_new_tokens)


def judged(
    row: dict[str, Any], answer: dict[str, Any], mode: str, judge: SchemaJudge, ask: Callable[[Any], bool | None] | None
) -> dict[str, Any]:
    """One result row: the answer's text and every metric. `ask` is the teacher's verdict, where it is wanted."""
    expected = row["ast"]
    try:
        ast, parsed = parse_answer(answer["text"]), True
    except ValueError:
        ast, parsed = None, False
    valid = parsed and judge.is_valid(ast)
    semantic = valid and judge.same(ast, expected)
    verdict = ask(ast) if ask and valid and not semantic else None
    passed = semantic or verdict is True
    return {
        **{key: row[key] for key in ("row_id", "schema_id", "split", "language", "kind", "query", "current_date")},
        "mode": mode,
        "conditions": sum(len(step["conditions"]) for step in steps_of(expected)),
        "timeframe": isinstance(expected, dict) and "timeframe" in expected,
        "expected": expected,
        "text": answer["text"],
        "tokens": answer["tokens"],
        "enforced": answer["enforced"],
        "parsed": parsed,
        "schema_valid": valid,
        "exact_match": parsed and equal_json(ast, expected),
        "semantic_match": semantic,
        "teacher_verdict": verdict,
        "semantic_pass": passed,
        "wrong_but_valid": valid and not passed,
        "failure": None if passed else failure_of(judge, expected, answer["text"], answer["ended"]),
    }


def summarise(results: list[dict[str, Any]], asked: bool, judge: dict[str, Any] | None) -> dict[str, Any]:
    """rows, schemas, every metric's rate with its interval; where a teacher was `asked`, how many verdicts it gave and
    how many are missing; semantic_pass corrected for the judge's error, where that is known."""
    summary: dict[str, Any] = {"rows": len(results), "schemas": len({r["schema_id"] for r in results})}
    for metric in METRICS:
        summary[metric] = rate((r["schema_id"], r[metric]) for r in results)
    if asked:
        undecided = [r for r in results if r["schema_valid"] and not r["semantic_match"]]
        summary["verdicts"] = sum(r["teacher_verdict"] is not None for r in undecided)
        summary["verdicts_missing"] = len(undecided) - summary["verdicts"]
    if judge:
        summary["semantic_pass_corrected"] = corrected(results, judge)
    return summary


def traits(row: dict[str, Any], schema_row: dict[str, Any]) -> dict[str, Any]:
    """What slices need of a row beyond its answer: canonical operators, how its time is said, the schema's size."""
    expected = row["ast"]
    names = schema_row.get("operators", {})
    used = {names.get(c["operator"], c["operator"]) for step in steps_of(expected) for c in step["conditions"]}
    timed = isinstance(expected, dict) and "timeframe" in expected
    said = "none" if not timed else "absolute" if re.search(r"\d{4}", row["query"]) else "relative"
    size = len(minify(schema_row["schema"]))
    return {
        "operators": sorted(used),
        "dates": said,
        "schema_size": next((f"under {limit}" for limit in SIZES if size < limit), f"{SIZES[-1]} and more"),
    }


def slices(results: list[dict[str, Any]]) -> dict[str, Any]:
    """exact_match by language, kind, number of conditions, dates, schema size and operator; classes of failure."""
    found: dict[str, Any] = {}
    by_operator: dict[str, list[dict[str, Any]]] = {}
    for r in results:
        for name in r["operators"]:
            by_operator.setdefault(name, []).append(r)
    found["operator"] = {
        name: {"rows": len(mine)} | rate((r["schema_id"], r["exact_match"]) for r in mine)
        for name, mine in sorted(by_operator.items())
    }
    for key in ("language", "kind", "conditions", "dates", "schema_size"):
        values = sorted({r[key] for r in results}, key=str)
        found[key] = {
            str(value): {"rows": sum(r[key] == value for r in results)}
            | rate((r["schema_id"], r["exact_match"]) for r in results if r[key] == value)
            for value in values
        }
    failures: dict[str, int] = {}
    for r in results:
        if r["failure"]:
            failures[r["failure"]] = failures.get(r["failure"], 0) + 1
    found["failures"] = dict(sorted(failures.items(), key=lambda item: -item[1]))
    return found


def batches(rows: list[dict[str, Any]], schemas: dict[str, dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
    """Rows in batches of at most `size`, in a fixed order: whole schemas together, those of more rows in equal
    parts."""
    found: list[list[dict[str, Any]]] = []
    for members in by_schema(rows, schemas).values():
        count = -(-len(members) // size)
        parts = [members[len(members) * i // count : len(members) * (i + 1) // count] for i in range(count)]
        if found and len(found[-1]) + len(parts[0]) <= size:
            found[-1] += parts.pop(0)
        found += parts
    return found


def decision_rows(rows: list[dict[str, Any]], share: float) -> set[str]:
    """Ids of the align rows that make no pairs and decide whether the aligned adapter is kept.

    They are whole schemas, the last by id; with fewer than four schemas, the last rows of each.
    """
    by_id: dict[str, list[str]] = {}
    for row in rows:
        by_id.setdefault(row["schema_id"], []).append(row["row_id"])
    last = lambda ids: sorted(ids)[len(ids) - max(1, round(share * len(ids))) :]
    if len(by_id) >= 4:
        return {row_id for schema_id in last(list(by_id)) for row_id in by_id[schema_id]}
    return {row_id for ids in by_id.values() if len(ids) > 1 for row_id in last(ids)}
