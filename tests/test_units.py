"""Numbers with units, as the property that they are said of has them."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
from tests_support import ROOT, rows_of

from pipeline.requests.calendar import days_said
from pipeline.requests.prompts import NAMED, with_links
from pipeline.requests.units import in_unit, measures_in, plain, unit_of
from pipeline.schemas.dsl import with_refusal
from pipeline.schemas.json_schemas import read_folder

TOOLS = ROOT / "tests" / "own_tools"
SCHEMAS = read_folder(TOOLS)
NOT_READ = {
    "Tokyo weather, 2 days", "song Hurt from the album American IV", "set the living room to 21 degrees",
    "table for two at Chez Marie on 24 may 2024 at 8pm, terrace", "heat the bathroom to 23.5 for 2 hours",
    "save Dr. Helen Frost born on 3 april 1980, work group", "bill Alpine Tours 450 euros, paid",
    "translate where is the station into german, formal", "internship as web designer, not remote, skills css, figma",
}  # fmt: skip
"""Requests of tools of which rules do not tell all that the answer has."""


@pytest.mark.parametrize("said, number", [
    ("two", "2"), ("1,250.00", "1250.00"), ("1.250,00", "1250.00"), ("12,5", "12.5"), ("5,000", "5000"), ("1.250", "1.250"),
    ("1.250.000", "1250000"), ("-3,5", "-3.5"), ("42.50", "42.50"),
])  # fmt: skip
def test_a_number_is_written_as_json_has_it(said, number):
    assert plain(said) == number


@pytest.mark.parametrize("said, minutes", [
    ("a 2 hour timer", "120"), ("half an hour", "30"), ("an hour", "60"), ("1 hour and 30 minutes", "90"), ("1h30", "90"),
    ("45min", "45"), ("1.5 hours", "90"), ("a 90-minute talk", "90"), ("un quart d'heure", "15"), ("90 seconds", None),
    ("2 kg", None), ("40%", None), ("two people", None),
])  # fmt: skip
def test_a_measure_is_a_whole_number_of_the_unit_or_none(said, minutes):
    (measure,) = measures_in(said)
    assert in_unit(measure, "minute", whole=True) == minutes


@pytest.mark.parametrize("day", ["0001-01-01", "2024-05-15", "9999-12-30"])
@pytest.mark.parametrize("said", [
    "for 99999999999999999999999999999999999 hours", "5 \u017fec", "\u0665 hours", "at \u0668 on friday", "1.2.3 kg",
    "the 31st", "in 9999 days", "9999999 weeks ago", "1h99",
])  # fmt: skip
def test_whatever_is_typed_is_read_without_a_traceback(said, day):
    for schema in SCHEMAS.values():
        shown = with_links(with_refusal(schema), said, date.fromisoformat(day)).partition(NAMED)[0]
        assert re.sub(r" \[[^]]*\]", "", shown) == said


@pytest.mark.parametrize("tool, said, line", [
    ("create_reminder", "pay rent tomorrow", "text: pay rent; date: tomorrow [2024-05-16]"),
    ("create_issue", "open an issue titled x", "title: x"),
    ("transfer_money", "pay Green Garden 20 euros", "amount: 20; currency: euros [EUR]; to_account: Green Garden"),
    ("set_timer", "twice a day for 5 minutes", "minutes: 5"),
])  # fmt: skip
def test_a_verb_asks_or_is_what_is_to_be_done(tool, said, line):
    assert with_links(with_refusal(SCHEMAS[tool]), said, date(2024, 5, 15)).partition(NAMED)[2] == line


def test_what_is_quoted_or_has_no_unit_is_no_measure():
    assert not list(measures_in('"2 hours", 3 mugs, room 12'))


def test_a_unit_stands_in_a_name_or_else_in_the_description():
    assert unit_of("duration_minutes", "in hours") == "minute"
    assert unit_of("length", "Length in minutes") == "minute"
    assert unit_of("age_min", "") is None
    assert unit_of("time", "minutes or hours") is None


@pytest.mark.parametrize("said, day", [
    ("on friday", "2024-05-17"), ("friday at 8", "2024-05-17"), ("20 may", "2024-05-20"), ("6 may", "2024-05-06"),
    ("10 january", "2025-01-10"), ("in 3 days", "2024-05-18"), ("the day after tomorrow", "2024-05-17"),
    ("the 20th", "2024-05-20"), ("the 3rd", "2024-06-03"), ("2 weeks ago", "2024-05-01"), ("tonight", "2024-05-15"),
])  # fmt: skip
def test_days_of_what_is_to_be_done_are_ahead_or_just_past(said, day):
    (note,) = days_said(said, date(2024, 5, 15), soon=True)
    assert note.shown.split()[0] == day


def test_a_weekday_that_comes_every_week_is_no_day():
    assert not days_said("every friday", date(2024, 5, 15), soon=True)


def told(line: str) -> dict[str, object]:
    """Property -> what a line under a request says of it."""
    found = {}
    for part in re.split(r"; (?=[\w?]+(?:: |;|$))", line):
        name, _, said = part.partition(": ")
        shown = re.findall(r"\[([^]]*)\]", said)
        found[name] = " & ".join(shown) if shown else said.strip('"')
    return found


def is_said(value: object, words: str) -> bool:
    """Whether these words are a value of JSON."""
    if isinstance(value, list):
        return sorted(words.split(" & ")) == sorted(value)
    if isinstance(value, bool | str):
        return words == (value if isinstance(value, str) else json.dumps(value))
    return re.fullmatch(r"-?[\d.]+", words) is not None and float(words) == value


@pytest.mark.parametrize("row", rows_of(TOOLS / "requests.jsonl"), ids=lambda row: row["query"])
def test_the_line_under_a_request_for_a_tool_says_what_the_answer_has(row):
    schema, today = with_refusal(SCHEMAS[row["schema"]]), date.fromisoformat(row["current_date"])
    found = told(with_links(schema, row["query"], today).partition(NAMED)[2])
    all_told = found.keys() == row["answer"].keys() and all(is_said(row["answer"][name], found[name]) for name in found)
    assert all_told == (row["query"] not in NOT_READ)
