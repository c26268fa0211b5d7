"""A user's own JSON Schemas: read, closed, rewritten for grammars, sampled, said and read back."""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT, run_script
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests_support import config_for, rows_of

from build_schemas import variant_of
from generate_dataset import wanted_rows
from pipeline.errors import UserError
from pipeline.requests.own_examples import read_examples
from pipeline.requests.reading import said_around
from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.constraints import enforceable, lets_through
from pipeline.schemas.dsl import with_refusal
from pipeline.schemas.json_schemas import closed_schema, read_folder
from pipeline.schemas.json_text import minify
from pipeline.schemas.key_order import KeyOrder
from pipeline.schemas.names import words_of
from pipeline.schemas.rewrite import named_only
from pipeline.teachers import own_schemas, schema_reader
from pipeline.teachers.instances import WORDS, NoInstance, Sampler, matching, text_of
from pipeline.teachers.made_up_words import Words
from pipeline.teachers.refused_requests import is_off_topic, say_refused
from pipeline.teachers.schema_language import SchemaLanguage, tongues

EXAMPLES = ROOT / "examples"


def write(folder: Path, **schemas: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, schema in schemas.items():
        (folder / f"{name}.json").write_text(
            schema if isinstance(schema, str) else json.dumps(schema), encoding="utf-8"
        )
    return folder


def accepts(schema: Any, instance: Any) -> bool:
    text, unenforced = enforceable(schema)
    assert not unenforced
    assert text is not None
    return lets_through(text, instance)


@pytest.mark.parametrize(
    ("draft", "schema", "valid", "invalid"),
    [
        ("http://json-schema.org/draft-04/schema#", {"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ("http://json-schema.org/draft-04/schema#", {"const": 1}, 2, None),
        ("http://json-schema.org/draft-07/schema#", {"items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", 1]),
        ("http://json-schema.org/draft-07/schema#", {"dependencies": {"a": ["b"]}}, {"a": 1, "b": 2}, {"a": 1}),
        ("http://json-schema.org/draft-07/schema#",
         {"properties": {"a": {"$ref": "#/definitions/n", "maximum": 1}}, "definitions": {"n": {"type": "integer"}}},
         {"a": 5}, {"a": "x"}),
        ("https://json-schema.org/draft/2019-09/schema",
         {"$recursiveAnchor": True, "properties": {"next": {"$recursiveRef": "#"}}, "additionalProperties": False},
         {"next": {"next": {}}}, {"next": {"other": 1}}),
        ("https://json-schema.org/draft/2020-12/schema", {"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", 1]),
    ],
)  # fmt: skip
def test_older_drafts_say_the_same_as_closed_schemas_of_2020(draft, schema, valid, invalid):
    validator = Draft202012Validator(closed_schema("s.json", {"$schema": draft, **schema}))
    assert validator.is_valid(valid)
    assert invalid is None or not validator.is_valid(invalid)


def test_references_are_resolved_inside_the_folder_and_move_into_the_schema(tmp_path):
    folder = write(
        tmp_path / "s",
        order={
            "type": "object",
            "properties": {"to": {"$ref": "address.json"}, "who": {"$ref": "parts.json#/$defs/name"}},
        },
        address={"type": "object", "required": ["city"]},
        parts={"$defs": {"name": {"$anchor": "name", "type": "string"}}},
    )
    order = read_folder(folder)["order"]
    validator = Draft202012Validator(order)
    assert validator.is_valid({"to": {"city": "Lyon"}, "who": "Ada"})
    assert not validator.is_valid({"to": {}})
    assert not validator.is_valid({"who": 3})
    assert ".json" not in json.dumps(order)


MIXED_DEPENDENCIES = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "dependencies": {"a": {"required": ["b"]}, "c": ["d"]},
}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a": "{broken"}, "a.json line 1 is not JSON"),
        ({"a": {"type": "strin"}}, "a.json is no JSON Schema"),
        ({"a": {"$id": "urn:x"}, "b": {"$id": "urn:x"}}, "the same $id urn:x"),
        ({"a": MIXED_DEPENDENCIES}, "a.json has something in place of a subschema"),
        ({"a": {"$ref": "https://example.com/other.json"}}, "nothing is fetched"),
        ({"a": {"properties": {"p": {"$ref": "../secret.json"}}}}, "at properties/p, $ref '../secret.json'"),
        ({"a": {"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}}}}, "without an end"),
        ({"a": {"type": "string", "pattern": "^(a+)+$"}}, "exponential time"),
        ({"a": {"type": "string", "pattern": "(["}}, "is not a 'regex'"),
        ({"a": '{"items":' * 1000 + "{}" + "}" * 1000}, "nest"),
        ({"a": json.dumps({"enum": ["x" * 1000] * 10_000})}, "bytes; a schema may have"),
        ({}, "holds no .json file"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_read_is_a_sentence_with_file_and_place(tmp_path, files, said):
    with pytest.raises(UserError) as caught:
        read_folder(write(tmp_path / "s", **files))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pattern_that_python_would_warn_of_is_read_without_a_word_about_python(tmp_path):
    pattern = {"type": "object", "properties": {"code": {"type": "string", "pattern": "^[[a-z|||]{3}$"}}}
    folder = write(tmp_path / "own", code=pattern | {"required": ["code"], "additionalProperties": False})
    options = ("--config", "config/offline.json", "--output-root", str(tmp_path / "out"))
    done = run_script("build_schemas.py", "--schemas", str(folder), *options)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


def test_a_schema_without_a_title_has_that_of_its_file(tmp_path):
    folder = write(tmp_path / "s", shop_order={"type": "object"}, b={"title": "x"}, c="true")
    assert read_folder(folder) == {
        "b": {"title": "x"},
        "c": True,
        "shop_order": {"title": "shop order", "type": "object"},
    }


def test_yaml_is_named(tmp_path):
    (tmp_path / "a.yaml").write_text("type: object")
    with pytest.raises(UserError, match="is YAML"):
        read_folder(tmp_path)


CASES = [
    ({"if": {"properties": {"k": {"const": "a"}}, "required": ["k"]}, "then": {"required": ["x"]}, "type": "object",
      "properties": {"k": {"enum": ["a", "b"]}, "x": {"type": "integer"}}, "required": ["k"], "additionalProperties": False},
     [{"k": "a", "x": 1}, {"k": "b"}, {"k": "b", "x": 1}], [{"k": "a"}, {"k": "c"}]),
    ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "additionalProperties": False,
      "dependentRequired": {"a": ["b"]}}, [{}, {"b": 1}, {"a": 1, "b": 1}], [{"a": 1}]),
    ({"oneOf": [{"type": "string", "maxLength": 3}, {"type": "string", "minLength": 3}]}, ["ab", "abcd"], ["abc", 1]),
    ({"type": "string", "not": {"enum": ["ab", "abc"]}}, ["", "a", "abcd", "b"], ["ab", "abc"]),
    ({"type": ["integer", "string"], "not": {"type": "string"}}, [1], ["a"]),
    ({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}],
      "properties": {"b": {"type": "boolean"}}, "unevaluatedProperties": False}, [{"a": 1, "b": True}], [{"a": 1, "c": 1}]),
    ({"oneOf": [{"properties": {"shape": {"const": "circle"}}, "required": ["radius"]},
                {"properties": {"shape": {"const": "square"}}, "required": ["side"]}],
      "properties": {"radius": {"type": "number"}, "side": {"type": "number"}, "shape": {"enum": ["circle", "square"]}},
      "required": ["shape"], "type": "object"},
     [{"shape": "circle", "radius": 1}, {"shape": "square", "side": 2}], [{"shape": "circle", "side": 2}, {"radius": 1}]),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "valid", "invalid"), CASES)
def test_the_grammar_alone_says_what_the_schema_says(schema, valid, invalid):
    validator = Draft202012Validator(schema)
    for instance in valid:
        assert validator.is_valid(instance)
        assert accepts(schema, instance), instance
    for instance in invalid:
        assert not validator.is_valid(instance)
        assert not accepts(schema, instance), instance


def test_what_cannot_be_enforced_is_named_and_left_to_validation():
    schema = {"type": "array", "items": {"type": "integer"}, "contains": {"const": 7}}
    text, unenforced = enforceable(schema)
    assert unenforced == ("contains",)
    assert "integer" in (text or "")


A, B = ({"type": "object", "properties": {name: {"type": "integer"}}} for name in "ab")


@pytest.mark.parametrize(
    "schema, named, other",
    [
        (A, {"a": 1}, {"a": 1, "b": 2}),
        (with_refusal(A), {"a": 1}, {"a": 1, "b": 2}),
        ({"type": "array", "items": A}, [{"a": 1}], [{"a": 1, "b": 2}]),
        ({"anyOf": [A, B]}, {"b": 1}, {"a": 1, "b": 2}),
        ({"properties": {"x": {"$ref": "#/$defs/one"}}, "type": "object", "$defs": {"one": A}}, {"x": {"a": 1}}, {"x": {"b": 2}}),
        ({"type": "object", "additionalProperties": A}, {"x": {"a": 1}}, {"x": {"a": 1, "b": 2}}),
    ],
)  # fmt: skip
def test_a_student_is_held_to_properties_that_its_schema_names(schema, named, other):
    assert accepts(schema, other)
    assert accepts(named_only(schema), named)
    assert not accepts(named_only(schema), other)
    assert named_only(named_only(schema)) == named_only(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [A, B]},
        {**A, "allOf": [B]},
        {**A, "anyOf": [B, {"required": ["c"]}]},
        {**A, "$ref": "#/$defs/one", "$defs": {"one": B}},
        {"allOf": [{"$ref": "#/$defs/one"}, A], "$defs": {"one": B}},
        {**A, "additionalProperties": True},
        {**A, "patternProperties": {"^b": {"type": "integer"}}},
        {**A, "required": ["b"]},
        {**A, "minProperties": 2},
        {**A, "dependentRequired": {"a": ["b"]}},
        {**A, "enum": [{"a": 1, "b": 2}]},
        {"type": "object", "required": ["a"]},
    ],
    ids=lambda schema: " ".join(schema),
)
def test_properties_that_a_schema_may_have_from_elsewhere_stay_possible(schema):
    value = {"a": 1, "b": 2}
    assert Draft202012Validator(schema).is_valid(value)
    assert Draft202012Validator(named_only(schema)).is_valid(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"items": A, "contains": B},
        {"items": A, "anyOf": [{"items": B}, {"minItems": 9}]},
        {"$ref": "#/$defs/list", "items": A, "$defs": {"list": {"items": B}}},
        {"prefixItems": [{"patternProperties": {".": A}, "properties": {"x": B}}]},
    ],
    ids=lambda schema: " ".join(schema),
)
def test_items_of_which_several_schemas_speak_keep_the_properties_of_all(schema):
    for value in ([{"a": 1, "b": 2}], [{"x": {"a": 1, "b": 2}}]):
        assert Draft202012Validator(named_only(schema)).is_valid(value) == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("before", [{}, {"additionalProperties": {"type": "integer"}}, {"required": ["a"]}])
def test_answers_are_written_in_the_order_that_the_grammar_takes(before):
    """Wherever properties, `allOf`, references and choices stand among each other, and in the branch that holds."""
    needs = lambda name, kind="integer": {"properties": {name: {"type": kind}}, "required": [name]}
    parts = {
        "properties": {"a": {"type": "integer"}},
        "allOf": [needs("b")],
        "anyOf": [needs("c", "null"), needs("c")],
        "oneOf": [{"properties": {"d": {"const": 1}, "x": True}, "required": ["d"]}, needs("d", "null")],
        "$ref": "#/$defs/other",
    }
    for keys in itertools.permutations(parts, 3):
        schema = {"type": "object", **before, **{key: parts[key] for key in keys}, "$defs": {"other": needs("e")}}
        value = dict.fromkeys("zedcba", 1)
        assert accepts(schema, KeyOrder(schema).ordered(value)), schema


def test_a_choice_is_written_in_the_order_of_the_branch_that_holds():
    one = {"properties": {"kind": {"const": "one"}, "x": True, "y": True}, "required": ["kind"]}
    two = {"properties": {"y": True, "x": True, "kind": {"const": "two"}}, "required": ["kind"]}
    schema = {"type": "array", "items": {"type": "object", "anyOf": [one, two]}}
    answer = [{"y": 1, "x": 2, "kind": kind} for kind in ("one", "two")]
    written = KeyOrder(schema).ordered(answer)
    assert [list(item) for item in written] == [["kind", "x", "y"], ["y", "x", "kind"]]
    assert accepts(schema, written)


def test_a_counted_pattern_in_a_bounded_text_lets_what_satisfies_both_through():
    schema = {"type": "string", "pattern": r"^(?:\S+\s+){0,49}\S+$", "maxLength": 500}
    assert accepts(schema, "a sentence of words " * 8 + "that ends")


@pytest.mark.parametrize(("pattern", "strange"), [('^[^"]+$', 'a"b'), (r"^[^\\]+$", "a\\b"), ("^[^!-~]+$", '"')])
def test_a_pattern_that_the_engine_misreads_is_left_to_validation(pattern, strange):
    text, unenforced = enforceable({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}})
    assert unenforced == ("pattern",)
    assert lets_through(text, {"a": strange})
    assert enforceable({"type": "string", "pattern": r'^[^\s"]+$'})[1] == ()


def test_brackets_that_are_hard_to_tell_from_classes_end_in_no_traceback():
    for pattern in ("^[]a]+$", "^[^]b]+$", r"^\[z-a]$", r"^\[[a-z]+\]$"):
        enforceable({"type": "string", "pattern": pattern})


@pytest.mark.parametrize("name", ["calendar_event", "shop_order", "search_query"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_requests_hold_their_instances_and_are_read_back(name, language):
    row = {"schema": with_refusal(read_folder(EXAMPLES)[name]), "title": name.replace("_", " ")}
    judge = SchemaJudge(row["schema"])
    queries = own_schemas.write_queries(row, language, "2024-03-01", 60, f"seed-{name}", 0.15)
    assert len({query.text for query in queries}) > 50
    assert {"refusal" in query.expected for query in queries} == {True, False}
    for query in queries:
        read = json.loads(own_schemas.answer(row, query.text, language))
        assert judge.error(read) is None
        assert judge.same(read, query.expected), query.text
        assert own_schemas.agrees(row, query.text, query.expected, judge)


@pytest.mark.parametrize(
    "text", ['12 "foo"', "day 2024-03-01, sport weekly", '12 "foo', "not", "12 ", 'weekly "x"', "a, b", ""]
)
def test_what_is_no_sentence_of_the_embedded_language_is_read_as_none(text):
    row = {"schema": with_refusal(read_folder(EXAMPLES)["calendar_event"]), "title": "calendar event"}
    assert own_schemas.answer(row, text, "en").startswith("not a sentence")


def test_nothing_is_listed_twice_and_a_pattern_of_times_of_day_has_times_of_day():
    kinds = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2}
    at = {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}
    sampler = Sampler({"properties": {"kinds": kinds, "at": at}, "required": ["kinds", "at"]})
    for number in range(60):
        made = sampler.sample(random.Random(number))
        assert len(set(made["kinds"])) == len(made["kinds"])
        assert made["at"] < "24:00"
    twice = {"type": "array", "items": {"const": "a"}, "minItems": 2}
    assert Sampler(twice).sample(random.Random(1)) == ["a", "a"]


def test_objects_that_may_have_something_are_not_empty():
    part = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    sampler = Sampler({"type": "array", "items": part, "minItems": 3})
    assert all(item for number in range(40) for item in sampler.sample(random.Random(number)))


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"shape": {"enum": ["circle", "square"]}, "circle": {"properties": {"radius": {"type": "number"}}}}},
        {"dependentRequired": {"a": ["b"]}, "properties": {"b": {"type": "string"}}, "required": ["a"]},
        {"properties": {"on": {"type": "boolean"}, "at": {"type": "boolean"}, "day": {"format": "date", "type": "string"}}},
        {"properties": {"name": {"type": "string"}, "minutes": {"type": "integer"}, "limit": {"type": "number"}}, "required": ["name"]},
    ],
)  # fmt: skip
def test_what_could_be_misread_without_its_name_keeps_it(schema):
    language, sampler = SchemaLanguage(schema, "en", "thing"), Sampler(schema)
    for number in range(80):
        rng = random.Random(number)
        instance = sampler.sample(rng)
        text = language.say(instance, rng)
        assert schema_reader.read(language, text) == instance, text


def test_other_words_that_a_description_lists_for_a_name_are_said_and_read_back():
    schema = {
        "properties": {
            "guests": {"type": "array", "items": {"type": "string"}, "description": "with: guests, not: guests"},
            "dueDate": {"type": "string", "description": "deadline: dueDate, kind: dueDate"},
            "kind": {"type": "string"},
            "minutes": {"type": "integer", "description": "min: minutes"},
        }
    }
    language, sampler = SchemaLanguage(schema, "en", "thing"), Sampler(schema)
    said = dict.fromkeys(("with", "not", "deadline", "min", "kind", "due date", '"kind"', "guests"), 0)
    for number in range(200):
        rng = random.Random(number)
        instance = sampler.sample(rng)
        text = language.say(instance, rng)
        assert schema_reader.read(language, text) == instance, text
        for phrase in said:
            said[phrase] += re.search(rf"(?<![\w\"]){phrase}(?![\w\"])", text) is not None
        assert not re.search("with(?: is| =|:| set)", text), text
        assert "with" not in say_refused(language, {}, rng)[0]
    never = {phrase for phrase, times in said.items() if not times}
    assert never == {"not", "kind"}  # reserved, and said for two names


def test_requests_are_refused_for_a_property_a_value_and_for_having_nothing_to_do_with_the_schema():
    row = {"schema": with_refusal(read_folder(ROOT / "tests" / "own")["alert_rule"]), "title": "alert rule"}
    queries = own_schemas.write_queries(row, "en", "2024-03-01", 200, "seed", 1.0)
    reasons = Counter(query.expected["refusal"]["reason"] for query in queries)
    assert set(reasons) == {
        "unknown field", "unknown value of metric", "unknown value of severity", "unknown value of channels"
    }  # fmt: skip
    assert {query.expected["refusal"]["suggestion"] for query in queries} >= {
        "metric, host, threshold",
        "mail, chat, sms",
    }
    language = SchemaLanguage(row["schema"]["anyOf"][0], "en", "alert rule")
    assert sum(is_off_topic(language, query.text) for query in queries) > 10
    bare = re.compile(r", [^\W\d_]+( [^\W\d_]+)+$")
    assert sum(bool(bare.search(query.text)) for query in queries) > 40
    needs_text = read_folder(EXAMPLES)["calendar_event"]
    assert not is_off_topic(SchemaLanguage(needs_text, "en", "calendar event"), "brandel mofa")


def test_what_is_unknown_is_no_word_of_the_schema_and_no_small_one(monkeypatch):
    drawn = itertools.cycle(["au", "amount", "on", "zorp"])
    monkeypatch.setattr(Words, "word", lambda _: next(drawn))
    schema = {"properties": {"amount": {"type": "integer"}, "kind": {"enum": [*WORDS]}}}
    language = SchemaLanguage(schema, "en", "thing")
    for number in range(60):
        text, refusal = say_refused(language, {"amount": 3, "kind": "north"}, random.Random(number))
        assert schema_reader.read(language, text) == refusal, text
        assert "zorp" in text, text
        assert not re.search(r"\b(?:au|on)\b|amount.*amount", text), text


def test_what_the_teacher_says_for_nothing_is_read_as_nothing():
    said = {word for tongue in tongues().values() for word in (tongue.null, tongue.empty_list, tongue.empty_object)}
    assert said <= {*said_around()["none"]}


def test_half_of_the_requests_leave_names_out_that_their_values_do_not_need():
    row = {"schema": with_refusal(read_folder(EXAMPLES)["calendar_event"]), "title": "calendar event"}
    queries = own_schemas.write_queries(row, "en", "2024-03-01", 200, "seed", 0.0)
    unnamed = dict.fromkeys(("title", "day", "start", "repeats"), 0)
    for query in queries:
        for name in unnamed:
            unnamed[name] += name in query.expected and name not in query.text
    assert all(10 < times < 100 for times in unnamed.values()), unnamed
    assert any(re.search(r"\d minutes", query.text) for query in queries)


def test_a_whole_number_is_said_as_one():
    said = SchemaLanguage({"properties": {"sum": {"type": "number"}}}, "en", "order")
    assert re.findall(r"[\d.]+", said.say({"sum": 12.0}, random.Random(3))) == ["12"]


@pytest.mark.parametrize(
    ("kind", "valid", "invalid"),
    [
        ("duration", ["PT0S", "P4DT12H30M5S", "P3W", "P1Y"], ["PT", "P", "P1D2H", "P1Y2W", "PT1D", "P\u0661D"]),
        (
            "iri",
            ["http://\u0192.\u00df\u00e5r/?\u00e9=\u03c0#x", "urn:x", "http://a/?\U000f0000"],
            ["/a", "http://a b", "\u00e9", "urn:x\n"],
        ),
        ("iri-reference", ["/\u00e9", "#x"], ["a b", "\\a"]),
        ("email", ["a@b.c"], ["a"]),
    ],
)
def test_every_format_is_checked_and_enforced_or_named(kind, valid, invalid):
    schema = {"type": "string", "format": kind}
    judge, (text, unenforced) = SchemaJudge(schema), enforceable(schema)
    for value in valid:
        assert judge.is_valid(value), value
        assert lets_through(text, value), value
    for value in invalid:
        assert not judge.is_valid(value), value
        assert "format" in unenforced or not lets_through(text, value), value


def test_instances_of_constructs_of_every_kind_are_valid():
    schemas = [schema for schema, _, _ in CASES]
    schemas += [
        {"type": "object", "patternProperties": {"^x-[a-z]+$": {"type": "integer"}}, "additionalProperties": False, "minProperties": 2},
        {"type": "array", "prefixItems": [{"const": 1}], "contains": {"const": 9}, "minContains": 2, "uniqueItems": False},
        {"type": "number", "minimum": 3, "exclusiveMaximum": 4, "multipleOf": 0.25},
        {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}}},
        {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}(a|b)?$"}, {"type": "string", "format": "date-time"}, True,
    ]  # fmt: skip
    for schema in schemas:
        for seed in range(20):
            Draft202012Validator(schema).validate(Sampler(schema).sample(random.Random(seed)))


@pytest.mark.parametrize(
    "schema", [False, {"type": "integer", "minimum": 3, "maximum": 2}, {"allOf": [{"const": 1}, {"const": 2}]}]
)
def test_a_schema_that_nothing_satisfies_has_no_instance(schema):
    with pytest.raises(NoInstance):
        Sampler(schema).sample(random.Random(0))


@given(st.from_regex(r"[a-c]{1,3}[0-9]?(x|yz)*", fullmatch=True), st.integers(0, 1000))
@settings(max_examples=30)
def test_strings_are_made_that_a_pattern_matches(example, seed):
    import re

    pattern = r"^[a-c]{1,3}[0-9]?(x|yz)*$"
    assert re.search(pattern, example)
    assert re.search(pattern, matching(pattern, random.Random(seed)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "2024-01-01T10:00:00Z", "2024-01-01T11:00:00+01:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["set", "list", "label", "when", "size"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
MEANING = {
    "$ref": "#/$defs/thing",
    "$defs": {"thing": {"properties": {
        "set": {"x-set": True, "items": {"$ref": "#/$defs/thing"}}, "label": {"x-label": True},
        "when": {"format": "date-time"}, "size": {"default": 1},
    }}},
}  # fmt: skip


@given(VALUES, VALUES, VALUES)
@settings(max_examples=150)
def test_meaning_is_an_equivalence_and_normalising_twice_changes_nothing(a, b, c):
    judge = SchemaJudge(MEANING)
    assert judge.same(a, a)
    assert judge.same(a, b) == judge.same(b, a)
    if judge.same(a, b) and judge.same(b, c):
        assert judge.same(a, c)
    normal = json.loads(judge.normal(a))
    assert judge.normal(normal) == judge.normal(a)


def test_meaning_of_sets_labels_moments_and_defaults():
    judge = SchemaJudge(MEANING)
    assert judge.same({"set": [1, 2]}, {"set": [2, 1]})
    assert not judge.same({"list": [1, 2]}, {"list": [2, 1]})
    assert judge.same({"label": "a"}, {"label": "b"})
    assert judge.same({"when": "2024-01-01T10:00:00Z"}, {"when": "2024-01-01T11:00:00+01:00"})
    assert judge.same({"size": 1.0}, {})
    assert not judge.same({"size": 2}, {})
    assert not judge.same({"a": True}, {"a": 1})


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.json")))
def test_a_schema_of_ones_own_is_asked_with_the_schema_that_was_trained_on(name, tmp_path):
    from ask import read_schema

    trained = with_refusal(read_folder(EXAMPLES)[name])
    assert read_schema(str(EXAMPLES / f"{name}.json")) == trained
    (tmp_path / "answer.json").write_text(json.dumps(trained), encoding="utf-8")
    assert read_schema(str(tmp_path / "answer.json")) == trained


OWN = {
    "schema": "search_query",
    "query": "anything about shoes, newest first",
    "answer": {"mustHave": [{"in": "body", "text": "shoes"}], "sortBy": "newest"},
    "current_date": "2024-05-06",
}


def d_02_of(name: str) -> dict[str, Any]:
    answer = with_refusal(read_folder(EXAMPLES)[name])
    return {"schema_id": "s1", "domain": name, "title": name, "split": "train", "schema": answer, "operators": {}}


def test_own_examples_are_read_as_rows_of_their_schema(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(OWN) + "\n\n", encoding="utf-8")
    (row,) = read_examples(path, [d_02_of("search_query")], ["en", "fr"], "2024-01-01")["s1"]
    assert (row["query"], row["ast"], row["language"]) == (OWN["query"], OWN["answer"], "en")
    assert (row["current_date"], row["teacher"], row["is_valid"]) == ("2024-05-06", "own example", True)
    assert row["split"] == "train"


def test_examples_that_are_not_utf_8_are_a_sentence(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(json.dumps(OWN).encode() + b"\ncaf\xe9\n")
    with pytest.raises(UserError, match="is not UTF-8"):
        read_examples(path, [d_02_of("search_query")], ["en"], "2024-01-01")


def test_examples_that_are_held_out_may_be_of_any_schema_and_are_of_a_split_of_their_own(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(OWN | {"held_out": True}), encoding="utf-8")
    (row,) = read_examples(path, [d_02_of("search_query") | {"split": "test"}], ["en"], "2024-01-01")["s1"]
    assert row["split"] == "own"
    path.write_text(json.dumps(OWN), encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_examples(path, [d_02_of("search_query") | {"split": "test"}], ["en"], "2024-01-01")
    assert 'is not trained on (split test); measure on it with "held_out": true' in str(error.value)


def test_a_request_that_is_trained_on_and_held_out_is_named_before_anything_is_made(tmp_path):
    path = tmp_path / "own.jsonl"
    held_out = OWN | {"query": OWN["query"].upper(), "held_out": True}
    path.write_text(f"{json.dumps(OWN)}\n{json.dumps(held_out)}\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: the same request is trained on and held out"):
        read_examples(path, [d_02_of("search_query")], ["en"], "2024-01-01")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("street", r"\d+ [A-Z]\w+ [A-Z]\w+|[A-Z]\w+ [A-Z]\w+ \d+"),
        ("homeAddress", r"\d+ [A-Z]\w+ [A-Z]\w+|[A-Z]\w+ [A-Z]\w+ \d+"),
        ("phone_number", r"\d{3}-\d{4}"),
        ("host", r"[a-z]+-\d+"),
        ("passenger", r"[A-Z]\w+(?: [A-Z]\w+)?"),
        ("name", r"[A-Z]\w+(?: [A-Z]\w+)?|[a-z ]+"),
        ("skuCode", r"[a-z]+-\d+"),
    ],
)
def test_a_text_looks_like_what_people_put_under_its_name(name, form):
    made = {text_of({"type": "string"}, random.Random(seed), name) for seed in range(60)}
    assert len(made) > 20
    assert [text for text in made if not re.fullmatch(form, text)] == []


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        (EXAMPLES, {"calendar_event": 14, "shop_order": 12, "search_query": 13}),
        (ROOT / "tests/own", {"alert_rule": 8, "pizza_order": 8, "train_trip": 8, "workout": 8}),
        (ROOT / "tests/own_unread", {"bug_report": 10, "expense": 10, "hotel_stay": 10, "watering_plan": 10}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_requests_written_by_hand_are_held_out_and_their_answers_satisfy_their_schemas(folder, counts):
    schemas = [
        {"schema_id": n, "domain": n, "split": "train", "schema": with_refusal(s)}
        for n, s in read_folder(folder).items()
    ]
    rows = read_examples(folder / "requests.jsonl", schemas, ["en", "fr"], "2024-01-01")
    assert {name: len(mine) for name, mine in rows.items()} == counts
    assert {row["split"] for mine in rows.values() for row in mine} == {"own"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answer": {"mustHave": []}}, "line 1: the answer does not satisfy search_query"),
        ({"schema": "nothing"}, "line 1: there is no schema 'nothing'; some that are there: search_query"),
        ({"query": " "}, "line 1: the query is empty"),
        ({"language": "de"}, "line 1: the language 'de' is not one of en, fr"),
        ({"current_date": "today"}, "line 1: current_date is 'today'"),
        ({"held_out": "yes"}, "line 1: held_out is 'yes'; write true or false"),
        ({"more": 1}, "line 1: an example is an object with schema, query, answer"),
    ],
)
def test_an_example_that_cannot_be_used_is_named_with_its_line(tmp_path, change, said):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(OWN | change), encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_examples(path, [d_02_of("search_query")], ["en", "fr"], "2024-01-01")
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_variants_rename_properties_in_every_place_and_keep_what_they_say():
    schema = read_folder(EXAMPLES)["calendar_event"]
    variants = [variant_of(schema, random.Random(f"variant-{number}")) for number in range(24)]
    spelled = lambda part: [words_of(name) for name in part["properties"]]
    renamed = [v for v in variants if not set(v["properties"]) <= set(schema["properties"])]
    assert 4 < len(renamed) < 24
    for variant in variants:
        Draft202012Validator.check_schema(variant)
        assert set(spelled(variant)) <= set(spelled(schema))
        assert {words_of(name) for name in variant.get("required", [])} == {
            words_of(name) for name in schema.get("required", [])
        }
        assert Draft202012Validator(variant).is_valid(Sampler(variant).sample(random.Random(1)))


def test_the_words_for_a_name_stay_with_it_where_a_variant_renames_it():
    due = {"type": "string", "description": "deadline: dueDate, soon: asap"}
    for number in range(24):
        variant = variant_of({"type": "object", "properties": {"dueDate": due}}, random.Random(number))
        for name, schema in variant["properties"].items():
            assert schema["description"] == f"deadline: {name}, soon: asap"


OBJECT = {"type": "object", "properties": {"dueDate": {"type": "string"}, "kind": {"enum": ["a", "b"]}}}


@pytest.mark.parametrize(
    "schema",
    [
        OBJECT | {"properties": OBJECT["properties"] | {"copy": {"$ref": "#/properties/dueDate"}}},
        {"allOf": [OBJECT, {"required": ["dueDate"]}]},
        OBJECT | {"anyOf": [{"properties": {"kind": {"const": "a"}}}, {"required": ["dueDate"]}]},
        {"$ref": "#/$defs/base", "required": ["dueDate"], "$defs": {"base": OBJECT}},
        OBJECT | {"default": {"dueDate": "now"}},
    ],
    ids=["reference", "allOf", "anyOf", "beside a reference", "default"],
)
def test_a_variant_keeps_names_that_something_else_speaks_of(schema):
    known = set(re.findall(r"dueDate|kind|copy", minify(schema)))
    for number in range(16):
        names = re.findall(
            r'"([^"]+)":\{"(?:type|enum|const|\$ref)"', minify(variant_of(schema, random.Random(number)))
        )
        assert set(names) <= known | {"base"}


def test_only_schemas_as_they_were_given_are_measured():
    options = SimpleNamespace(seen_schemas=9, evaluation_rows_per_schema=3, rows_per_schema=4)
    assert dict(wanted_rows({"split": "train"}, 0, 4, options, None)) == {"train": 4, "test_seen": 3}
    assert dict(wanted_rows({"split": "train", "variant": 1}, 1, 4, options, None)) == {"train": 4}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_folder_of_few_schemas_goes_through_the_whole_chain(tmp_path, tiny_base):
    """Three schemas: all are trained on, held-out requests are measured, and the report says what cannot be said."""
    dataset = {"rows_per_schema": 6, "evaluation_rows_per_schema": 3, "align_rows_per_schema": 4}
    config = config_for(
        tmp_path, tiny_base, run={"output_root": str(tmp_path / "out"), "max_steps": 2}, dataset=dataset,
        schemas={"train_schemas": 6, "variants": 1}, student={"base_model": str(tiny_base), "max_seq_length": 3000},
    )  # fmt: skip
    own = tmp_path / "own.jsonl"
    asked = OWN | {"query": "must have text ash in title", "answer": {"mustHave": [{"in": "title", "text": "ash"}]}}
    own.write_text(json.dumps(OWN) + "\n" + json.dumps(asked | {"held_out": True}), encoding="utf-8")
    command = [ROOT / "runAll.sh", "--config", config, "--schemas", EXAMPLES, "--examples", own]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "3 schemas of" in done.stdout
    root = tmp_path / "out/own/examples"
    schemas = rows_of(root / "d_02_final_schemas.jsonl")
    assert {row["split"] for row in schemas} == {"train"}
    rows = rows_of(root / "d_03_dataset.jsonl")
    assert {"train", "test_seen", "align"} <= {row["split"] for row in rows}
    assert [row["split"] for row in rows if row["query"] == OWN["query"]] == ["train"]
    assert [row["split"] for row in rows if row["query"] == asked["query"]] == ["own"]
    trained = {row["row_id"] for row in rows_of(root / "d_04_training_corpus.jsonl") if row["split"] == "train"}
    assert not trained & {row["row_id"] for row in rows if row["split"] in ("test_seen", "align", "own")}
    judges = {row["schema_id"]: SchemaJudge(row["schema"]) for row in schemas}
    assert all(judges[row["schema_id"]].is_valid(row["ast"]) for row in rows)
    summary = json.loads((root / "reports/examples/summary.json").read_text(encoding="utf-8"))
    assert "test" not in summary["models"]["sft"]["splits"]
    assert summary["models"]["sft"]["splits"]["test_seen"]["free"]["rows"] > 0
    assert summary["models"]["sft"]["splits"]["own"]["free"]["rows"] == 1
    assert "nothing can be said about schemas not trained on" in (root / "reports/examples/report.md").read_text()
