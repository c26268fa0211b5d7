"""The embedded teacher reads back what it says."""

from __future__ import annotations

import random
import re
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests_support import dataset_options, make_schemas

from pipeline.requests.reading import one_edit_apart
from pipeline.schemas.asts import SchemaJudge, parse_answer
from pipeline.teachers.embedded_teacher import EmbeddedTeacher
from pipeline.teachers.language import Speaker, make_typo, operator_phrases, step_phrases
from pipeline.teachers.teacher import Query

TODAY = date(2024, 3, 17)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9), language=st.sampled_from(["en", "fr"]), days=st.integers(0, 2000))
@example(seed=3103, language="en", days=0)  # "none of group, full price, reduced, group size is 42"
def test_programs_survive_the_round_trip(seed, language, days):
    rng = random.Random(seed)
    row = make_schemas(1, seed)[0]
    teacher = EmbeddedTeacher(dataset_options())
    judge, today = SchemaJudge(row["schema"]), date(2020, 1, 1) + timedelta(days=days)
    for conditions in (1, 2, 4):
        ast = teacher.sample_program(row["fields"], conditions, rng, today)
        text = Speaker(row["fields"], language).say(ast, today, rng)
        read = Speaker(row["fields"], language).read(text, today)
        assert judge.error(ast) is None, text
        assert read is not None, text
        assert judge.same(read, ast), (text, read, ast)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_nearly_all_written_requests_are_answered_as_they_were_meant(schema_rows, language):
    teacher = EmbeddedTeacher(dataset_options(refusal_share=0.3, typo_share=0.0))
    agreed = total = refusals = 0
    for row in schema_rows:
        judge = SchemaJudge(row["schema"])
        for query in teacher.write_queries(row, language, TODAY.isoformat(), 8, "agreement"):
            total += 1
            try:
                answer = parse_answer(teacher.answer(row, query))
            except ValueError:
                continue
            agreed += judge.error(answer) is None and judge.same(answer, query.expected)
            refusals += "refusal" in query.expected
    assert refusals > 0.2 * total
    assert agreed > 0.98 * total


def test_the_judge_accepts_what_was_meant_and_nothing_near_it(schema_rows):
    teacher = EmbeddedTeacher(dataset_options(refusal_share=0.0, typo_share=0.0, near_miss_share=1.0))
    told_apart = 0
    for row in schema_rows[:15]:
        judge = SchemaJudge(row["schema"])
        queries = teacher.write_queries(row, "en", TODAY.isoformat(), 6, "judge")
        for first, second in pairwise(queries):
            assert teacher.judge(row, first.text, first.current_date, first.expected) is True
            if not judge.same(first.expected, second.expected):
                told_apart += 1
                assert teacher.judge(row, first.text, first.current_date, second.expected) is False
    assert told_apart > 20


def test_a_sentence_of_no_known_kind_is_not_read(schema_rows):
    speaker = Speaker(schema_rows[0]["fields"], "en")
    assert speaker.read("colourless green ideas sleep furiously", TODAY) is None
    assert EmbeddedTeacher(None).judge(schema_rows[0], "colourless green ideas", "2024-03-17", {"steps": []}) is None


@given(word=st.text("abcdefgh", min_size=5, max_size=9), seed=st.integers())
def test_a_typo_is_one_edit_away_and_leaves_quotes_alone(word, seed):
    typed = make_typo(f'{word} "summersale" 2024', random.Random(seed))
    assert typed.endswith('"summersale" 2024')
    assert typed.split()[0] == word or one_edit_apart(typed.split()[0], word)


def test_sentences_for_one_program_vary(schema_rows):
    row = schema_rows[0]
    ast = EmbeddedTeacher(dataset_options()).sample_program(row["fields"], 2, random.Random(1), TODAY)
    speaker = Speaker(row["fields"], "fr")
    assert len({speaker.say(ast, TODAY, random.Random(seed)) for seed in range(40)}) > 25


def test_what_stands_after_a_value_is_described_where_what_stands_before_it_means_another_operator():
    assert "is" in operator_phrases("en", "equals", "integer")
    assert operator_phrases("en", "at_least", "integer")[:2] == ["at least", "or more"]
    assert operator_phrases("fr", "at_most", "number")[:2] == ["au plus", "ou moins"]
    assert operator_phrases("en", "between", "number") == ["between", "from"]


def test_what_stands_between_values_is_described_where_a_list_is_said_as_one_value_is():
    assert operator_phrases("en", "in", "enum")[:2] == ["or", "among"]
    assert operator_phrases("fr", "in", "enum")[:2] == ["ou", "parmi"]
    assert operator_phrases("en", "not_in", "enum")[0] == "is neither"


def test_refusals_name_what_is_missing(schema_rows):
    row = next(row for row in schema_rows if row["absent_fields"])
    speaker = Speaker(row["fields"], "en")
    query = Query("show records where unheard thing is above 5", "en", TODAY.isoformat())
    answer = parse_answer(EmbeddedTeacher(None).answer(row, query))
    assert answer == speaker.refusal_of("field")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_of_a_request_with_an_unknown_value_nothing_else_is_unknown(schema_rows, language):
    teacher = EmbeddedTeacher(dataset_options(refusal_share=1.0, typo_share=0.0))
    mended = 0
    for row in schema_rows:
        entries = {f"unknown value of {field['name']}": field for field in row["fields"] if field["type"] == "enum"}
        for query in teacher.write_queries(row, language, TODAY.isoformat(), 24, "one thing"):
            entry = entries.get(query.expected.get("refusal", {}).get("reason"))
            if entry is None:
                continue
            missing = [value["words"][language] for value in entry["absent_values"]]
            (said,) = (m for m in missing if re.search(rf"(?<!\w){re.escape(m)}(?!\w)", query.text, re.IGNORECASE))
            known = query.text.replace(said, entry["values"][0]["words"][language])
            assert "steps" in Speaker(row["fields"], language).read(known, TODAY), query.text
            mended += 1
    assert mended > 10


def test_no_refusal_says_that_a_field_of_the_schema_is_missing(schema_rows):
    """A list of any words would read the next step as its last item, and so the field before it as unknown."""
    read = 0
    for row in schema_rows:
        fields = [field for field in row["fields"] if field["type"] == "enum" and "not_in" in field["operators"]]
        if not fields:
            continue
        known = fields[0]["words"]["en"]
        values = ", ".join(value["words"]["en"] for value in fields[0]["values"][:2])
        query = f"show rows where {known} is none of {values}, then unheard thing later than 21/04/2022"
        answer = Speaker(row["fields"], "en").read(query, TODAY)
        assert answer == Speaker(row["fields"], "en").refusal_of("field")
        read += 1
    assert read


def test_a_schema_gives_phrases_for_its_operators_that_mean_one_operator_of_the_field(schema_rows):
    given = 0
    for row in schema_rows:
        template = row["schema"]["anyOf"][0]["properties"]["steps"]["items"]["properties"]["conditions"]["items"]
        for field in row["fields"]:
            branches = [
                b["properties"] for b in template["anyOf"] if b["properties"]["field"]["const"] == field["name"]
            ]
            said: dict[str, str] = {}
            for operator in (branch["operator"] for branch in branches):
                for pair in filter(None, operator.get("description", "").split(", ")):
                    phrase, alias = pair.split(": ")
                    assert alias in operator["enum"]
                    assert said.setdefault(phrase, alias) == alias
                    given += 1
            for phrase, alias in said.items():
                (canonical,) = (name for name, mine in field["operators"].items() if mine == alias)
                known = [p for language in ("en", "fr") for p in operator_phrases(language, canonical, field["type"])]
                assert phrase in known
    assert given > 4 * len(schema_rows)


def test_a_schema_says_what_stands_between_two_steps(schema_rows):
    for row in schema_rows:
        hints = row["schema"]["anyOf"][0]["properties"]["steps"]["description"].split(", ")
        phrases = [hint.removesuffix(": step") for hint in hints]
        assert set(phrases) <= {phrase for language in ("en", "fr") for phrase in step_phrases(language)}
        for language in ("en", "fr"):
            speaker = Speaker(row["fields"], language, phrasings=2)
            for seed in range(20):
                said = speaker.say_frame([["a"], ["b"]], None, random.Random(seed))
                assert any(f" {phrase} " in said for phrase in phrases), said


def test_a_value_that_two_fields_have_is_said_with_its_field():
    def field(name: str, *values: str) -> dict:
        words = [{"value": value, "words": {"en": value}} for value in values]
        return {"name": name, "type": "enum", "words": {"en": name}, "operators": {"equals": "is"}, "values": words}

    speaker, said = Speaker([field("wood", "old", "oak"), field("state", "old", "new")], "en"), {}
    for value in ("old", "oak"):
        condition = {"field": "wood", "operator": "is", "value": value}
        said[value] = {speaker.say_condition(condition, random.Random(seed)) for seed in range(30)}
    assert "oak" in said["oak"]
    assert all("wood" in text for text in said["old"])


def test_an_operator_that_two_fields_have_is_said_with_its_field():
    number = {"type": "integer", "operators": {"greater": "gt"}}
    age, size = ({"name": name, "words": {"en": name}} | number for name in ("age", "size"))
    condition = {"field": "age", "operator": "gt", "value": 3}
    alone, both = Speaker([age], "en"), Speaker([age, size], "en")
    said = {speaker.say_condition(condition, random.Random(seed)) for seed in range(60) for speaker in (alone, both)}
    assert {"age above 3", "above 3"} <= said
    assert "above 3" not in {both.say_condition(condition, random.Random(seed)) for seed in range(60)}
    assert alone.read("only above 3", TODAY)["steps"][0]["conditions"] == [condition]
    assert "refusal" in both.read("only above 3", TODAY)


def test_an_odd_number_of_rows_favours_no_language(schema_rows):
    from types import SimpleNamespace

    from generate_dataset import rows_of_schema

    run = SimpleNamespace(languages=["en", "fr"], seed=3)
    firsts = []
    for row in schema_rows:
        options = dataset_options()
        rows, _ = rows_of_schema(EmbeddedTeacher(options), row, [("train", 6), ("test_seen", 3)], options, run, 1)
        firsts.append(sum(r["language"] == "en" for r in rows if r["split"] == "test_seen"))
        assert sum(r["language"] == "en" for r in rows if r["split"] == "train") == 3
    assert set(firsts) == {1, 2}
    assert 0.2 < firsts.count(2) / len(firsts) < 0.8
