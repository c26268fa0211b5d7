"""Dates that requests say, read by rules, so that a small model copies them in place of computing them.

What config/calendar.json knows of a request is followed by its days in the prompt: `since monday [2024-03-11
2024-03-17]`, `before 3 march 2024 [2024-03-03]`. A time span has two days, both included; whatever reaches up to now
ends on the current date. A day without its year is the last such day up to the current date; in requests for what is
to be done (`soon`) it is the next one, or one that was just past, and a weekday alone the next. What it does not know
stands as it is, and so does what is quoted.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from functools import cache
from itertools import groupby
from typing import Any

from pipeline.paths import CALENDAR
from pipeline.requests.reading import NOTHING, QUOTED, WORD, Note, Spelling, any_of, folded, with_notes
from pipeline.words import read_words

Span = tuple[date, date]
JUST_PAST = timedelta(days=45)
"""How long ago a day without its year was at most where it is not the next one: an expense of last month."""


def book() -> dict[str, Any]:
    """config/calendar.json: months and weekdays by language, numbers and times of day in words, and the phrases of time
    spans."""
    return read_words(CALENDAR)


def weekday_names() -> list[str]:
    """Monday to Sunday in English: the names of the periods that begin with them."""
    return book()["weekdays"]["en"]


def months_after(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month where it is shorter."""
    year, month = divmod(12 * day.year + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def span_of(name: str, today: date, *numbers: int) -> Span:
    """The first and last day of what config/calendar.json calls `name`.

    `numbers` are what stands in its slots: {n}, {month} from 1, {year}, {weekday} from 0 for monday. Raises
    OverflowError or ValueError where it begins before the first year or ends after the last.
    """
    day, monday = timedelta(days=1), today - timedelta(days=today.weekday())
    month, year = today.replace(day=1), today.replace(month=1, day=1)
    match name, numbers:
        case "yesterday", ():
            return today - day, today - day
        case "today", ():
            return today, today
        case "tomorrow", ():
            return today + day, today + day
        case "day after tomorrow", ():
            return today + 2 * day, today + 2 * day
        case "day before yesterday", ():
            return today - 2 * day, today - 2 * day
        case "{n} days ago", (count,):
            return today - day * count, today - day * count
        case "{n} weeks ago", (count,):
            return today - day * 7 * count, today - day * 7 * count
        case "in {n} days", (count,):
            return today + day * count, today + day * count
        case "in {n} weeks", (count,):
            return today + day * 7 * count, today + day * 7 * count
        case "last {weekday}", (weekday,):
            return (today - day * (7 - (weekday - today.weekday()) % 7),) * 2
        case "next {weekday}", (weekday,):
            return (today + day * (1 + (weekday - today.weekday() - 1) % 7),) * 2
        case "last {n} days", (count,):
            return today - day * (count - 1), today
        case "last {n} weeks", (count,):
            return today - day * (7 * count - 1), today
        case "last {n} months", (count,):
            return months_after(today, -count) + day, today
        case "this week", ():
            return monday, today
        case "this month", ():
            return month, today
        case "this year", ():
            return year, today
        case "last week", ():
            return monday - 7 * day, monday - day
        case "last month", ():
            return months_after(month, -1), month - day
        case "last year", ():
            return months_after(year, -12), year - day
        case "next week", ():
            return monday + 7 * day, monday + 13 * day
        case "next month", ():
            return months_after(month, 1), months_after(month, 2) - day
        case "next year", ():
            return months_after(year, 12), months_after(year, 24) - day
        case "since {month}", (number,):
            return date(today.year - (number > today.month), number, 1), today
        case "since {year}", (number,):
            return date(number, 1, 1), today
        case "in {year}", (number,):
            return date(number, 1, 1), date(number, 12, 31)
        case "{month} {year}", (number, of_year):
            return date(of_year, number, 1), months_after(date(of_year, number, 1), 1) - day
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
        named[weekday_names()[day.weekday()]] = (day, today)
    return named


# ---- reading


@cache
def _known_words() -> Spelling:
    """The words of dates and time spans; those that look like them are read as they are."""
    said = [*_names("months"), *_names("weekdays"), *(p for phrases in book()["phrases"].values() for p in phrases)]
    others = {word: word for word in book()["others"]}
    return Spelling({word: word for phrase in said for word in re.findall(WORD, folded(phrase))}, others)


@cache
def _names(of: str) -> dict[str, int]:
    """Names of months or weekdays in every language, folded -> number from 0."""
    return {folded(name): number for names in book()[of].values() for number, name in enumerate(names)}


def _any_of(words: list[str]) -> str:
    return (
        "(?:" + "|".join(re.escape(folded(word)) for word in sorted(words, key=len, reverse=True)) + ")"
        if words
        else NOTHING
    )


@cache
def numbers_said() -> str:
    """A regex for numbers in words."""
    return _any_of(list(book()["numbers"]))


def in_digits(number: str) -> str:
    """A number in digits where it is said in words: "two" -> "2"."""
    return str(book()["numbers"].get(folded(number), number))


@cache
def _slots() -> dict[str, str]:
    """What stands for a placeholder of a phrase, as a regex; `date` is a day with its year, `yearless` one without."""
    month, weekday = _any_of(list(_names("months"))), _any_of(list(_names("weekdays")))
    day = r"\d{1,2}(?:st|nd|rd|th|er|\.)?"
    yearless = rf"{day} (?:of )?{month}|{month} {day}"
    dated = rf"\d{{4}}-\d\d-\d\d|\d\d/\d\d/\d{{4}}|(?:{yearless}),? \d{{4}}"
    alone = [name for name, phrases in book()["phrases"].items() if "{day}" not in phrases[0]]
    slots = {"date": dated, "yearless": yearless, "month": month, "year": r"(?:19|20)\d\d", "weekday": weekday}
    slots["n"] = rf"(?:\d{{1,4}}|{_any_of(list(book()['numbers']))})"
    spans = "|".join(_filled(phrase, slots, "(?:") for name in alone for phrase in book()["phrases"][name])
    return slots | {"day": f"(?:{dated}|{spans}|{weekday}|{yearless})"}


def _filled(phrase: str, slots: dict[str, str], group: str = "(") -> str:
    """A phrase as a regex; `group` opens what stands for a slot."""
    parts = re.split(r"\{(\w+)\}", folded(phrase))
    literal = lambda part: re.escape(part).replace(r"\ ", r"\s+")
    return "".join(f"{group}{slots[part]})" if at % 2 else literal(part) for at, part in enumerate(parts))


@cache
def _phrases() -> list[tuple[str, str]]:
    """(name, regex) of every phrase, those first that others may begin with; the groups of a regex are its slots."""
    return [(name, _filled(phrase, _slots())) for name, phrases in book()["phrases"].items() for phrase in phrases]


_compiled = cache(re.compile)
"""A phrase's regex when it is first tried: all of them take half a second."""


@cache
def _sayings(*, soon: bool) -> re.Pattern[str]:
    """Whatever may say days, or is quoted; `soon`, a weekday alone or a day of the month, too."""
    parts = [phrase.rpartition("{") for phrases in book()["phrases"].values() for phrase in phrases]
    said = []
    for end, group in groupby(
        parts, key=lambda part: part[1] + part[2]
    ):  # written once for its neighbours: days are long
        starts = "|".join(_filled(start, _slots()) for start, _, _ in group)
        said.append(f"(?:{starts}){_filled(end, _slots())}")
    alone = (
        rf"|(?P<weekday>(?:(?:this|ce) )?{_slots()['weekday']})|the (?P<nth>\d{{1,2}})(?:st|nd|rd|th)" if soon else ""
    )
    return re.compile(
        f"(?P<quoted>{QUOTED})|(?<![\\w-])(?:{'|'.join(said)}|{_slots()['date']}"
        rf"|(?P<yearless>{_slots()['yearless']}){alone})(?![\w-])"
    )


def read_day(text: str) -> date | None:
    """The day that a date with its year says: ISO, `03/04/2024` (day first), or with a month's name; None where it is
    none."""
    text = folded(text)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
        if re.fullmatch(r"\d\d/\d\d/\d{4}", text):
            day, month, year = map(int, text.split("/"))
            return date(year, month, day)
        first, second, year = text.replace(",", "").replace(" of ", " ").split()
        named, numbered = (first, second) if first in _names("months") else (second, first)
        return date(int(year), _names("months")[named] + 1, int(re.sub(r"\D+$", "", numbered)))
    except (KeyError, ValueError):
        return None


def _number_of(slot: str) -> int:
    """The number of what stands in a slot, as `span_of` takes it."""
    if slot in _names("months"):
        return _names("months")[slot] + 1
    known = _names("weekdays") | book()["numbers"]
    return known[slot] if slot in known else int(slot)


def _read_span(said: str, today: date, *, soon: bool) -> Span | None:
    """The days of a whole phrase or of what stands in a slot {day}: `said` is folded; a date has one day.

    Raises as `span_of` does.
    """
    if day := read_day(said):
        return day, day
    if said in _names("weekdays"):
        return span_of("next {weekday}" if soon else "last {weekday}", today, _number_of(said))
    for name, regex in _phrases():
        if not (match := _compiled(regex).fullmatch(said)):
            continue
        if name in ("since", "range"):
            spans = [_read_span(slot, today, soon=soon and name == "range") for slot in match.groups()]
            if None in spans:
                return None
            if soon and spans[0][0] > spans[-1][1] and match.groups()[-1] in _names("weekdays"):
                spans[-1] = _read_span(match.groups()[-1], spans[0][0], soon=True)  # "from friday to monday"
            return spans[0][0], spans[1][1] if name == "range" else today
        return span_of(name, today, *map(_number_of, match.groups()))
    days = [day for year in (1, 0, -1) if (day := read_day(f"{said} {today.year + year}"))]
    past = [day for day in days if day <= today]
    ahead = [day for day in days if day > today]
    if soon and ahead and not (past and today - past[0] <= JUST_PAST):
        return ahead[-1], ahead[-1]
    return (past[0], past[0]) if past else None


def _read_alone(found: re.Match[str], today: date) -> Span | None:
    """The next weekday that stands alone, or the next such day of a month; None of a weekday that comes every week."""
    try:
        if nth := found["nth"]:
            days = (today + timedelta(days=ahead) for ahead in range(62))
            day = next((day for day in days if day.day == int(nth)), None)
            return (day, day) if day else None
        weekday = span_of("next {weekday}", today, _number_of(found["weekday"].split()[-1]))
    except OverflowError:  # behind the last day that there is
        return None
    if re.search(rf"(?:{any_of('every')})\s+$", found.string[: found.start()]):
        return None
    return weekday


def annotated(request: str, today: date) -> str:
    """The request with the days of what it says of time in brackets behind it.

    A date has one day, and none where it is written as ISO; a time span has two, `[2024-02-01 2024-02-29]`.
    """
    return with_notes(request, days_said(request, today))


def days_said(request: str, today: date, *, soon: bool = False) -> list[Note]:
    """The days of what a request says of time; none are shown where there are none or they stand there as they are.

    `soon`: a day without its year is the next one, or one that was just past; a weekday alone is the next.
    """
    found = []
    text, places = _known_words().mended(folded(request))
    for match in _sayings(soon=soon).finditer(text):
        if match["quoted"]:
            continue
        if soon and (match["weekday"] or match["nth"]):
            span = _read_alone(match, today)
            if span and text[match.start() : match.end()] == folded(
                request[places[match.start()] : places[match.end()]]
            ):
                found.append(Note(places[match.start()], places[match.end()], _two_days(*span)))
            continue
        said = re.sub(r"\s+", " ", match[0])
        if day := read_day(said):
            shown = "" if str(day) == said else str(day)
        else:
            try:
                span = _read_span(said, today, soon=soon)
            except (OverflowError, ValueError):  # outside the years that dates have
                span = None
            if span is None or span[0] > span[1]:
                shown = ""
            else:
                shown = str(span[0]) if match["yearless"] else _two_days(*span)
        found.append(Note(places[match.start()], places[match.end()], shown))
    return found


@cache
def _around_a_first_day() -> list[list[str]]:
    phrases = [phrase for name, said in book()["phrases"].items() if name.startswith("since") for phrase in said]
    return [re.split(r"\{\w+\}", folded(phrase)) for phrase in phrases]


def is_open_ended(said: str) -> bool:
    """Whether what says a time span says a first day alone: "since monday"."""
    text = folded(said)
    return any(text.startswith(before) and text.endswith(after) for before, after in _around_a_first_day())


def written_span(first: date, last: date) -> str:
    """The two days of a time span as prompts have them: `[2024-02-01 2024-02-29]`."""
    return f"[{_two_days(first, last)}]"


def _two_days(first: date, last: date) -> str:
    return f"{first} {last}"


def today_line(today: date) -> str:
    """The current date as prompts state it: `sunday 2024-03-17`."""
    return f"{weekday_names()[today.weekday()]} {today}"
