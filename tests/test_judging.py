"""The judge, judged: planted answers and the correction."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from conftest import ROOT
from odd_server import Server, says
from tests_support import config_for, ok, rows_of

from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.dsl import SchemaField, answer_schema, program
from pipeline.server import side_by_side
from pipeline.teachers.judging import calibrate, corrected, right, wrong

SCHEMA = answer_schema(
    [
        SchemaField("status", "enum", {"equals": "is", "not_equals": "isNot"}, (), ("open", "paid")),
        SchemaField("amount", "number", {"greater": "over", "between": "between"}),
    ]
)
AST = program(
    [[{"field": "status", "operator": "is", "value": "open"}, {"field": "amount", "operator": "over", "value": 5}]],
    ("2024-01-01", "2024-02-01"),
)


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"row_id": str(i), "schema_id": str(i % 5), "language": ("en", "fr")[i % 2], "ast": AST} for i in range(count)
    ]


def test_planted_wrong_answers_are_valid_and_mean_something_else_and_right_ones_the_same():
    judge = SchemaJudge(SCHEMA)
    made = [wrong(SCHEMA, judge, AST, random.Random(seed)) for seed in range(40)]
    assert all(judge.is_valid(ast) and not judge.same(ast, AST) for ast in made)
    assert len({judge.normal(ast) for ast in made}) > 4
    other = right(judge, AST)
    assert other != AST
    assert judge.same(other, AST)


@pytest.mark.parametrize("calls", [1, 4])
def test_a_judge_that_errs_is_measured(calls):
    schemas = {str(i): {"schema": SCHEMA} for i in range(5)}
    judge = SchemaJudge(SCHEMA)
    rng = random.Random(0)

    def verdict(schema_row: Any, row: dict[str, Any], ast: Any, sample: int) -> bool:
        if judge.same(ast, row["ast"]):
            return rng.random() > 0.1
        return row["language"] == "fr" and rng.random() < 0.5

    found = calibrate(verdict, schemas, rows(400), 400, 1, calls)
    assert found["false_reject"]["rate"] == pytest.approx(0.1, abs=0.05)
    assert found["languages"]["en"]["false_accept"]["rate"] == 0
    assert found["languages"]["fr"]["false_accept"]["rate"] == pytest.approx(0.5, abs=0.1)
    assert found["repeat_agreement"] < 0.95


def test_a_judge_without_verdicts_has_no_error_rate():
    found = calibrate(lambda *_: None, {"0": {"schema": SCHEMA}}, rows(1), 5, 1, 1)
    assert found["no_verdict"] == 2
    assert found["false_accept"]["rate"] is None
    assert corrected([{"semantic_match": True, "teacher_verdict": None}], found) is None


def test_the_correction_gives_back_the_true_share():
    rng = random.Random(3)
    judge = {"false_accept": {"rate": 0.3}, "false_reject": {"rate": 0.1}}
    results = []
    for _ in range(4000):
        good = rng.random() < 0.6
        said = rng.random() < (0.9 if good else 0.3)
        results.append({"semantic_match": False, "teacher_verdict": said})
    assert corrected(results, judge) == pytest.approx(0.6, abs=0.03)


def test_a_judge_is_asked_twice_and_not_read_from_a_cache():
    asked = []
    verdict = lambda schema_row, row, ast, sample: asked.append(sample) or sample == 0
    found = calibrate(verdict, {"0": {"schema": SCHEMA}}, rows(1), 1, 1, 1)
    assert asked == [0, 1, 0, 1]
    assert found["repeat_agreement"] == 0
    lost = lambda schema_row, row, ast, sample: None if sample else True
    assert calibrate(lost, {"0": {"schema": SCHEMA}}, rows(1), 1, 1, 1)["repeat_agreement"] is None


def test_jobs_side_by_side_come_in_order_and_none_begins_after_an_error():
    together = threading.Barrier(3)
    assert list(side_by_side(lambda job: (together.wait(10), job)[1], [3, 1, 2], 3)) == [3, 1, 2]
    begun = []

    def work(job: int) -> int:
        begun.append(job)
        if job == 0:
            raise ValueError("the first")
        time.sleep(0.05)
        return job

    with pytest.raises(ValueError, match="the first"):
        list(side_by_side(work, range(100), 2))
    assert len(begun) < 10
    begun.clear()
    made = side_by_side(lambda job: work(job + 1), range(100), 2)
    assert next(made) == 1
    made.close()
    assert len(begun) < 10


ANY = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}


def test_a_teacher_judges_once_all_is_answered_and_a_killed_judgement_asks_no_answer_again(tiny_base, tmp_path):
    """A constrained answer of an untrained student is valid here, and mostly wrong."""
    schemas = tmp_path / "paint"
    schemas.mkdir()
    for name in ("wall", "door", "roof"):
        (schemas / f"{name}.json").write_text(json.dumps(ANY | {"title": name}))
    config = str(config_for(tmp_path, tiny_base, evaluation={"max_new_tokens": 24, "modes": ["constrained"]}))
    flags = ["--config", config, "--schemas", str(schemas), "--max-samples", "6"]
    for name in ("build_schemas.py", "generate_dataset.py", "build_training_corpus.py"):
        ok(name, *flags)
    server = Server()
    answered = []

    def reply(handler: Any) -> None:
        (part,) = tmp_path.rglob("evaluation_answers.part")
        answered.append(len(part.read_text().splitlines()))
        if len(answered) == 1:
            process.kill()
        says({"correct": True})(handler)

    server.replies = [reply]
    teacher = ["--teacher-kind", "ollama", "--teacher-model", "tiny", "--ollama-host", server.host]
    script = str(ROOT / "scripts/evaluate_student.py")
    process = subprocess.Popen([sys.executable, script, *flags, *teacher, "--base"], cwd=ROOT)
    process.wait(timeout=120)
    said = ok("evaluate_student.py", *flags, *teacher, "--base")
    server.stop()
    assert "base model" not in said
    assert server.unloaded == ["tiny"]
    (found,) = tmp_path.rglob("evaluation_results.jsonl")
    assert set(answered) == {len(rows_of(found))}
    assert any(row["teacher_verdict"] for row in rows_of(found))
