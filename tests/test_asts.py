"""Equality and validity of ASTs."""

from __future__ import annotations

import copy
import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import dataset_options, make_schemas

from pipeline.schemas.asts import SchemaJudge, broken_rule, equal_json, failure_of, parse_answer
from pipeline.schemas.dsl import program, refusal
from pipeline.schemas.json_text import minify
from pipeline.teachers.embedded_teacher import EmbeddedTeacher


def sampled(seed: int) -> tuple[SchemaJudge, dict]:
    row = make_schemas(1, seed)[0]
    rng = random.Random(seed)
    ast = EmbeddedTeacher(dataset_options()).sample_program(row["fields"], rng.randint(1, 4), rng, date(2024, 3, 17))
    return SchemaJudge(row["schema"]), ast


def shuffled(value, rng: random.Random):
    """Keys in another order everywhere; conditions in another order."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    if isinstance(value, list):
        items = [shuffled(item, rng) for item in value]
        if items and isinstance(items[0], dict) and "operator" in items[0]:
            rng.shuffle(items)
        return items
    return value


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_order_of_keys_and_conditions_and_labels_do_not_matter(seed):
    judge, ast = sampled(seed)
    other = shuffled(copy.deepcopy(ast), random.Random(seed))
    for step in other["steps"]:
        step["name"] = "another name"
    assert judge.same(ast, other)
    assert not equal_json(ast, other)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_a_changed_operator_step_order_or_date_is_never_equal(seed):
    judge, ast = sampled(seed)
    changed = copy.deepcopy(ast)
    changed["steps"].append(copy.deepcopy(ast["steps"][0]))
    assert not judge.same(ast, changed)
    changed = copy.deepcopy(ast)
    changed["steps"][0]["conditions"][0]["operator"] += "x"
    assert not judge.same(ast, changed)
    timed = program([[]], ("2024-01-01", "2024-01-02"))
    assert not judge.same(timed, program([[]], ("2024-01-01", "2024-01-03")))


def test_numbers_are_equal_by_value_and_true_is_not_one():
    assert equal_json({"a": 5}, {"a": 5.0})
    assert not equal_json({"a": True}, {"a": 1})


def test_refusals_are_equal_whatever_their_words(schema_rows):
    judge = SchemaJudge(schema_rows[0]["schema"])
    assert judge.same(refusal("a", "b"), refusal("c", "d"))
    assert not equal_json(refusal("a", "b"), refusal("c", "d"))


def test_the_schemas_of_every_variant_are_closed(schema_rows):
    teacher = EmbeddedTeacher(dataset_options())
    for row in schema_rows[:10]:
        judge = SchemaJudge(row["schema"])
        ast = teacher.sample_program(row["fields"], 2, random.Random(3), date(2024, 3, 17))
        assert judge.is_valid(ast)
        for spoiled in (
            ast | {"extra": 1},
            {"steps": []},
            {},
            {"steps": [{"name": "s", "conditions": []}]},
            ast | {"timeframe": {"start": "2024-02-30", "end": "2024-03-01"}},
            ast | {"timeframe": {"start": "2024-03-02", "end": "2024-03-01"}},
            ast | refusal("a", "b"),
        ):
            assert judge.error(spoiled) is not None
        other = copy.deepcopy(ast)
        other["steps"][0]["conditions"][0]["field"] = "no such field"
        assert judge.error(other)[0] == "schema_violation"


def test_rules_beyond_the_schema_are_checked():
    condition = {"field": "n", "operator": "between", "value": [9, 3]}
    assert "range" in broken_rule(program([[condition]]))
    assert broken_rule(program([[condition | {"value": [3, 9]}]])) is None
    assert broken_rule([1, 2]) is None


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"a": Infinity}', "{} {}", "prose", "```json\n{}\n```", "[" * 100_000]
)
def test_what_is_not_exactly_one_json_value_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011
        parse_answer(text)


def test_failures_are_classed(schema_rows):
    row = next(r for r in schema_rows if any(f["type"] == "integer" and len(f["operators"]) > 1 for f in r["fields"]))
    field = next(f for f in row["fields"] if f["type"] == "integer" and len(f["operators"]) > 1)
    singles = [a for c, a in field["operators"].items() if c != "between"]
    judge = SchemaJudge(row["schema"])
    right = program([[{"field": field["name"], "operator": singles[0], "value": 5}]], ("2024-01-01", "2024-01-31"))

    def change(**parts):
        ast = copy.deepcopy(right)
        ast["steps"][0]["conditions"][0].update(parts)
        return minify(ast)

    assert failure_of(judge, right, minify(right), True) is None
    assert failure_of(judge, right, change(value=6), True) == "wrong_value"
    assert failure_of(judge, right, "{", True) == "not_json"
    assert failure_of(judge, right, "{", False) == "cut_off"
    assert failure_of(judge, right, "{}", True) == "schema_violation"
    assert failure_of(judge, right, minify(refusal("a", "b")), True) == "refused_when_it_should_answer"
    assert failure_of(judge, refusal("a", "b"), minify(right), True) == "answered_when_it_should_refuse"
    assert failure_of(judge, right, minify({"steps": right["steps"]}), True) == "wrong_timeframe"
    assert failure_of(judge, right, minify(right | {"steps": right["steps"] * 2}), True) == "wrong_number_of_steps"
    if len(singles) > 1:
        assert failure_of(judge, right, change(operator=singles[1]), True) == "wrong_operator"
