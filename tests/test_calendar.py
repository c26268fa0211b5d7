"""What a request says of time stands in its prompt as days, and nothing else of it changes."""

from __future__ import annotations

import random
import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.requests.calendar import annotated, book, periods, read_day, span_of, written_span
from pipeline.teachers.language import Speaker, phrase_book, say_date

TODAY = date(2024, 3, 17)  # a sunday
DAYS = st.dates(date(1990, 1, 1), date(2090, 1, 1))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("since monday", "[2024-03-11 2024-03-17]"),
        ("Depuis dimanche", "[2024-03-10 2024-03-17]"),
        ("last sunday", "[2024-03-10 2024-03-10]"),
        ("next sunday", "[2024-03-24 2024-03-24]"),
        ("vendredi prochain", "[2024-03-22 2024-03-22]"),
        ("AUJOURD\u2019HUI", "[2024-03-17 2024-03-17]"),
        ("tomorrow", "[2024-03-18 2024-03-18]"),
        ("this week", "[2024-03-11 2024-03-17]"),
        ("last  month", "[2024-02-01 2024-02-29]"),
        ("semaine derniere", "[2024-03-04 2024-03-10]"),
        ("an pass\u00e9", "[2023-01-01 2023-12-31]"),
        ("next month", "[2024-04-01 2024-04-30]"),
        ("ann\u00e9e prochaine", "[2025-01-01 2025-12-31]"),
        ("past two weeks", "[2024-03-04 2024-03-17]"),
        ("3 derniers mois", "[2023-12-18 2024-03-17]"),
        ("depuis l'ann\u00e9e derni\u00e8re", "[2023-01-01 2024-03-17]"),
        ("since the start of the month", "[2024-03-01 2024-03-17]"),
        ("since april 1st", "[2023-04-01 2024-03-17]"),
        ("\u00e0 partir du 10 f\u00e9vrier", "[2024-02-10 2024-03-17]"),
        ("from 2024-02-10 to 5 march 2024", "[2024-02-10 2024-03-05]"),
        ("entre le 1er mai 2023 et le 02/06/2023", "[2023-05-01 2023-06-02]"),
        ("since march", "[2024-03-01 2024-03-17]"),
        ("depuis d\u00e9cembre", "[2023-12-01 2024-03-17]"),
        ("since 2022", "[2022-01-01 2024-03-17]"),
        ("en 2023", "[2023-01-01 2023-12-31]"),
        ("february 2024", "[2024-02-01 2024-02-29]"),
        ("depuis ao\u00fbt 2023", "[2023-08-01 2024-03-17]"),
        ("december 3, 2021", "[2021-12-03]"),
        ("03/04/2024", "[2024-04-03]"),
        ("3rd of march, 2024", "[2024-03-03]"),
        ("14 dec 2021", "[2021-12-14]"),
        # without a year: the last such day
        ("3 may", "[2023-05-03]"),
        ("after march 17th", "[2024-03-17]"),
        ("apr\u00e8s le 18 mars", "[2023-03-18]"),
        ("before feb 29", "[2024-02-29]"),
        ("since jan 5", "[2024-01-05 2024-03-17]"),
        # a long word may have a typing mistake
        ("14 decembeer 2021", "[2021-12-14]"),
        ("yesterdya", "[2024-03-16 2024-03-16]"),
        ("le mois derneir", "[2024-02-01 2024-02-29]"),
    ],
)
def test_a_request_has_the_days_of_what_it_says_behind_it(said, shown):
    assert annotated(f"orders, {said}, paid", TODAY) == f"orders, {said} {shown}, paid"


@pytest.mark.parametrize(
    "request_text",
    [
        "2024-02-10", "31/02/2024", "monday", "march", "the yearly ones", "sale-today", "todayish", "since 2024-05-01",
        "last 0 days", "last 9999 years", "between 2024-03-02 and 2024-03-01", 'title is "last week"',
        "titre \u00ab la semaine derni\u00e8re \u00bb", "from 2024-02-10", "depuis le 31 f\u00e9vrier", "",
    ],
)  # fmt: skip
def test_what_says_no_days_or_is_quoted_or_cannot_be_stands_as_it_is(request_text):
    assert annotated(request_text, TODAY) == request_text


@given(day=DAYS, today=DAYS, language=st.sampled_from(["en", "fr"]), seed=st.integers(0, 2**16))
def test_every_time_span_that_the_embedded_teacher_says_has_its_days_behind_it(day, today, language, seed):
    rng = random.Random(seed)
    spans = [*periods(today).values(), (day, today), (day, day + timedelta(days=9))]
    start, end = rng.choice([span for span in spans if span[0] <= span[1]])
    said = Speaker([], language).say_timeframe({"start": str(start), "end": str(end)}, today, rng)
    assert written_span(start, end) in annotated(f"x {said}", today)
    for form in phrase_book()[language]["dates"]:
        text = say_date(day, form, language)
        assert read_day(text) == day
        assert annotated(text, today) == (text if text == str(day) else f"{text} [{day}]")


words = [phrase for phrases in book()["phrases"].values() for phrase in phrases]
pieces = st.sampled_from([*words, "since", "3", "march", "2024-02-30", "29/02/2023", '"', "\u00ab", "[", "\u0130"])


@given(st.lists(pieces | st.text(max_size=6), max_size=8), DAYS)
def test_days_are_added_to_a_request_and_nothing_else_is_changed(parts, today):
    request = " ".join(parts).replace("{day}", "3 march 2024").replace("{n}", "seven").replace("{weekday}", "lundi")
    at, shown = 0, annotated(request, today)
    for part in re.split(r"( \[\d{4}-\d\d-\d\d(?: \d{4}-\d\d-\d\d)?\])", shown):
        if request.startswith(part, at):
            at += len(part)
        else:
            days = [date.fromisoformat(day) for day in part[2:-1].split()]
            assert days == sorted(days)
    assert at == len(request)


@pytest.mark.parametrize("today", [date.min, date.max])
def test_spans_outside_the_years_that_dates_have_stand_as_they_are(today):
    for phrase in ("since friday", "last year", "next year", "tomorrow", "last 3 months", "depuis hier"):
        assert annotated(phrase, today).startswith(phrase)


@given(DAYS, st.integers(0, 6))
def test_a_weekday_is_the_nearest_one_before_or_after_the_current_date(today, weekday):
    (last, _), (following, _) = (span_of(f"{which} {{weekday}}", today, weekday) for which in ("last", "next"))
    assert last.weekday() == following.weekday() == weekday
    assert 1 <= (today - last).days <= 7
    assert 1 <= (following - today).days <= 7


@given(DAYS)
def test_periods_follow_each_other(today):
    for unit in ("week", "month", "year"):
        last, this, following = (span_of(f"{which} {unit}", today) for which in ("last", "this", "next"))
        assert last[1] + timedelta(days=1) == this[0]
        assert this[0] <= this[1] == today < following[0]
        assert span_of(f"this {unit}", following[0] - timedelta(days=1))[0] == this[0]
