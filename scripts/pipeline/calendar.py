"""Dates that requests say, read by rules, so that a small model copies them in place of computing them.

What config/calendar.json knows of a request is followed by its days in the prompt: `since monday [2024-03-11
2024-03-17]`, `before 3 march 2024 [2024-03-03]`. A time span has two days, both included; whatever reaches up to now
ends on the current date. What it does not know stands as it is, and so does what is quoted.
"""

from __future__ import annotations

import calendar
import json
import re
import unicodedata
from datetime import date, timedelta
from functools import cache
from typing import Any

from pipeline.paths import CONFIG_DIR

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

QUOTES = '"\u201c\u00ab'
"""What quoted text begins with."""

Span = tuple[date, date]


@cache
def book() -> dict[str, Any]:
    """config/calendar.json: months and weekdays by language, numbers in words, and the phrases of time spans."""
    return json.loads((CONFIG_DIR / "calendar.json").read_text(encoding="utf-8"))


def months_before(day: date, months: int) -> date:
    """The same day so many months before, or the last of that month where it is shorter."""
    year, month = divmod(12 * day.year + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def span_of(name: str, today: date, number: int = 0) -> Span:
    """The first and last day of what config/calendar.json calls `name`; `number` is its {n}, or its {weekday} from 0.

    Raises OverflowError or ValueError where it begins before the first year.
    """
    monday, month, year = today - timedelta(days=today.weekday()), today.replace(day=1), today.replace(month=1, day=1)
    after_month, day = months_before(month, -1), timedelta(days=1)
    match name:
        case "today" | "yesterday" | "tomorrow":
            return (today + day * ("yesterday", "today", "tomorrow").index(name) - day,) * 2
        case "last {weekday}" | "next {weekday}":
            back, ahead = 7 - (number - today.weekday()) % 7, (number - today.weekday() - 1) % 7 + 1  # 1 to 7 each
            return (today - day * back if name.startswith("last") else today + day * ahead,) * 2
        case "last {n} days":
            return today - day * (number - 1), today
        case "last {n} weeks":
            return today - day * (7 * number - 1), today
        case "last {n} months":
            return months_before(today, number) + day, today
        case "this week":
            return monday, today
        case "this month":
            return month, today
        case "this year":
            return year, today
        case "last week":
            return monday - 7 * day, monday - day
        case "last month":
            return months_before(month, 1), month - day
        case "last year":
            return months_before(year, 12), year - day
        case "next week":
            return monday + 7 * day, monday + 13 * day
        case "next month":
            return after_month, months_before(after_month, -1) - day
        case "next year":
            return months_before(year, -12), months_before(year, -24) - day
    raise KeyError(name)


def periods(today: date) -> dict[str, Span]:
    """The named periods around `today` that the embedded teacher speaks of: name -> (first day, last day).

    A weekday's name stands for the time since its last occurrence before today.
    """
    named = {name: span_of(name, today) for name in ("today", "yesterday")}
    named |= {f"last {n} days": span_of("last {n} days", today, n) for n in (7, 30)}
    named |= {
        f"{which} {unit}": span_of(f"{which} {unit}", today)
        for unit in ("week", "month", "year")
        for which in ("this", "last")
    }
    for back in range(7, 0, -1):
        day = today - timedelta(days=back)
        named[WEEKDAYS[day.weekday()]] = (day, today)
    return named


# ---- reading


def _folded(text: str) -> str:
    """Lower case without accents, character by character: what stands where stays."""
    return "".join("'" if c == "\u2019" else unicodedata.normalize("NFD", c)[0].lower()[0] for c in text)


def _any_of(words: list[str]) -> str:
    return "(?:" + "|".join(re.escape(_folded(word)) for word in sorted(words, key=len, reverse=True)) + ")"


@cache
def _slots() -> dict[str, str]:
    """What stands for a placeholder of a phrase, as a regex; `date` is a day with its year."""
    month = _any_of([name for names in book()["months"].values() for name in names])
    weekday = _any_of([name for names in book()["weekdays"].values() for name in names])
    day = r"\d{1,2}(?:st|nd|rd|th|er)?"
    dated = rf"\d{{4}}-\d\d-\d\d|\d\d/\d\d/\d{{4}}|{day} {month} \d{{4}}|{month} {day},? \d{{4}}"
    alone = [name for name, phrases in book()["phrases"].items() if "{day}" not in phrases[0]]
    slots = {"date": dated, "n": rf"(?:\d{{1,4}}|{_any_of(list(book()['numbers']))})", "weekday": weekday}
    spans = "|".join(_filled(phrase, slots, "(?:") for name in alone for phrase in book()["phrases"][name])
    return slots | {"day": f"(?:{dated}|{spans}|{weekday}|{day} {month}|{month} {day})"}


def _filled(phrase: str, slots: dict[str, str], group: str = "(") -> str:
    """A phrase as a regex; `group` opens what stands for a slot."""
    parts = re.split(r"\{(\w+)\}", _folded(phrase))
    literal = lambda part: re.escape(part).replace(r"\ ", r"\s+")
    return "".join(f"{group}{slots[part]})" if at % 2 else literal(part) for at, part in enumerate(parts))


@cache
def _phrases() -> list[tuple[str, re.Pattern[str]]]:
    """(name, regex) of every phrase, those first that others may begin with; the groups of a regex are its slots."""
    return [
        (name, re.compile(_filled(phrase, _slots())))
        for name, phrases in book()["phrases"].items()
        for phrase in phrases
    ]


@cache
def _sayings() -> re.Pattern[str]:
    """Whatever may say days, or is quoted."""
    said = "|".join(regex.pattern for _, regex in _phrases())
    return re.compile(
        f'"[^"]*"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb|(?<![\\w-])(?:{said}|{_slots()["date"]})(?![\\w-])'
    )


def read_day(text: str) -> date | None:
    """The day that a date with its year says: ISO, `03/04/2024` (day first), or with a month's name; None where it is none."""
    text = _folded(text)
    months = [_folded(name) for names in book()["months"].values() for name in names]
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
        if re.fullmatch(r"\d\d/\d\d/\d{4}", text):
            day, month, year = map(int, text.split("/"))
            return date(year, month, day)
        first, second, year = text.replace(",", "").split()
        named, numbered = (first, second) if first in months else (second, first)
        return date(int(year), months.index(named) % 12 + 1, int(re.sub(r"\D+$", "", numbered)))
    except ValueError:
        return None


def _read_span(said: str, today: date) -> Span | None:
    """The days of what stands in a slot {day}, or of a whole phrase: `said` is folded; a day has one day."""
    if day := read_day(said):
        return day, day
    weekdays = [_folded(name) for names in book()["weekdays"].values() for name in names]
    if said in weekdays:
        return span_of("last {weekday}", today, weekdays.index(said) % 7)
    for name, regex in _phrases():
        if not (match := regex.fullmatch(said)):
            continue
        if name in ("since", "range"):
            spans = [_read_span(slot, today) for slot in match.groups()]
            if None in spans:
                return None
            return spans[0][0], spans[1][1] if name == "range" else today
        slot = match[1] if match.groups() else "0"
        number = weekdays.index(slot) % 7 if slot in weekdays else book()["numbers"].get(slot) or int(slot)
        try:
            return span_of(name, today, number)
        except (OverflowError, ValueError):
            return None
    this_year = read_day(f"{said} {today.year}")
    if this_year and this_year > today:
        this_year = read_day(f"{said} {today.year - 1}")
    return (this_year, this_year) if this_year else None


def annotated(request: str, today: date) -> str:
    """The request with the days of what it says of time in brackets behind it.

    A date has one day, and none where it is written as ISO; a time span has two, `[2024-02-01 2024-02-29]`.
    """
    parts, at = [], 0
    for match in _sayings().finditer(_folded(request)):
        said = re.sub(r"\s+", " ", match[0])
        if said[0] in QUOTES:
            continue
        if day := read_day(said):
            shown = "" if str(day) == said else f"[{day}]"
        else:
            span = _read_span(said, today)
            shown = written_span(*span) if span and span[0] <= span[1] else ""
        if shown:
            parts.append(f"{request[at : match.end()]} {shown}")
            at = match.end()
    return "".join(parts) + request[at:]


def written_span(first: date, last: date) -> str:
    """The two days of a time span as prompts have them: `[2024-02-01 2024-02-29]`."""
    return f"[{first} {last}]"


def today_line(today: date) -> str:
    """The current date as prompts state it: `sunday 2024-03-17`."""
    return f"{WEEKDAYS[today.weekday()]} {today}"
