"""What people say without the names of a user's own schema: numbers, days and places from words beside them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pipeline.requests.prompts import NAMED, with_links
from pipeline.schemas.dsl import with_refusal

TEXT, WHOLE, NUMBER, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}
DAY, CLOCK = {"type": "string", "format": "date"}, {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}


def one_of(*values: str) -> dict[str, Any]:
    return {"enum": [*values]}


def schema(title: str, properties: dict[str, Any], *needed: str) -> dict[str, Any]:
    return {
        "title": title, "type": "object", "properties": properties, "required": [*needed], "additionalProperties": False,
    }  # fmt: skip


ITEM = schema("", {"category": one_of("travel", "meal", "hotel"), "amount": NUMBER, "spent": DAY}, "category", "amount")
SCHEMAS = {
    "ticket": schema(
        "train ticket",
        {"from_station": TEXT, "to_station": TEXT, "day": DAY, "time": CLOCK, "passengers": WHOLE, "return_trip": TRUTH,
         "seat": one_of("window", "aisle"), "in_advance": TRUTH, "for_days": WHOLE},
        "from_station", "to_station", "day",
    ),
    "hotel": schema(
        "hotel search",
        {"city": TEXT, "check_in": DAY, "check_out": DAY, "guests": WHOLE, "rooms": WHOLE, "max_price": NUMBER,
         "length": {"type": "integer", "description": "how long, in nights"}},
        "city", "check_in", "check_out",
    ),
    "songs": schema(
        "song search",
        {"genre": one_of("rock", "jazz"), "year_from": WHOLE, "year_to": WHOLE, "min_rating": NUMBER, "max_length": WHOLE,
         "quiet": TRUTH},
    ),
    "heating": schema(
        "heating schedule",
        {"room": one_of("kitchen", "office"), "temperature": NUMBER, "from_time": CLOCK, "to_time": CLOCK,
         "days": one_of("weekdays", "weekend"), "eco": TRUTH},
        "room", "temperature",
    ),
    "expenses": schema(
        "expense report", {"employee": TEXT, "items": {"type": "array", "items": ITEM}, "project": TEXT}, "employee", "items"
    ),
    "money": schema(
        "currency conversion",
        {"amount": NUMBER, "from_currency": one_of("EUR", "USD", "JPY"), "to_currency": one_of("EUR", "USD", "JPY")},
        "amount", "from_currency", "to_currency",
    ),
    "campaign": schema(
        "ad campaign",
        {"name": TEXT, "budget": NUMBER, "currency": one_of("EUR", "USD"), "age_min": WHOLE, "age_max": WHOLE,
         "countries": {"type": "array", "items": one_of("DE", "FR")}, "level": {"type": ["integer", "null"]}},
        "name", "budget",
    ),
    "course": schema(
        "course", {"hours_min": WHOLE, "hours_max": WHOLE, "price_min": NUMBER, "price_max": NUMBER}, "hours_min",
    ),
    "log": schema("log query", {"service": TEXT, "since": DAY, "until": DAY, "limit": WHOLE}),
    "leave": schema("leave request", {"employee": TEXT, "start_date": DAY, "end_date": DAY}, "employee", "start_date"),
    "visits": schema("visits", {"last": DAY, "next": DAY}),
    "until": schema("log search", {"until": DAY, "since": DAY}),
    "member": schema("member", {"name": TEXT, "since": TEXT}, "name"),
    "plan": schema("sunday plan", {"task": TEXT, "hours": NUMBER}, "task"),
    "trip": schema(
        "trip",
        {"first": DAY, "last": DAY, "car": TRUTH,
         "stops": {"type": "array", "items": schema("", {"day": DAY, "nights_there": WHOLE})}},
    ),
    "size": schema("size", {"width": NUMBER, "height": NUMBER, "tags": {"type": "array", "items": TEXT}}, "width", "height"),
    "phases": schema("phases", {"kind": one_of("old", "new"), "first": DAY, "second": DAY, "third": DAY}),
    "shirt": schema("shirt", {"front": one_of("red", "blue"), "back": one_of("red", "blue"), "seam": one_of("blue", "black")}),
    "order": schema(
        "order",
        {"client": TEXT, "lines": {"type": "array", "items": schema(
            "", {"product": TEXT, "quantity": WHOLE, "colour": one_of("red", "blue")}, "product", "quantity")}},
        "client", "lines",
    ),
    "diary": schema(
        "diary",
        {"meals": {"type": "array", "items": schema("", {"kind": one_of("soup", "cake"), "energy": NUMBER}, "energy")},
         "walks": {"type": "array", "items": schema("", {"length": NUMBER}, "length")}},
    ),
    "alarm": schema("alarm", {"metric": one_of("cpu", "disk"), "threshold": NUMBER, "for_minutes": WHOLE}, "threshold"),
    "flight": schema(
        "flight search",
        {"origin": TEXT, "destination": TEXT, "depart": DAY, "return": DAY, "children": WHOLE, "max_price": NUMBER},
        "origin", "destination", "depart",
    ),
    "parcels": schema(
        "parcels",
        {"weight": schema("", {"min": NUMBER, "max": NUMBER}), "sender": {"type": "string", "format": "email"},
         "state": one_of("sent", "lost"), "remark": TEXT},
    ),
    "lamp": schema("lamp", {"colour": one_of("red", "blue"), "brightness": NUMBER, "steady": TRUTH}, "colour"),
    "release": schema(
        "deployment", {"service": TEXT, "environment": one_of("staging", "production"), "dry_run": TRUTH}, "service"
    ),
}  # fmt: skip


def said_of(name: str, request: str) -> str:
    """The line under a request that says what of which property; on 10 march 2025."""
    return with_links(with_refusal(SCHEMAS[name]), request, date(2025, 3, 10)).partition(NAMED)[2]


@pytest.mark.parametrize("name, request_, line", [
    ("songs", "rock, at least 4 stars", "genre: rock [rock]; min_rating: 4"),
    ("songs", "jazz no longer than 300 seconds", "genre: jazz [jazz]; max_length: 300"),
    ("hotel", "Oslo, 3 guests or less, up to 90", "city: Oslo; guests: 3; max_price: 90"),
    ("hotel", "Oslo for 2 guests, 200 or less", "city: Oslo; guests: 2; max_price: 200"),
    ("hotel", "Rome, two rooms, under 150", "city: Rome; max_price: 150; rooms: 2"),
    ("hotel", "four nights in Rome", "city: Rome; length: 4"),
    ("hotel", "Rome, above 150", "city: Rome; ?: above 150"),
    ("songs", "rock under 300", "genre: rock [rock]; max_length: 300"),
    ("songs", "rock between 1970 and 1979", "genre: rock [rock]; year_from: 1970; year_to: 1979"),
    ("campaign", "Spring, budget 50, ages 18 to 35", "name: Spring; budget: 50; age_min: 18; age_max: 35"),
    ("course", "price 5 to 10", "price_min: 5; price_max: 10"),
    ("course", "under 10 hours", "hours_max: 10"),
    ("campaign", "Spring, budget 50, ages 18 to 35, 40 to 50", "name: Spring; budget: 50; age_min: 18; age_max: 35; ?: 40 to 50"),
    ("course", "between 5 and 10 hours", "hours_min: 5; hours_max: 10"),
    ("campaign", "Spring, budget 50, minimum age 21", "name: Spring; budget: 50; age_min: 21"),
    ("campaign", "Spring, budget 50, people over 21", "name: Spring; budget: 50; age_min: 21"),
    ("campaign", "Spring, budget 50, countries DE and FR, ages 18 to 35",
     "name: Spring; budget: 50; age_min: 18; age_max: 35; countries: DE [DE] & FR [FR]"),
    ("songs", "12 rock songs", "genre: rock [rock]; ?: 12"),
    ("lamp", "red to 40", "colour: red [red]; brightness: 40"),
    ("lamp", "blue 19.5, steady", "colour: blue [blue]; brightness: 19.5; steady: true"),
    ("lamp", "red, size 40", "colour: red [red]; ?: size 40"),
    ("lamp", "red 40 watts", "colour: red [red]; ?: 40 watts"),
    ("lamp", "red at 10", "colour: red [red]; ?: 10"),
    ("lamp", "red 10 to 20", "colour: red [red]; ?: 10 to 20"),
])  # fmt: skip
def test_a_number_is_of_the_place_that_the_words_beside_it_tell(name, request_, line):
    assert sorted(said_of(name, request_).split("; ")) == sorted(line.split("; "))


@pytest.mark.parametrize("name, request_, line", [
    ("heating", "kitchen 21.5", "room: kitchen [kitchen]; temperature: 21.5"),
    ("heating", "heat the office to 20 on weekdays", "room: office [office]; temperature: 20; days: weekdays [weekdays]"),
    ("money", "send 250 EUR to USD", "amount: 250; from_currency: EUR [EUR]; to_currency: USD [USD]"),
    ("size", "20, tags blue", "tags: blue; ?: 20"),
    ("campaign", "Spring, 3 lamps", "name: Spring; ?: 3 lamps"),
    ("trip", "first 3 may 2025, 3 nights", "first: 3 may 2025 [2025-05-03]; ?: 3 nights"),
    ("order", "Ana: 2 shirts, blue",
     "client: Ana; lines (colour: blue [blue]) (product: shirts; quantity: 2)"),
    ("diary", "soup 5", "meals (kind: soup [soup]); ?: 5"),
    ("alarm", "cpu above 90 for 5 minutes", "metric: cpu [cpu]; threshold: 90; for_minutes: 5"),
    ("alarm", "cpu above 90 for Ana", "metric: cpu [cpu]; threshold: 90"),
    ("campaign", "name Spring, 20 cars, budget 50", "name: Spring, 20 cars; budget: 50"),
    ("heating", "kitchen above roof 5", "room: kitchen [kitchen]; ?: above roof 5"),
    ("heating", "kitchen 21, 5", "room: kitchen [kitchen]; temperature: 21; ?: 5"),
    ("campaign", "Spring, 500 for FR", "name: Spring; budget: 500; countries: FR [FR]"),
    ("campaign", "Spring, send 250", "name: Spring; ?: send 250"),
    ("hotel", "Rome, under roof 150", "city: Rome; ?: under roof 150"),
    ("campaign", "ages 18 to 35, Spring, budget 50", "name: Spring; budget: 50; age_min: 18; age_max: 35"),
    ("heating", "garage 15 lamps, eco", "eco: true; ?: garage 15 lamps"),
    ("heating", "warm garage 15, eco", "eco: true; ?: warm garage 15"),
    ("heating", "kitchen, temperature 19, 3 lamps", "room: kitchen [kitchen]; temperature: 19; ?: 3 lamps"),
    ("expenses", "Ana Ruiz: travel 120.50, meal 30",
     "employee: Ana Ruiz; items (category: travel [travel]; amount: 120.50) (category: meal [meal]; amount: 30)"),
    ("expenses", "employee Tom Berg, hotel 240 on 3 march 2025, project Apollo",
     "employee: Tom Berg; items (category: hotel [hotel]; amount: 240; spent: 3 march 2025 [2025-03-03]); project: Apollo"),
    ("expenses", "Ana Ruiz: travel, amount 30, 12",
     "employee: Ana Ruiz; items (category: travel [travel]; amount: 30); ?: 12"),
    ("expenses", "Ana Ruiz, 30", "employee: Ana Ruiz; ?: 30"),
])  # fmt: skip
def test_a_number_of_which_no_more_is_said_is_the_one_that_is_needed(name, request_, line):
    assert said_of(name, request_) == line


@pytest.mark.parametrize("name, request_, line", [
    ("hotel", "Rome from 3 may 2025 to 9 may 2025", "city: Rome; check_in: 2025-05-03; check_out: 2025-05-09"),
    ("hotel", "Rome, 2025-05-03 to 2025-05-09", "city: Rome; check_in: 2025-05-03; check_out: 2025-05-09"),
    ("hotel", "Rome, check out 9 may 2025, 3 may 2025",
     "city: Rome; check_in: 3 may 2025 [2025-05-03]; check_out: 9 may 2025 [2025-05-09]"),
    ("hotel", "Rome on 3 may 2025", "city: Rome; ?: 3 may 2025 [2025-05-03]"),
    ("leave", "Ana Ruiz since 3 march 2025", "employee: Ana Ruiz; start_date: 2025-03-03"),
    ("leave", "Ana Ruiz from 12 may 2025 to 20 may 2025",
     "employee: Ana Ruiz; start_date: 2025-05-12; end_date: 2025-05-20"),
    ("leave", "Ana Ruiz since january", "employee: Ana Ruiz; start_date: 2025-01-01"),
    ("visits", "last week", "last: 2025-03-03; next: 2025-03-09"),
    ("until", "since 3 march 2025", "since: 2025-03-03"),
    ("member", "name Ana since 3 march 2025", "name: Ana since 3 march 2025 [2025-03-03 2025-03-10]"),
    ("hotel", "Rome, 3 may 2025, 5 may 2025, 7 may 2025",
     "city: Rome; ?: 3 may 2025 [2025-05-03] / 5 may 2025 [2025-05-05] / 7 may 2025 [2025-05-07]"),
    ("leave", "Ana Ruiz, last week, this year",
     "employee: Ana Ruiz; ?: last week [2025-03-03 2025-03-09] / this year [2025-01-01 2025-03-10]"),
    ("trip", "car, 3 may 2025 to 5 may 2025", "car: true; ?: 3 may 2025 [2025-05-03] to 5 may 2025 [2025-05-05]"),
    ("trip", "first 3 may 2025, 4 may 2025", "first: 3 may 2025 [2025-05-03]; ?: 4 may 2025 [2025-05-04]"),
    ("leave", "Ana Ruiz, last week, 3 may 2025",
     "employee: Ana Ruiz; ?: last week [2025-03-03 2025-03-09] / 3 may 2025 [2025-05-03]"),
    ("phases", "old, last week", "kind: old [old]; ?: last week [2025-03-03 2025-03-09]"),
    ("flight", "origin Oslo, destination Rome, 3 may 2025",
     "origin: Oslo; destination: Rome; depart: 3 may 2025 [2025-05-03]"),
    ("flight", "origin Oslo, destination Rome, 3 may 2025, 9 may 2025",
     "origin: Oslo; destination: Rome; depart: 3 may 2025 [2025-05-03]; return: 9 may 2025 [2025-05-09]"),
    ("shirt", "red, blue", ""),
    ("shirt", "red, blue, black", "seam: black [black]"),
    ("leave", "Ana Ruiz last week", "employee: Ana Ruiz; start_date: 2025-03-03; end_date: 2025-03-09"),
    ("log", "service billing since 1 march 2025", "service: billing; since: 2025-03-01"),
    ("log", "service mail since 3 march 2025 until 5 march 2025",
     "service: mail; since: 2025-03-03; until: 5 march 2025 [2025-03-05]"),
    ("heating", "office 20 between 08:00 and 17:30",
     "room: office [office]; temperature: 20; from_time: 08:00; to_time: 17:30"),
    ("money", "80 USD in EUR", "amount: 80; from_currency: USD [USD]; to_currency: EUR [EUR]"),
])  # fmt: skip
def test_as_many_values_as_places_for_them_stand_in_their_order(name, request_, line):
    assert said_of(name, request_) == line


@pytest.mark.parametrize("name, request_, line", [
    ("ticket", "from Lyon to Paris tomorrow at 08:30",
     "from_station: Lyon; to_station: Paris; day: tomorrow [2025-03-11]; time: 08:30"),
    ("ticket", "to Geneva from Zurich, please", "from_station: Zurich; to_station: Geneva"),
    ("ticket", "from 3 may 2025, from Oslo to Bergen for 4 days",
     "from_station: Oslo; to_station: Bergen; day: 3 may 2025 [2025-05-03]; for_days: 4"),
    ("ticket", "need to travel from Oslo to Bergen", "from_station: Oslo; to_station: Bergen"),
    ("ticket", "3 may 2025 for Ana, from Oslo to Bergen",
     "from_station: Oslo; to_station: Bergen; day: 3 may 2025 [2025-05-03]"),
    ("money", "7 to eur from jpy", "amount: 7; from_currency: jpy [JPY]; to_currency: eur [EUR]"),
    ("flight", "flights from Lyon to New York next friday",
     "origin: Lyon; destination: New York; depart: next friday [2025-03-14]"),
    ("flight", "Oslo to Lima", "origin: Oslo; destination: Lima"),
    ("flight", "i want to go to Lima", "destination: Lima"),
    ("flight", "origin Oslo, from Lyon to Rome", "origin: Oslo / Lyon; destination: Rome"),
    ("money", "100 EUR to USD", "amount: 100; from_currency: EUR [EUR]; to_currency: USD [USD]"),
    ("money", "7 to EUR from JPY", "amount: 7; from_currency: JPY [JPY]; to_currency: EUR [EUR]"),
    ("money", "amount 12 from currency JPY to currency EUR", "amount: 12; from_currency: JPY [JPY]; to_currency: EUR [EUR]"),
    ("songs", "jazz from 1958 to 1965", "genre: jazz [jazz]; year_from: 1958; year_to: 1965"),
    ("heating", "kitchen 21 from 06:30 to 08:00 on weekdays",
     "room: kitchen [kitchen]; temperature: 21; from_time: 06:30; to_time: 08:00; days: weekdays [weekdays]"),
])  # fmt: skip
def test_a_small_word_of_a_name_names_it_before_what_may_be_said_of_it(name, request_, line):
    assert said_of(name, request_) == line


@pytest.mark.parametrize("name, request_, line", [
    ("ticket", "not a return trip", "return_trip: false"),
    ("ticket", "without the return trip", "return_trip: false"),
    ("flight", "origin Oslo, no children, under 200", "origin: Oslo; children: 0; max_price: 200"),
    ("parcels", "weight under 5, lost", "weight (max: 5); state: lost [lost]"),
    ("parcels", "weight of 3 stones under 5", "weight: of 3 stones under 5"),
    ("parcels", "sender a@b.org as lost", "sender: a@b.org; state: lost [lost]"),
    ("parcels", 'remark "left at the door" on lost', 'state: lost [lost]; remark: "left at the door"'),
    ("plan", "plan to call Ana, 2 hours", "task: call Ana; hours: 2"),
    ("release", "deploy billing to staging, not a dry run",
     "service: billing; environment: staging [staging]; dry_run: false"),
    ("release", "service mailer in production", "service: mailer; environment: production [production]"),
    ("release", "service production mailer", "service: production [production] mailer"),
    ("plan", "sun lotion, 2 hours", "task: sun lotion; hours: 2"),
    ("plan", "plan a walk, 2 hours", "task: walk; hours: 2"),
    ("leave", "leave Ana Ruiz", "employee: Ana Ruiz"),
    ("release", "billing is production", "service: billing; environment: production [production]"),
    ("hotel", "hotel in Oslo for 2 guests", "city: Oslo; guests: 2"),
    ("campaign", "campaign Spring, budget of 150 EUR, level 3 or so",
     "name: Spring; budget: 150; currency: EUR [EUR]; level: 3"),
    ("songs", "quiet off", "quiet: off [false]"),
])  # fmt: skip
def test_words_around_what_is_said_are_no_part_of_it(name, request_, line):
    assert said_of(name, request_) == line


def test_a_word_that_looks_like_one_of_time_is_none():
    assert said_of("release", "service domain") == "service: domain"
