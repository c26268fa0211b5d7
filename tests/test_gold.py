"""The gold set: hand-written rows that hold what they should and stay out of everything that is trained on."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from tests_support import config_for, domain_specs, ok, refused, rows_of

from pipeline.paths import CONFIG_DIR
from pipeline.requests.calendar import periods
from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.dsl import conditions_of, described, step_phrases_of
from pipeline.students.evaluation import GOLD_REQUESTS, GOLD_SCHEMAS
from pipeline.teachers.language import operator_phrases, step_phrases

SCHEMAS = {row["schema_id"]: row for row in rows_of(GOLD_SCHEMAS)}
ROWS = rows_of(GOLD_REQUESTS)


def test_the_set_has_the_size_and_mixture_that_its_note_says():
    assert len(ROWS) == len({row["row_id"] for row in ROWS}) == 200
    assert Counter(row["language"] for row in ROWS) == {"en": 106, "fr": 94}
    assert Counter(row["kind"] for row in ROWS)["refusal"] == 26
    assert len(SCHEMAS) == 13
    assert {row["schema_id"] for row in ROWS} == set(SCHEMAS)


def test_its_schemas_list_what_people_say_for_operators_as_shipped_ones_do():
    most = json.loads((CONFIG_DIR / "defaults.json").read_text())["schemas"]["operator_phrases"]
    for row in SCHEMAS.values():
        types = {field["name"]: field["type"] for field in row["fields"]}
        for branch in conditions_of(row["schema"]):
            operator, kind = branch["properties"]["operator"], types[branch["properties"]["field"]["const"]]
            said = {
                phrase: alias
                for alias in operator["enum"]
                for language in ("en", "fr")
                for phrase in operator_phrases(language, row["operators"][alias], kind)[:most]
            }
            assert described(operator) == said
        assert step_phrases_of(row["schema"]) == [step_phrases(language)[0] for language in ("en", "fr")]


def test_every_ast_satisfies_its_schema_and_its_own_kind():
    for row in ROWS:
        assert SchemaJudge(SCHEMAS[row["schema_id"]]["schema"]).error(row["ast"]) is None, row["query"]
        assert (row["kind"] == "refusal") == ("refusal" in row["ast"])


def test_every_number_and_quoted_text_of_an_ast_stands_in_its_request():
    for row in ROWS:
        said = row["query"].replace(",", ".").replace("first", "1")
        for step in row["ast"].get("steps", []):
            for condition in step["conditions"]:
                values = condition["value"] if isinstance(condition["value"], list) else [condition["value"]]
                for value in values:
                    if isinstance(value, bool):
                        continue
                    if isinstance(value, int | float):
                        # "5 hours (300 min)", "65 or older": the number itself is always written
                        assert any(float(n) == value for n in re.findall(r"\d+(?:\.\d+)?", said)), row["query"]
        for text in re.findall(r'"([^"]+)"', row["query"]) if row["kind"] == "program" else ():
            assert json.dumps(text) in json.dumps(row["ast"]), row["query"]


def test_every_timeframe_is_a_period_of_the_calendar_or_a_date_that_the_request_says():
    from datetime import date

    for row in ROWS:
        if "timeframe" not in row["ast"]:
            continue
        frame = (row["ast"]["timeframe"]["start"], row["ast"]["timeframe"]["end"])
        today = date.fromisoformat(row["current_date"])
        named = {(a.isoformat(), b.isoformat()) for a, b in periods(today).values()}
        since = {(a, row["current_date"]) for a, _ in named}
        day = str(int(frame[0][-2:]))
        assert frame in named | since or (frame[1] == row["current_date"] and day in row["query"]), row["query"]


def test_the_prompt_says_the_days_of_every_timeframe():
    """They were read when the phrases of config/calendar.json were written: no measure of what it knows of others."""
    from datetime import date

    from pipeline.requests.calendar import annotated

    for row in ROWS:
        if span := row["ast"].get("timeframe"):
            request = annotated(row["query"], date.fromisoformat(row["current_date"]))
            assert f"[{span['start']} {span['end']}]" in request


def test_no_gold_domain_is_a_shipped_one():
    shipped = {spec["domain"] for spec in domain_specs()}
    assert not shipped & {row["domain"] for row in SCHEMAS.values()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, tiny_base):
    folder = tmp_path_factory.mktemp("gold")
    config = str(
        config_for(
            folder, tiny_base, evaluation={"max_new_tokens": 4, "splits": ["gold"], "gold_rows": None, "judge": False}
        )
    )
    for name in ("generate_domain_specs.py", "build_schemas.py", "generate_dataset.py", "build_training_corpus.py"):
        ok(name, "--config", config)
    return folder, config


def test_gold_is_measured_on_request_and_apart(corpus):
    folder, config = corpus
    ok("evaluate_student.py", "--config", config, "--base", "--modes", "free", "--max-samples", "5")
    results = rows_of(folder / "out/student_runs/embedded/eval/base/evaluation_results.jsonl")
    assert [row["row_id"] for row in results] == [row["row_id"] for row in ROWS[:5]]


def test_a_gold_schema_in_the_training_corpus_stops_the_evaluation(corpus):
    folder, config = corpus
    path = folder / "out/d_04_training_corpus.jsonl"
    before = path.read_text()
    row = next(r for r in rows_of(path) if r["split"] == "train") | {"schema_id": ROWS[0]["schema_id"]}
    try:
        path.write_text(json.dumps(row) + "\n" + before)
        said = refused("evaluate_student.py", "--config", config, "--base", "--modes", "free")
    finally:
        path.write_text(before)
    assert ROWS[0]["schema_id"] in said
    assert "gold" in said


def test_a_trained_request_under_another_row_id_stops_the_evaluation(corpus):
    folder, config = corpus
    path = folder / "out/d_03_dataset.jsonl"
    before = path.read_text()
    rows = rows_of(path)
    train = next(row for row in rows if row["split"] == "train")
    try:
        path.write_text(before + json.dumps(train | {"row_id": "f" * 16, "split": "test_seen"}) + "\n")
        said = refused("evaluate_student.py", "--config", config, "--base", "--modes", "free", "--splits", "test_seen")
    finally:
        path.write_text(before)
    assert "with its schema" in said
