"""Times of day that requests say, as the formats `time` and `date-time` of JSON Schema write them.

"until 22:30" is `22:30:00Z` where a schema has a property of the format `time`, "tomorrow at 9am"
`2024-03-18T09:00:00Z` where it has one of `date-time`, a day alone the beginning of that day. RFC 3339, which JSON Schema
refers to, wants seconds and an offset; people say neither, so that it is UTC. Where a pattern is of times of day, "9am"
is `09:00`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from datetime import date
from functools import cache, lru_cache

from pipeline.requests.calendar import book, read_day
from pipeline.requests.places import DATE, of_clocks, told_by
from pipeline.requests.reading import LEFT_ALONE, NOTHING, Note, any_of, lowered, prepositions
from pipeline.schemas.dsl import conditions_of
from pipeline.schemas.json_schemas import keywords_in

WRITTEN = re.compile(r"(?:(?P<day>\d{4}-\d\d-\d\d)T)?(?P<time>\d\d:\d\d):00Z")
"""A value of the format `time`, or of `date-time`, as `written` makes it."""


def written(time: str, day: date | None = None) -> str:
    """A time of day (HH:MM) as the format `time` has it, or that of a day as `date-time` has it."""
    return f"{day}T{time}:00Z" if day else f"{time}:00Z"


@lru_cache(maxsize=64)
def _wanted(schema: str) -> tuple[frozenset[str], str | None]:
    """The formats of time in a schema (compact JSON), and its pattern for times of day."""
    parts = list(keywords_in(json.loads(schema)))
    formats = {part["format"] for part in parts if part.get("format") in ("date", "time", "date-time")}
    patterns = (part["pattern"] for part in parts if isinstance(part.get("pattern"), str))
    return frozenset(formats), next(filter(of_clocks, patterns), None)


@lru_cache(maxsize=64)
def takes_days(schema: str) -> bool:
    """Whether what a schema (compact JSON) says is to be done on days, as schemas of another form than the shipped one
    have it: one of its properties is a day, and it lists no weekdays."""
    whole = json.loads(schema)
    parts = list(keywords_in(whole))
    formats = {part.get("format") for part in parts if isinstance(part.get("format"), str)}
    patterns = [part["pattern"] for part in parts if isinstance(part.get("pattern"), str)]
    values = {lowered(value) for part in parts for value in part.get("enum", ()) if isinstance(value, str)}
    named = {lowered(name) for names in book()["weekdays"].values() for name in names}
    has_days = bool(formats & {"date", "date-time"}) or any(told_by(pattern) == DATE for pattern in patterns)
    return has_days and values.isdisjoint(named) and not conditions_of(whole)


@cache
def _said() -> re.Pattern[str]:
    """A time of day: 9:30, 14h05, 9:30 pm, 9am, or in words (the group `word`)."""
    words = "|".join(map(re.escape, book()["times"])) or NOTHING
    return re.compile(
        rf"{LEFT_ALONE}|(?<![\w:.-])(?:(?P<hour>\d\d?)(?:[:h](?P<minute>\d\d)(?: ?(?P<half>[ap])m)?| ?(?P<alone>[ap])m)"
        rf"|(?P<word>{words}))(?![\w:-]|\.\d)",
        re.IGNORECASE,
    )


@cache
def _between() -> re.Pattern[str]:
    return re.compile(rf"\s*,?\s*(?:(?:{any_of('at')})\s+)?", re.IGNORECASE)


@cache
def _hours_alone() -> re.Pattern[str]:
    """An hour behind a word like "at", maybe with its unit: "at 8", "\u00e0 20h"."""
    before = "|".join(map(re.escape, book()["hours"]))
    return re.compile(
        rf"{LEFT_ALONE}|(?<!\w)(?:{before})\s+(?P<said>(?P<hour>\d\d?)(?: ?h(?:eures)?| o'clock)?)"
        r"(?![\w:%/-]|[.,]\d|\s?[ap]m(?!\w))",
        re.IGNORECASE,
    )


def _times(request: str, days: list[Note]) -> list[Note]:
    """The times of day that a request says, each shown as HH:MM.

    A word counts behind a preposition, a day or a sign: "at noon", "tomorrow midnight", "start: noon", not in "Midnight
    Express"; an hour behind "at" and beside a day, or with its unit.
    """
    found, ends = [], {day.end for day in days}
    in_words = {lowered(word): time for word, time in book()["times"].items()}
    for said in _said().finditer(request):
        before = lowered(request[: said.start()].rstrip())
        is_said = len(before) in ends or before.endswith((":", "=")) or before.rpartition(" ")[2] in prepositions()
        if said["word"] and is_said:
            found.append(Note(*said.span(), in_words[lowered(said["word"])]))
        elif said["hour"] and (time := _time(said)):
            found.append(Note(*said.span(), time))
    for said in _hours_alone().finditer(request):
        hour = Note(*said.span("said"), f"{int(said['hour']):02}:00") if said["hour"] else None
        has_unit = hour is not None and said["said"] != said["hour"]
        if hour and hour.shown < "24" and (has_unit or _beside(request, hour, days)):
            found.append(hour)
    return sorted(found)


def _time(said: re.Match[str]) -> str | None:
    """A time of day as HH:MM, or None where the day has no such one."""
    hour, minute, half = int(said["hour"]), int(said["minute"] or 0), (said["half"] or said["alone"] or "").lower()
    if half:
        hour = hour % 12 + 12 * (half == "p") if 1 <= hour <= 12 else 24
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None


def _day(note: Note, request: str) -> date | None:
    """The one day that a note of time is of."""
    first, _, last = note.shown.partition(" ")
    return read_day(first or request[note.start : note.end]) if last in ("", first) else None


def with_times(request: str, schema: str, days: list[Note]) -> list[Note]:
    """The notes of days (`calendar.days_said`) and those of times of day, as the formats of a schema (compact JSON) write
    them, or its pattern for times of day; `days` where it has none of these.

    A time of day is of the day beside it, else of the only day that the request says.
    """
    formats, pattern = _wanted(schema)
    if not formats & {"time", "date-time"} and pattern is None:
        return days
    whole = {note: day for note in days if (day := _day(note, request))}
    only = next(iter(whole.values())) if len(set(whole.values())) == 1 else None
    midnight: str | None = "00:00"
    found, alone, used = [], [], set()
    for clock in _times(request, days):
        beside = _beside(request, clock, [*whole]) if "date-time" in formats else None
        if beside and beside not in used:
            start, end = min(beside.start, clock.start), max(beside.end, clock.end)
            found.append(Note(start, end, written(clock.shown, whole[beside])))
            used.add(beside)
        else:
            alone.append(clock)
    days = [note for note in days if note not in used]
    if pattern is not None:
        found += [clock for clock in alone if not re.search(pattern, request[clock.start : clock.end])]
    elif "time" in formats:
        found += [clock._replace(shown=written(clock.shown)) for clock in alone]
    elif only and alone:
        found += [clock._replace(shown=written(clock.shown, only)) for clock in alone]
        midnight = None
    if "date" not in formats and "date-time" in formats:  # days are none of their own
        shown = {note: written(midnight, day) if midnight else "" for note, day in whole.items()}
        days = [note._replace(shown=shown.get(note, note.shown)) for note in days]
    return sorted([*days, *found])


def _beside(request: str, one: Note, days: list[Note]) -> Note | None:
    """The one of these notes, in order, between which and another one nothing but a small word stands."""
    at = bisect_left(days, one)
    for day in days[max(0, at - 1) : at + 1]:
        first, second = sorted([one, day])
        if first.end <= second.start and _between().fullmatch(request, first.end, second.start):
            return day
    return None
