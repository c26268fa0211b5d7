"""The calendar that every prompt states, so that a small model looks dates up instead of computing them.

A relative date in a request ("last month", "depuis lundi") is answered from these lines. Whatever reaches up to now
ends on the current date, included.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache

from pipeline.dsl import say_spellings
from pipeline.paths import CONFIG_DIR

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def periods(today: date) -> dict[str, tuple[date, date]]:
    """Named periods around `today`: name -> (first day, last day), both included.

    A weekday's name stands for the time since its last occurrence before today.
    """
    month = today.replace(day=1)
    last_month_end = month - timedelta(days=1)
    year = today.replace(month=1, day=1)
    monday = today - timedelta(days=today.weekday())
    named = {
        "today": (today, today),
        "yesterday": (today - timedelta(days=1),) * 2,
        "last 7 days": (today - timedelta(days=6), today),
        "last 30 days": (today - timedelta(days=29), today),
        "this week": (monday, today),
        "last week": (monday - timedelta(days=7), monday - timedelta(days=1)),
        "this month": (month, today),
        "last month": (last_month_end.replace(day=1), last_month_end),
        "this year": (year, today),
        "last year": (year.replace(year=year.year - 1), year - timedelta(days=1)),
    }
    for back in range(7, 0, -1):
        day = today - timedelta(days=back)
        named[WEEKDAYS[day.weekday()]] = (day, today)
    return named


@cache
def period_names() -> dict[str, dict[str, str]]:
    """config/calendar.json: period -> language -> what it is called."""
    return json.loads((CONFIG_DIR / "calendar.json").read_text(encoding="utf-8"))


def calendar_line(today: date) -> str:
    """The periods around `today`, each under its names in every language: a prompt is the same for all of them."""
    return render_calendar(
        {said: period for name, period in periods(today).items() for said in period_names()[name].values()}
    )


def render_calendar(entries: dict[str, tuple[date, date]]) -> str:
    """One line: `today: 2024-03-17, ..., last month: 2024-02-01 2024-02-29, mois dernier: 2024-02-01 2024-02-29, ...`.

    A name stands before each period, as a phrase before its spelling in a schema: under two names at a time, in a notation
    of their own, periods were found half as often by the embedded base (docs/EXPERIMENTS.md, step 16).
    """
    today = next(iter(entries.values()))[1]
    return say_spellings({name: render_period(period, today) for name, period in entries.items()})


def render_period(period: tuple[date, date], today: date) -> str:
    """A period's two days; the first alone where it ends today."""
    start, end = period
    return f"{start}" if end == today else f"{start} {end}"
