"""Times of day in requests for schemas with the formats `time` and `date-time`."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest

from pipeline.requests.clock import with_times
from pipeline.requests.prompts import NAMED, with_links
from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.dsl import with_refusal
from pipeline.schemas.json_text import minify
from pipeline.teachers import schema_reader
from pipeline.teachers.instances import Sampler
from pipeline.teachers.schema_language import SchemaLanguage

TEXT, DAY = {"type": "string"}, {"type": "string", "format": "date"}
TIME, MOMENT = {"type": "string", "format": "time"}, {"type": "string", "format": "date-time"}


def schema(title: str, **properties: Any) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": properties, "additionalProperties": False}


SCHEMAS = {
    "heating": schema("heating", room={"enum": ["kitchen", "office"]}, until=TIME),
    "mail": schema("mail", subject=TEXT, sendAt=MOMENT),
    "meeting": schema("meeting", subject=TEXT, startsAt=MOMENT, endsAt=MOMENT),
    "visit": schema("visit", day=DAY, time=TIME, guest=TEXT),
    "lamp": schema("lamp", from_hour={"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}, day=DAY),
    "shift": schema("shift", starts={"enum": ["06:00:00Z", "14:00:00Z"]}, worker=TEXT, ends=TIME),
    "rule": schema("rule", kind={"const": {"pattern": "*x", "format": "date-time"}}, when=TIME),
    "task": schema("task", due=DAY, remindAt=MOMENT, label=TEXT),
}


def said_of(name: str, request: str) -> str:
    """The line under a request that says what of which property; on sunday, 17 march 2024."""
    return with_links(with_refusal(SCHEMAS[name]), request, date(2024, 3, 17)).partition(NAMED)[2]


@pytest.mark.parametrize(
    ("name", "request_", "line"),
    [
        ("heating", "kitchen until 22:30", "room: kitchen [kitchen]; until: 22:30 [22:30:00Z]"),
        ("heating", "kitchen until 9am", "room: kitchen [kitchen]; until: 9am [09:00:00Z]"),
        ("heating", "the office until 9:05 PM.", "room: office [office]; until: 9:05 PM [21:05:00Z]"),
        ("heating", "office until 14h30", "room: office [office]; until: 14h30 [14:30:00Z]"),
        ("heating", "office until 12 am", "room: office [office]; until: 12 am [00:00:00Z]"),
        ("heating", "office until noon", "room: office [office]; until: noon [12:00:00Z]"),
        ("heating", "office, until: Noon", "room: office [office]; until: Noon [12:00:00Z]"),
        ("mail", "subject: Lunch, tomorrow midnight", "subject: Lunch; sendAt: tomorrow midnight [2024-03-18T00:00:00Z]"),
        ("mail", "subject: Lunch, demain \u00e0 midi", "subject: Lunch; sendAt: demain \u00e0 midi [2024-03-18T12:00:00Z]"),
        ("mail", "subject: Midnight Express", "subject: Midnight Express"),
        ("heating", "office until 07:15:00Z", "room: office [office]; until: 07:15:00Z"),
        ("mail", "subject: Lunch, tomorrow at 9:00", "subject: Lunch; sendAt: tomorrow at 9:00 [2024-03-18T09:00:00Z]"),
        ("mail", "subject: Lunch, send at 9pm on 3 may 2024",
         "subject: Lunch; sendAt: 9pm on 3 may 2024 [2024-05-03T21:00:00Z]"),
        ("mail", "subject: Lunch, 2024-05-03 14:00", "subject: Lunch; sendAt: 2024-05-03 14:00 [2024-05-03T14:00:00Z]"),
        ("mail", "subject: Lunch, send at 2024-05-03", "subject: Lunch; sendAt: 2024-05-03 [2024-05-03T00:00:00Z]"),
        ("mail", "subject: Lunch, 2024-05-03T14:00:00+02:00", "subject: Lunch; sendAt: 2024-05-03T14:00:00+02:00"),
        ("mail", 'subject "tomorrow at 9:00"', 'subject: "tomorrow at 9:00"'),
        ("mail", "subject: Lunch at 25:00", "subject: Lunch at 25:00"),
        ("meeting", "subject Plans, tomorrow from 9:00 to 10:30",
         "subject: Plans; startsAt: tomorrow from 9:00 [2024-03-18T09:00:00Z]; endsAt: 10:30 [2024-03-18T10:30:00Z]"),
        ("meeting", "subject Plans, from 9:00 to 10:30 tomorrow",
         "subject: Plans; startsAt: 9:00 [2024-03-18T09:00:00Z]; endsAt: 10:30 tomorrow [2024-03-18T10:30:00Z]"),
        ("visit", "guest Ada, tomorrow at 9:00", "guest: Ada; day: tomorrow [2024-03-18]; time: 9:00 [09:00:00Z]"),
        ("lamp", "from hour 9am tomorrow", "from_hour: 9am [09:00]; day: tomorrow [2024-03-18]"),
        ("lamp", "tomorrow at 9:05 pm", "day: tomorrow [2024-03-18]; from_hour: 9:05 pm [21:05]"),
        ("lamp", "tomorrow at 21:05", "day: tomorrow [2024-03-18]; from_hour: 21:05"),
        ("task", "label home, due tomorrow, remind at 8:00",
         "label: home; due: tomorrow [2024-03-18]; remindAt: 8:00 [2024-03-18T08:00:00Z]"),
        ("rule", "when 9am", "when: 9am [09:00:00Z]"),
        ("task", "label home, due tomorrow, remind at 3 may 2024 at 8:00",
         "label: home; due: tomorrow [2024-03-18]; remindAt: 3 may 2024 at 8:00 [2024-05-03T08:00:00Z]"),
    ],
)  # fmt: skip
def test_a_time_of_day_is_read_as_the_schemas_formats_write_it(name, request_, line):
    assert sorted(said_of(name, request_).split("; ")) == sorted(line.split("; "))


def test_what_is_shown_for_a_time_satisfies_its_format():
    text = minify(SCHEMAS["heating"])
    for said in ("00:00", "9:59", "12am", "12 pm", "1 am", "23h59"):
        (note,) = with_times(f"at {said}", text, [])
        assert SchemaJudge(TIME).is_valid(note.shown), note


def test_schemas_without_these_formats_have_the_notes_of_days_alone():
    days = with_links(
        with_refusal(schema("walk", day=DAY, label=TEXT)), "label Hill, tomorrow at 9:00", date(2024, 3, 17)
    )
    assert "T09" not in days
    assert "09:00" not in days
    assert "[2024-03-18]" in days


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", ["heating", "mail", "meeting", "visit", "shift", "task"])
def test_the_embedded_teacher_says_times_as_people_do_and_rules_find_what_it_means(name, language):
    teacher, sampler = SchemaLanguage(SCHEMAS[name], language, name), Sampler(SCHEMAS[name])
    times = shorter = 0
    for number in range(120):
        rng = random.Random(number)
        instance = sampler.sample(rng)
        text = teacher.say(instance, rng)
        assert schema_reader.read(teacher, text) == instance, text
        line = with_links(with_refusal(SCHEMAS[name]), text, date(2024, 3, 17)).partition(NAMED)[2]
        for key, value in instance.items():
            if SCHEMAS[name]["properties"][key] in (TIME, MOMENT) and value.endswith(":00Z"):
                times += 1
                shorter += f"[{value}]" in line
                assert value in line, (text, line)
    assert times // 4 < shorter < times
