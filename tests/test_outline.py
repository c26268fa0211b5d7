"""Under a request stand the properties that it names, in the order and nesting of its schema."""

from __future__ import annotations

import random
from datetime import date

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from pipeline import own_schemas
from pipeline.dsl import SchemaField, answer_schema, with_refusal
from pipeline.json_schemas import read_folder
from pipeline.key_order import KeyOrder
from pipeline.made_up_language import Words
from pipeline.made_up_schemas import AnySchema
from pipeline.prompts import NAMED, REQUEST, render_prompt, with_links

EXAMPLES = ROOT / "examples"
TODAY = date(2024, 3, 17)
ADDRESS = {"type": "object", "properties": {"street": {}, "city": {}, "country": {"enum": ["FR", "BE"]}}}
SCHEMA = with_refusal(
    {
        "type": "object",
        "properties": {
            "customer": {"type": "string"},
            "lines": {
                "type": "array",
                "items": {"properties": {"product": {}, "unit_price": {}, "options": {"$ref": "#/$defs/options"}}},
            },
            "shipTo": {"$ref": "#/$defs/address"},
            "giftNote": {"type": "string"},
        },
        "anyOf": [{"properties": {"pickup": {"type": "boolean"}}}, {"required": ["shipTo"]}],
        "$defs": {"address": ADDRESS, "options": {"properties": {"size": {}, "colour": {}}}},
    }
)


def named(request: str, schema: object = SCHEMA) -> str:
    return with_links(schema, request, TODAY).partition(NAMED)[2]


@pytest.mark.parametrize(
    ("request_text", "shown"),
    [
        ("gift note x, customer Bob", "customer, giftNote"),
        ("for the customer", "customer"),
        ("pickup, customer Bob", "customer, pickup"),
        # each pair of brackets is an object of its own
        ("lines (unit price 3, product a) and (product b), customer Bob", "customer, lines (product, unit_price) (product)"),
        ("lines (product a, options (colour red)), ship to (city Paris)", "lines (product, options (colour)), shipTo (city)"),
        ("customer Bob, lines only {product a}", "customer, lines (product)"),
        # without brackets a name belongs to the object that was named before it, or to the one place of its name
        ("lines: product a, unit price 4", "lines (product, unit_price)"),
        ("product a, city Paris", "lines (product), shipTo (city)"),
        ("colour red", "lines (options (colour))"),
        ("a customer (city Paris)", "customer, shipTo (city)"),
        ("lines of customer (product a)", "customer, lines (product)"),
        # what is quoted is a name where it is spelled as one, and else what it may be
        ('"giftNote" "unit price, lines"', "giftNote"),
        ("\u00ab shipTo \u00bb, \u201cshipTo\u201d", "shipTo"),
        ("[giftNote] x", ""),
        # brackets behind something else speak of no other object
        ("lines (product a), customer Bob (product b)", "customer, lines (product)"),
        ("lines) ((( customer", "customer, lines"),
        ("country fr", "shipTo (country)"),
        ("france", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_properties_that_a_request_names_stand_in_the_order_of_the_schema(request_text, shown):
    assert named(request_text) == shown


def test_a_name_that_several_objects_have_stands_in_the_one_that_was_named():
    both = {"properties": {"billTo": ADDRESS, "shipTo": ADDRESS}}
    assert named("ship to: city Paris", both) == "shipTo (city)"
    assert named("ship to (city Paris), bill to (country be)", both) == "billTo (country), shipTo (city)"
    assert named("city Paris", both) == ""


def test_a_schema_that_has_itself_in_it_is_gone_through_as_far_as_it_is_named():
    node = {"properties": {"name": {}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}
    tree = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    assert named("name a, children (name b, children (name c) and (name d))", tree) == (
        "name, children (name, children (name) (name))"
    )
    assert named("children (" * 5000, tree).startswith("children (children (")


def test_schemas_of_the_shipped_form_have_no_such_line_and_others_have_it_in_the_prompt():
    shipped = answer_schema([SchemaField("steps", "number", {"greater": "above"}, ("field",))])
    assert NAMED not in with_links(shipped, "steps above 3", TODAY)
    (prompt,) = render_prompt(SCHEMA, "customer Bob", "2024-03-17")
    assert prompt["content"].endswith(f"{REQUEST}customer [customer] Bob{NAMED}customer")


@pytest.mark.parametrize(
    "schema", [True, {}, {"type": "string"}, {"properties": {"a": True}}, {"items": {"$ref": "#"}}]
)
def test_nothing_stands_under_a_request_for_a_schema_without_the_names(schema):
    assert with_links(schema, "b (c)", TODAY) == "b (c)"


@given(st.text('()[]{}"abc, ', max_size=40))
def test_any_text_is_read(text):
    part = {"properties": {"ab": {"properties": {"bc": {}}}, "c": {}}}
    assert set(named(text, part)) <= set("abc (),")


def outline(value: object) -> str:
    """The keys of an answer, as a prompt names them."""
    if not isinstance(value, dict):
        return ""
    below = {name: part if isinstance(part, list) else [part] for name, part in value.items()}
    return ", ".join(
        " ".join([name, *(f"({inner})" for part in parts if (inner := outline(part)))]) for name, parts in below.items()
    )


@pytest.mark.parametrize("name", ["calendar_event", "shop_order", "search_query"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_of_the_embedded_teacher_s_requests_it_is_what_their_answers_have(name, language):
    row = {"schema": with_refusal(read_folder(EXAMPLES)[name]), "title": name.replace("_", " ")}
    order = KeyOrder(row["schema"])
    for query in own_schemas.write_queries(row, language, "2024-03-01", 60, f"seed-{name}", 0.0):
        assert named(query.text, row["schema"]) == outline(order.ordered(query.expected)), query.text


def test_documents_of_the_embedded_base_name_what_their_answers_have_but_for_the_few_that_cannot_be_read():
    right = []
    for number in range(60):
        rng = random.Random(number)
        words = Words(rng)
        drawn = AnySchema(rng, words, 2, 5)
        for _ in range(4):
            request, answer = drawn.request(words.more(), 0.0)
            right.append(named(request, drawn.schema) == outline(answer))
    assert sum(right) > 0.75 * len(right)
