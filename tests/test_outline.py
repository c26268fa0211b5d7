"""Under a request stands what it says of which property, in the order and nesting of its schema."""

from __future__ import annotations

import random
import re
from datetime import date

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded_base.made_up_schemas import AnySchema
from pipeline.requests.prompts import NAMED, REQUEST, render_prompt, with_links
from pipeline.requests.reading import QUOTED, parts_of, value_in
from pipeline.schemas.dsl import SchemaField, answer_schema, with_refusal
from pipeline.schemas.json_schemas import read_folder
from pipeline.schemas.key_order import KeyOrder
from pipeline.teachers import own_schemas
from pipeline.teachers.made_up_words import Words

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
                "items": {
                    "properties": {
                        "product": {},
                        "unit_price": {"type": "number"},
                        "options": {"$ref": "#/$defs/options"},
                    }
                },
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
        ("gift note x, customer Bob", "customer: Bob; giftNote: x"),
        ("for the customer", "customer"),
        ("the customer = Bob and Cy, gift note:  a, b;", "customer: Bob and Cy; giftNote: a, b"),
        ("pickup yes, customer Bob", "customer: Bob; pickup: yes [true]"),
        ("customer Bob 3 march 2024 x", "customer: Bob 3 march 2024 [2024-03-03] x"),
        # each pair of brackets is an object of its own
        ("lines only (unit price 3, product a) and (product b), customer Bob",
         "customer: Bob; lines (product: a; unit_price: 3) (product: b)"),
        ("lines (product a, options (colour red)), ship to (city Paris)",
         "lines (product: a; options (colour: red)); shipTo (city: Paris)"),
        ("customer Bob, lines {product a}", "customer: Bob; lines (product: a)"),
        # without brackets a name belongs to the object that was named before it, or to the one place of its name
        ("lines: product a, unit price 4", "lines (product: a; unit_price: 4)"),
        ("lines product a, unit price 4, product b", "lines (product: a; unit_price: 4) (product: b)"),
        ("lines (product a), product b", "lines (product: a) (product: b)"),
        ("ship to city Paris, city Rome", "shipTo (city: Paris / Rome)"),
        ("product a, city Paris", "lines (product: a); shipTo (city: Paris)"),
        ("colour red", "lines (options (colour: red))"),
        ("a customer (city Paris)", "customer; shipTo (city: Paris)"),
        ("lines of customer (product a)", "customer; lines: of (product: a)"),
        # a value before its name
        ("pay 3.50 unit price, product a", "lines (product: a; unit_price: 3.50)"),
        ("customer 7 unit price 3", "customer: 7; lines (unit_price: 3)"),
        ("customer Bob 7 unit price", "customer: Bob; lines (unit_price: 7)"),
        ("be country", "shipTo (country: be [BE])"),
        ("customer fr be country", "customer: fr [FR]; shipTo (country: be [BE])"),
        ("BE country, gift note be x", "shipTo (country: BE [BE]); giftNote: be [BE] x"),
        ("city be product", "lines (product); shipTo (city: be [BE])"),
        # what is said twice
        ("customer Bob, gift note x, customer Cy", "customer: Bob / Cy; giftNote: x"),
        # what is quoted is a name where it is spelled as one, and else what it may be
        ('"giftNote" "unit price, lines"', 'giftNote: "unit price, lines"'),
        ("\u00ab shipTo \u00bb city Rome, \u201cshipTo\u201d", "shipTo (city: Rome)"),
        ("[giftNote] x", ""),
        # a name may be what is said
        ("customer: gift note, gift note customer", "customer: gift note; giftNote: customer"),
        ('customer is "giftNote", gift note x', 'customer: "giftNote"; giftNote: x'),
        ("lines: product, customer Bob", "customer: Bob; lines (product)"),
        # brackets behind something else speak of no other object
        ("lines (product a), customer Bob (product b)", "customer: Bob; lines (product: a / b)"),
        ("gift note see you (soon), customer Bob", "customer: Bob; giftNote: see you (soon)"),
        ("lines) ((( customer", "customer; lines"),
        ("country fr", "shipTo (country: fr [FR])"),
        # what has a value and no name
        ('with form "m", customer Bob', 'customer: Bob; ?: form "m"'),
        ("lines (product a) for 3 and 4, customer Bob", "customer: Bob; lines (product: a); ?: 3 and 4"),
        ('gift note x, form "m", customer Bob, "y"', 'customer: Bob, "y"; giftNote: x; ?: form "m"'),
        ("order 0d02eb50 for customer Bob", "customer: Bob"),
        ("at 5", ""),
        ("france", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_a_request_says_of_its_properties_stands_in_the_order_of_the_schema(request_text, shown):
    assert named(request_text) == shown


MEETING = with_refusal(
    {
        "title": "project meeting",
        "type": "object",
        "properties": {
            "topic": {"type": "string", "minLength": 1},
            "room": {"type": "string"},
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"},
            "minutes": {"type": "integer"},
            "guests": {"type": "array", "items": {"type": "string"}},
            "host": {"properties": {"mail": {"type": "string", "format": "email"}}},
            "kind": {"enum": ["weekly", "once"]},
            "online": {"type": "boolean"},
        },
        "required": ["topic", "day"],
    }
)


@pytest.mark.parametrize(
    ("request_text", "shown"),
    [
        ("budget talk on 3 march 2024 at 09:30 for 40 minutes",
         "topic: budget talk; day: 3 march 2024 [2024-03-03]; at: 09:30; minutes: 40"),
        ("40 minutes on 2024-03-03, weekly kind", "day: 2024-03-03; minutes: 40; kind: weekly [weekly]"),
        ("Budget le 3 mars 2024, weekly, ada@x.org",
         "topic: Budget; day: 3 mars 2024 [2024-03-03]; host (mail: ada@x.org); kind: weekly [weekly]"),
        ("weekly: budget, tomorrow, online",
         "topic: budget; day: tomorrow [2024-03-18]; kind: weekly [weekly]; online: true"),
        # what is true or false is told by its name alone
        ("topic x, not online, weekly", "topic: x; kind: weekly [weekly]; online: false"),
        ("budget sans online", "topic: budget; online: false"),
        ("online meeting with Bob, topic x", "topic: x; online: true"),
        ("online: later, topic x", "topic: x; online: later"),
        ("online no, topic x", "topic: x; online: no [false]"),
        ("online at 09:30, topic x", "topic: x; at: 09:30; online: true"),
        # what asks, and what the schema is called
        ("please add a project meeting: budget", "topic: budget"),
        ("I need the project meeting of Ada, thanks", "topic: Ada"),
        ("Project  meeting budget", "topic: budget"),
        ("cr\u00e9e un project meeting avec budget", "topic: budget"),
        ("a meeting for the budget", "topic: budget"),
        ('set up "budget on monday, x" today', 'topic: "budget on monday, x"; day: today [2024-03-17]'),
        ('project meeting: "budget"', 'topic: "budget"'),
        # what is named ends where another place's value stands by itself
        ("topic budget on 3 march 2024", "topic: budget; day: 3 march 2024 [2024-03-03]"),
        ("topic budget, weekly for 40 minutes", "topic: budget; minutes: 40; kind: weekly [weekly]"),
        ("guests Bob and Cy, weekly, topic x", "topic: x; guests: Bob & Cy; kind: weekly [weekly]"),
        ("topic the weekly budget", "topic: the weekly [weekly] budget"),
        ("online, weekly, topic x", "topic: x; kind: weekly [weekly]; online: true"),
        ("topic budget 12:30", "topic: budget 12:30"),
        ("topic budget, weekly review", "topic: budget, weekly [weekly] review"),
        ("topic x, room on 3 march 2024", "topic: x; room: 3 march 2024 [2024-03-03]"),
        ("host (Ada, mail a@b.c), weekly", "host (mail: a@b.c); kind: weekly [weekly]"),
        # a place has one value, and what is named has its own
        ("budget on 3 march 2024, day 4 march 2024", "topic: budget; day: 4 march 2024 [2024-03-04]; ?: 3 march 2024 [2024-03-03]"),
        ("budget, weekly, once", "topic: budget; kind: weekly [weekly]"),
        ("topic x, 09:30 and 10:30", "topic: x; at: 09:30; ?: and 10:30"),
        # nothing needs a text but the topic, and that one
        ("topic x, y", "topic: x, y"),
        ("topic x for y", "topic: x for y"),
        ('colour "red", budget', 'topic: budget; ?: colour "red"'),
        ("room 4", "room: 4"),
        ("40", ""),
        ("please", ""),
    ],
)  # fmt: skip
def test_a_value_without_a_name_stands_in_the_one_place_that_it_fits(request_text, shown):
    assert named(request_text, MEETING) == shown


ORDER = with_refusal(
    {
        "type": "object",
        "properties": {
            "buyer": {"type": "string", "description": "client: buyer, Rechnung an: buyer"},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "what": {"type": "string"},
                        "count": {"type": "integer"},
                        "note": {"type": "string"},
                        "price": {"type": "number"},
                    },
                    "required": ["what", "count"],
                },
            },
            "speed": {"enum": ["slow", "fast", "4 slow, then fast"]},
            "in": {"properties": {"box": {}, "bag": {}}},
            "weight": {"type": "number"},
            "paid": {"type": "boolean", "description": "settled: paid"},
            "city": {"type": "string", "description": "to: city"},
            "guests": {"type": "array", "items": {"type": "string"}, "description": "with: guests"},
        },
        "required": ["buyer", "items"],
    }
)


@pytest.mark.parametrize(
    ("request_text", "shown"),
    [
        # the phrases that a description lists for its property name it
        ("client Bob, to Lyon, with Ada and Cy, settled",
         "buyer: Bob; paid: true; city: Lyon; guests: Ada & Cy"),
        ("rechnung an Bob", "buyer: Bob"),
        ("weight set to 4, speed equal to slow, buyer x", "buyer: x; speed: slow [slow]; weight: 4"),
        ("with weight 4, city to", "weight: 4; city: to"),
        ("with buyer Bob, weight 4", "buyer: Bob; weight: 4"),
        ("to, weight 4", "weight: 4; city"),
        ("with, with Ada with", "guests: Ada"),
        ("with, with, weight 4", "weight: 4"),
        # a value that has no comma in it ends at one
        ("speed fast, red, no 9, buyer x", "buyer: x; speed: fast [fast]; ?: no 9"),
        ('weight 4, colour "red", buyer x', 'buyer: x; weight: 4; ?: colour "red"'),
        ("weight 4.5; 3, buyer x, y", "buyer: x, y; weight: 4.5; ?: 3"),
        ("speed 4 slow, then fast, buyer x", "buyer: x; speed: 4 slow, then fast [4 slow, then fast]"),
        ("in, items (what x, count 2) (what y, count 3)", "items (what: x; count: 2) (what: y; count: 3)"),
        ("in, weight 4, (box 3)", "in (box: 3); weight: 4"),
        ("in, buyer x, in (box 3, bag 4)", "buyer: x; in (box: 3; bag: 4)"),
        ("speed, fast, buyer x", "buyer: x; speed: fast [fast]"),
        # what is counted are items
        ("Bob: 2 blue mugs and 1 lamp", "buyer: Bob; items (what: blue mugs; count: 2) (what: lamp; count: 1)"),
        ("client Bob, 3x coffee, 2 x tea, fast", "buyer: Bob; items (what: coffee; count: 3) (what: tea; count: 2); speed: fast [fast]"),
        ("client Bob, 2 mugs, weight 4", "buyer: Bob; items (what: mugs; count: 2); weight: 4"),
        ("2.5 kilos & 1 lamp, weight 4", "items (what: kilos; count: 2.5) (what: lamp; count: 1); weight: 4"),
        ("client Bob, 2 mugs and a lamp", "buyer: Bob, 2 mugs and a lamp"),
        ("client Bob, in (2 mugs, box 3)", "buyer: Bob; in (box: 3); ?: 2 mugs"),
        ("client Bob, items 2 mugs and 1 lamp", "buyer: Bob; items (what: mugs; count: 2) (what: lamp; count: 1)"),
        ("in 2 mugs, buyer x", "buyer: x; in: 2 mugs"),
        ("items some mugs, count 2", "items (what: some mugs; count: 2)"),
        ("items mugs and lamps, count 2", "items: mugs & lamps (count: 2)"),
        ("client Bob, what mug, count 2, 3 lamps", "buyer: Bob; items (what: mug; count: 2); ?: 3 lamps"),
        ('"2 mugs", client Bob', 'buyer: Bob; ?: "2 mugs"'),
    ],
)  # fmt: skip
def test_other_words_for_names_and_what_is_counted_are_read(request_text, shown):
    assert named(request_text, ORDER) == shown


def test_nothing_is_counted_where_two_lists_or_none_could_be_meant():
    assert named("topic x, 2 mugs, online", MEETING) == "topic: x, 2 mugs; online: true"
    own = ORDER["anyOf"][0]
    second = own | {"properties": own["properties"] | {"gifts": own["properties"]["items"]}}
    assert "mugs; count" not in named("client Bob, 2 mugs", with_refusal(second | {"required": ["items", "gifts"]}))
    assert "mugs; count" not in named("client Bob, 2 mugs", with_refusal(own | {"required": ["buyer"]}))


def test_nothing_is_guessed_where_two_places_fit():
    day, text = {"type": "string", "format": "date"}, {"type": "string"}
    two = {"properties": {"sent": day, "seen": day, "name": text, "code": text}, "required": ["name", "code"]}
    assert named("trip on 3 march 2024", two) == ""
    both = {"properties": {"from": day, "to": day, "name": text, "code": text}, "required": ["name", "code"]}
    assert named("trip, code x on 3 march 2024, to 5 march 2024", both) == (
        "from: 3 march 2024 [2024-03-03]; to: 5 march 2024 [2024-03-05]; name: trip; code: x"
    )
    assert (
        named("from 3 march 2024, 5 march 2024", both)
        == "from: 3 march 2024 [2024-03-03]; to: 5 march 2024 [2024-03-05]"
    )
    items = {"properties": {"lines": {"type": "array", "items": {"properties": {"day": day}}}}}
    assert named("lines, on 3 march 2024", items) == "lines (day: 3 march 2024 [2024-03-03])"
    any_text = {"properties": {"note": text | {"pattern": "."}, "day": day}}
    assert named("day 3 march 2024, 09:30", any_text) == "day: 3 march 2024 [2024-03-03]; ?: 09:30"


SALE = with_refusal(
    {
        "title": "car sale",
        "properties": {
            "size": {"enum": ["small", "big"]},
            "extras": {"type": "array", "items": {"enum": ["radio", "hook"]}},
            "mood": {"enum": ["calm", None]},
            "tone": {"anyOf": [{"enum": ["warm"]}, {"type": "string"}]},
            "mail": {"type": "string", "format": "email"},
            "count": {"type": "integer"},
            "note": {"type": "string"},
        },
    }
)


@pytest.mark.parametrize(
    ("request_text", "shown"),
    [
        # a part between signs in which nothing is read
        ("small, coupon spring", "size: small [small]; ?: coupon spring"),
        ("count 3, coupon spring, big", "size: big [big]; count: 3; ?: coupon spring"),
        ("big; pay\u00e9 par carte; count 3", "size: big [big]; count: 3; ?: pay\u00e9 par carte"),
        ("mail a@b.org, coupon spring", "mail: a@b.org; ?: coupon spring"),
        ('mail "a@b.org", coupon spring', 'mail: "a@b.org"; ?: coupon spring'),
        ("small, red and blue paint, two doors.", "size: small [small]; ?: red and blue paint / two doors"),
        # what begins a request may say anything, and so may what has no sign before it
        ("good morning dear friends, small", "size: small [small]"),
        ("small for my dear brother", "size: small [small]"),
        ("small, red doors count 3", "size: small [small]; count: 3"),
        ("count 3 for my dear brother, small", "size: small [small]; count: 3"),
        # courtesy, one word, what the schema is called, what stands in brackets
        ("small, as soon as possible, thanks", "size: small [small]"),
        ("small, s'il te pla\u00eet", "size: small [small]"),
        ("small, urgent", "size: small [small]"),
        ("count 3, new car sale", "count: 3"),
        ("count 3, (coupon spring)", "count: 3"),
        ("note see you, coupon spring", "note: see you, coupon spring"),
        # a value that is not listed where only those are
        ("size huge", "size: huge; ?: value of size"),
        ("size huge, coupon spring", "size: huge; ?: value of size / coupon spring"),
        ('size "huge", note x', 'size: "huge"; note: x; ?: value of size'),
        ('size "big", note x', 'size: "big"; note: x'),
        ("size, big", "size: big [big]"),
        ("extras radio and mirror", "extras: radio [radio] & mirror; ?: value of extras"),
        ("extras an empty list", "extras: an empty list"),
        ("mood odd, tone odd", "mood: odd; tone: odd"),
        # nothing of it is said of the schema
        ("restart the server", "?: restart the server"),
        ("Cancel my membership!", "?: Cancel my membership"),
        ("restart", ""),
        ("no content", ""),
        ("a new car sale", ""),
        ("restart (the server)", ""),
    ],
)
def test_what_a_schema_cannot_express_is_told(request_text, shown):
    assert named(request_text, SALE) == shown


@pytest.mark.parametrize("more", ["additionalProperties", "unevaluatedProperties", "patternProperties"])
def test_where_a_schema_takes_any_property_nothing_is_missing(more):
    anything = {"^x": True} if more == "patternProperties" else {"type": "string"}
    schema = {"properties": {"count": {"type": "integer"}}, more: anything}
    assert named("count 3, coupon spring", schema) == "count: 3"
    assert named("restart the server", schema) == ""


def test_a_name_in_what_the_schema_is_called_names_nothing():
    schema = {"title": "track calories", "properties": {"calories": {"type": "integer"}, "food": {"type": "string"}}}
    assert named("track calories: food rice", schema) == "food: rice"
    assert named("Track calories, calories 90", schema) == "calories: 90"
    assert named("calories 90", schema) == "calories: 90"


RULE = with_refusal(
    {
        "title": "rule",
        "type": "object",
        "properties": {
            "room": {"enum": ["hall", "attic"]},
            "when": {
                "type": "object",
                "properties": {"sensor": {"enum": ["motion", "smoke"]}, "above": {"type": "number"}},
            },
            "do": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "device": {"enum": ["lamp", "fan"]},
                        "state": {"enum": ["on", "off"]},
                        "level": {"type": "integer"},
                        "start": {"type": "string", "format": "time"},
                        "minutes": {"type": "integer"},
                        "looks": {"type": "array", "items": {"enum": ["red", "green"]}},
                    },
                    "required": ["device", "state"],
                },
            },
            "days": {"type": "array", "items": {"enum": ["monday", "friday"]}},
            "owner": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "mail": {"type": "string", "format": "email"},
                    "desk": {"type": "string"},
                },
                "required": ["name"],
            },
            "memo": {"type": "string"},
        },
        "required": ["do"],
    }
)


@pytest.mark.parametrize(
    ("request_text", "shown"),
    [
        # values of a list's items make items, a next one where a value of a place is there already
        ("fan on, level 60, lamp off, level 20",
         "do (device: fan [fan]; state: on [on]; level: 60) (device: lamp [lamp]; state: off [off]; level: 20)"),
        ("hall: lamp off and fan off",
         "room: hall [hall]; do (device: lamp [lamp]; state: off [off]) (device: fan [fan]; state: off [off])"),
        ("turn on the lamp in the attic", "room: attic [attic]; do (device: lamp [lamp]; state: on [on])"),
        ("memo nice and warm, fan off", "do (device: fan [fan]; state: off [off]); memo: nice and warm"),
        ("do (fan, level 3) and (lamp, off)", "do (device: fan [fan]; level: 3) (device: lamp [lamp]; state: off [off])"),
        ("do fan, state on", "do (device: fan [fan]; state: on [on])"),
        ("lamp 09:30, fan", "do (device: lamp [lamp]; start: 09:30 [09:30:00Z]) (device: fan [fan])"),
        # or they are the items
        ("friday and monday, hall", "room: hall [hall]; days: friday [friday] & monday [monday]"),
        # a small word is no value by itself
        ("lamp, memo on call", "do (device: lamp [lamp]); memo: on [on] call"),
        ("hall on fire", "room: hall [hall]"),
        ("friday on call", "days: friday [friday]"),
        # a list in an item takes several
        ("lamp, red, fan, green, red, hall",
         "room: hall [hall]; do (device: lamp [lamp]; looks: red [red]) (device: fan [fan]; looks: green [green] & red [red])"),
        # a place that is named has what is said of it
        ("device lamp, fan", "do (device: lamp [lamp])"),
        ("days monday, friday", "days: monday [monday] & friday [friday]"),
        # of numbers before and behind a name the one before is said of it where another name follows the one behind
        ("lamp 3 level 10 minutes, fan", "do (device: lamp [lamp]; level: 3; minutes: 10) (device: fan [fan])"),
        ("lamp level 3 minutes 10 memo x", "do (device: lamp [lamp]; level: 3; minutes: 10); memo: x"),
        ("lamp 20 minutes and fan 10 minutes, hall",
         "room: hall [hall]; do (device: lamp [lamp]; minutes: 20) (device: fan [fan]; minutes: 10)"),
        ("lamp, 5, minutes 4 memo x", "do (device: lamp [lamp]; minutes: 4); memo: x; ?: 5"),
        # an address is no word
        ("memo see hall.example.org or @fan", "memo: see hall.example.org or @fan"),
        ("owner Ada, mail fan@lamp.on, hall", "room: hall [hall]; owner (name: Ada; mail: fan@lamp.on)"),
        # what is said behind an object's name is said of its properties
        ("when smoke above 3, lamp on", "when (sensor: smoke [smoke]; above: 3); do (device: lamp [lamp]; state: on [on])"),
        ("when there is smoke, above 3", "when (sensor: smoke [smoke]; above: 3)"),
        ("when smoke or motion, above 3", "when (sensor: smoke [smoke]; above: 3)"),
        ("owner Ada 4, hall", "room: hall [hall]; owner (name: Ada 4)"),
        ("owner Ada Diaz, mail a@b.co", "owner (name: Ada Diaz; mail: a@b.co)"),
        ("owner: name Ada, mail a@b.co", "owner (name: Ada; mail: a@b.co)"),
        ("owner near the window, name Ada", "owner (name: Ada; desk: near the window)"),
        ("owner Ada, name Bo, desk 4", "owner: Ada (name: Bo; desk: 4)"),
        ("the owner, hall", "room: hall [hall]; owner"),
        ("when 4, hall", "room: hall [hall]; when: 4"),
        ('when smoke "x", hall', 'room: hall [hall]; when (sensor: smoke [smoke]); ?: "x"'),
    ],
)  # fmt: skip
def test_values_of_objects_and_of_items_stand_in_them_without_their_names(request_text, shown):
    assert named(request_text, RULE) == shown


GUESTS = {"type": "array", "items": {"properties": {"who": {"type": "string"}, "age": {"enum": ["adult", "child"]}}}}
GUESTS["items"]["required"] = ["who"]
TRIP = with_refusal(
    {
        "properties": {"to": {"type": "string"}, "day": {"type": "string", "format": "date"}, "guests": GUESTS},
        "required": ["to"],
    }
)


@pytest.mark.parametrize(
    ("request_text", "shown"),
    [
        ("to Rome, guests Ada (adult) and Bo (child), Cy (adult)",
         "to: Rome; guests (who: Ada; age: adult [adult]) (who: Bo; age: child [child]) (who: Cy; age: adult [adult])"),
        ("guests Ada (adult) and Bo (child)", "guests (who: Ada; age: adult [adult]) (who: Bo; age: child [child])"),
        ("guests (child) Ada, (adult)", "guests (age: child [child]) (who: Ada; age: adult [adult])"),
        ("guests (who Ada) and Bo (who Cy)", "to: and Bo; guests (who: Ada) (who: Cy)"),
        # a day that is said in words ends what is said before it
        ("to Rome tomorrow, guests Ada", "to: Rome; day: tomorrow [2024-03-18]; guests (who: Ada)"),
        ("to tomorrow", "to: tomorrow [2024-03-18]"),
        ("to Rome tomorrow land", "to: Rome tomorrow [2024-03-18] land"),
        ("to Rome 3 march 2024", "to: Rome 3 march 2024 [2024-03-03]"),
        ("to Rome today, day 4 march 2024", "to: Rome today [2024-03-17]; day: 4 march 2024 [2024-03-04]"),
    ],
)  # fmt: skip
def test_text_before_brackets_and_days_in_words_are_told_apart(request_text, shown):
    assert named(request_text, TRIP) == shown


def test_a_word_of_what_the_schema_is_called_is_no_other_form_of_a_name():
    pizzas = {"title": "Pizza order", "properties": {"pizzas": {"type": "string"}, "payment": {"type": "string"}}}
    assert named("pizza order: payment card", pizzas) == "payment: card"
    assert named("Pizza order with pizzas x, payments y", pizzas) == "pizzas: x; payment: y"


def test_no_item_is_told_where_a_value_may_stand_in_two_places():
    own = RULE["anyOf"][0]
    second = with_refusal(own | {"properties": own["properties"] | {"undo": own["properties"]["do"]}})
    assert named("hall, lamp on", second) == "room: hall [hall]"
    nested = {"properties": {"groups": {"type": "array", "items": own}}}
    assert named("level 3, lamp on", nested) == "groups (do (level: 3))"
    assert (
        named("order items 2 mugs", {"properties": {"order": ORDER["anyOf"][0]}})
        == "order (items (what: mugs; count: 2))"
    )


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("add a team lunch for 5, please", ["team lunch", "5"]),
        ("Je voudrais l\u2019appel avec Lucie le", ["appel", "Lucie"]),
        ("order for Noor: 2 mugs", ["order", "Noor", "2 mugs"]),
        ('"a, b" (c) d', ['"a, b"', "c", "d"]),
        ('form: "m", 12:30', ['form: "m"', "12:30"]),
        ("forty reasons", ["forty reasons"]),
        ("the", []),
    ],
)
def test_what_is_said_without_names_has_parts(said, parts):
    assert parts_of(said) == parts


@pytest.mark.parametrize(
    ("said", "listed", "value"),
    [
        ("is Bob", False, "Bob"),
        ("Bob for the", False, "Bob"),
        (" at 09:30 and", False, "09:30"),
        ("at home", False, "at home"),
        (", please!", False, ""),
        (" : set to 3, please!", False, "3"),
        ("Est \u00e9gal \u00e0 3, s\u2019il te pla\u00eet", False, "3"),
        ("island of only thanks", False, "island of only thanks"),
        ("only a and b", False, "only a and b"),
        ("= only a, thanks", True, "a"),
        ("are a, b and c", True, "a & b & c"),
        ("a, b, et c plus d & e; f", True, "a & b & c & d & e; f"),
        ('"a, b" and 3,5, \u00ab d et e \u00bb', True, '"a, b" & 3,5 & \u00ab d et e \u00bb'),
        ("red [RED] or andes", True, "red [RED] or andes"),
        ('"please"', False, '"please"'),
        ("is", False, ""),
        ("", True, ""),
    ],
)
def test_what_stands_around_a_value_and_between_items_is_taken_for_what_it_is(said, listed, value):
    assert value_in(said, listed=listed) == value


def test_items_are_divided_where_the_schema_has_a_list_and_nothing_else():
    text, names = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    schema = {"properties": {"title": text, "guests": {"$ref": "#/$defs/names"}, "either": {"anyOf": [text, names]}}}
    said = "title a and b, guests are c and d, either e and f"
    shown = "title: a and b; guests: c & d; either: e and f"
    assert named(said, schema | {"$defs": {"names": names}}) == shown


def test_a_name_that_several_objects_have_stands_in_the_one_that_was_named():
    both = {"properties": {"billTo": ADDRESS, "shipTo": ADDRESS}}
    assert named("ship to: city Paris", both) == "shipTo (city: Paris)"
    assert named("ship to (city Paris), bill to (country be)", both) == (
        "billTo (country: be [BE]); shipTo (city: Paris)"
    )
    assert named("city Paris", both) == ""


def test_a_schema_that_has_itself_in_it_is_gone_through_as_far_as_it_is_named():
    node = {"properties": {"name": {}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}
    tree = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    assert named("name a, children (name b, children (name c) and (name d))", tree) == (
        "name: a; children (name: b; children (name: c) (name: d))"
    )
    assert named("children (" * 5000, tree).startswith("children (children (")


def test_schemas_of_the_shipped_form_have_no_such_line_and_others_have_it_in_the_prompt():
    shipped = answer_schema([SchemaField("steps", "number", {"greater": "above"}, ("field",))])
    assert NAMED not in with_links(shipped, "steps above 3", TODAY)
    (prompt,) = render_prompt(SCHEMA, "customer Bob", "2024-03-17")
    assert prompt["content"].endswith(f"{REQUEST}customer Bob{NAMED}customer: Bob")


@pytest.mark.parametrize(
    "schema", [True, {}, {"type": "string"}, {"properties": {"a": True}}, {"items": {"$ref": "#"}}]
)
def test_nothing_stands_under_a_request_for_a_schema_without_the_names(schema):
    assert with_links(schema, "b (c)", TODAY) == "b (c)"


@given(st.text('()[]{}"abc, ', max_size=40))
def test_any_text_is_read(text):
    part = {"properties": {"ab": {"properties": {"bc": {}}}, "c": {}}}
    assert set(named(text, part)) <= set('abc (),;:/?[]{}"')


WORDS_OF_REQUESTS = ("topic", "online", "not", "weekly", "3 march 2024", "09:30", "40", "minutes", "a@b.c", "on", "the", "add", ",",
                     "(", ")", "x", '"y"', ":", "guests", "host", "mail", "and", "project meeting", "please", "?")  # fmt: skip


@given(
    st.lists(
        st.sampled_from(("with", "to", "in", "client", "2 mugs", "3 x", "and", ",", "(", ")", "box", "what", "x")),
        max_size=12,
    )
)
def test_any_order_of_other_words_for_names_and_of_counts_is_read(words):
    line = named(" ".join(words), ORDER)
    assert "guests: ;" not in line
    assert line.count("(") == line.count(")") or {"(", ")"} & {*words}


@given(st.lists(st.sampled_from(WORDS_OF_REQUESTS), max_size=14))
def test_any_order_of_words_is_read_and_no_property_is_named_twice(words):
    line = named(" ".join(words), MEETING)
    names = re.findall(r"(?:^|; )(\w+)(?=:|;| \(|$)", re.sub(r"\([^()]*\)|" + QUOTED, "", line))
    assert len(names) == len(set(names)), line


def names_in(line: str) -> str:
    """The line without what is said of the properties."""
    quoted = re.sub(QUOTED, '""', line)
    return re.sub(r":(?: [^();]+)+?(?= [(]|[);]|$)", "", quoted).partition("; ?")[0]


def outline(value: object) -> str:
    """The keys of an answer, in brackets as a prompt nests them."""
    if not isinstance(value, dict):
        return ""
    below = {name: part if isinstance(part, list) else [part] for name, part in value.items()}
    return "; ".join(
        " ".join([name, *(f"({inner})" for part in parts if (inner := outline(part)))]) for name, parts in below.items()
    )


@pytest.mark.parametrize("name", ["calendar_event", "shop_order", "search_query"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_of_the_embedded_teacher_s_requests_it_is_what_their_answers_have(name, language):
    row = {"schema": with_refusal(read_folder(EXAMPLES)[name]), "title": name.replace("_", " ")}
    order = KeyOrder(row["schema"])
    for query in own_schemas.write_queries(row, language, "2024-03-01", 60, f"seed-{name}", 0.0):
        assert "?" not in re.sub(QUOTED, "", named(query.text, row["schema"])), query.text
        assert names_in(named(query.text, row["schema"])) == outline(order.ordered(query.expected)), query.text


@pytest.mark.parametrize("folder", [EXAMPLES, ROOT / "tests" / "own"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_in_the_embedded_teacher_s_refused_requests_it_tells_what_is_missing(folder, language):
    for name, schema in read_folder(folder).items():
        row = {"schema": with_refusal(schema), "title": name.replace("_", " ")}
        for query in own_schemas.write_queries(row, language, "2024-03-01", 40, f"seed-{name}", 1.0):
            missing, reason = named(query.text, row["schema"]).partition("?: ")[2], query.expected["refusal"]["reason"]
            assert missing, query.text
            assert (reason == f"unknown {missing}") == ("value of" in reason), query.text


def test_documents_of_the_embedded_base_name_what_their_answers_have_but_for_the_few_that_cannot_be_read():
    right = []
    for number in range(60):
        rng = random.Random(number)
        words = Words(rng)
        drawn = AnySchema(rng, words, 2, 5)
        for _ in range(4):
            request, answer = drawn.request(words.more(), 0.0)
            right.append(names_in(named(request, drawn.schema)) == outline(answer))
    assert sum(right) > 0.75 * len(right)
