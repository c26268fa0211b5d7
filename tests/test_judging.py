"""The judge, judged: planted answers and the correction."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.dsl import SchemaField, answer_schema, program
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


def test_a_judge_that_errs_is_measured():
    schemas = {str(i): {"schema": SCHEMA} for i in range(5)}
    judge = SchemaJudge(SCHEMA)
    rng = random.Random(0)

    def verdict(schema_row: Any, row: dict[str, Any], ast: Any) -> bool:
        if judge.same(ast, row["ast"]):
            return rng.random() > 0.1
        return row["language"] == "fr" and rng.random() < 0.5

    found = calibrate(verdict, schemas, rows(400), 400, 1)
    assert found["false_reject"]["rate"] == pytest.approx(0.1, abs=0.05)
    assert found["languages"]["en"]["false_accept"]["rate"] == 0
    assert found["languages"]["fr"]["false_accept"]["rate"] == pytest.approx(0.5, abs=0.1)
    assert found["repeat_agreement"] < 0.95


def test_a_judge_without_verdicts_has_no_error_rate():
    found = calibrate(lambda *_: None, {"0": {"schema": SCHEMA}}, rows(1), 5, 1)
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
