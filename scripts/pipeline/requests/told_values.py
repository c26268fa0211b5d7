"""The values in a request that are told by what they are: listed ones, days, times of day, addresses."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

from pipeline.requests.calendar import is_open_ended, read_day
from pipeline.requests.clock import WRITTEN
from pipeline.requests.places import CLOCK, DATE, FORMS, MOMENT, SPAN, Kind, Place, Way, form_of, listed
from pipeline.requests.reading import LEFT_ALONE, Note, an_article, any_of, lowered, said_around
from pipeline.schemas.names import words_of

LONGEST = 200
"""Characters of the longest text that is told by its pattern."""
MOST_WORDS = 4
"""Words beside each other that are tried against a pattern: "+49 151 2345678"."""
TWO_DAYS = re.compile(r"\d{4}-\d\d-\d\d \d{4}-\d\d-\d\d")


class Value(NamedTuple):
    """A value in a request, and what it is told by."""

    start: int
    end: int
    kind: Kind


def _time_shown(shown: str) -> Kind | None:
    """The kind of what a note shows for a time of day, or for that of a day."""
    if written := WRITTEN.fullmatch(shown):
        return MOMENT if written["day"] else CLOCK
    return CLOCK if form_of(shown) == CLOCK else None


def of_patterns(request: str, patterns: Collection[Kind]) -> list[Value]:
    """The words of a request, or the few of them beside each other, that are texts of one of these patterns."""
    words = (
        [match.span() for match in re.finditer(r"(?<!\S)[^\s\"(]\S*?(?=[,;:.!?)]*(?:\s|$))", request)]
        if patterns
        else []
    )
    found: list[Value] = []
    for at, (start, _) in enumerate(words):
        if found and start < found[-1].end:
            continue
        ends = [end for _, end in words[at : at + MOST_WORDS] if end - start <= LONGEST][::-1]
        told = (Value(start, end, kind) for end in ends for kind in patterns if re.search(kind[1], request[start:end]))
        found += [value for value in [next(told, None)] if value]
    return found


def values_in(request: str, notes: list[Note], place: Place) -> list[Value]:
    """Those of a request for a schema whose root is this place, one after the other."""
    names = place.paths
    days = [Value(*n[:2], DATE) for n in notes if read_day(n.shown or request[n.start : n.end])]
    times = [Value(*n[:2], kind) for n in notes if (kind := _time_shown(n.shown))]
    alone = [Value(*n[:2], listed(n.shown)) for n in notes if n.shown and n.shown not in names]
    within = [range(value.start, value.end) for value in times]
    forms = [
        Value(*match.span(), (str(match.lastgroup),))
        for match in FORMS.finditer(request)
        if not any(match.start() in part for part in within)
    ]
    quoted = [range(*m.span()) for m in re.finditer(LEFT_ALONE, request)]
    found = [*days, *times, *alone, *forms, *of_patterns(request, place.patterns)]
    return sorted(value for value in found if not any(value.start in part for part in quoted))


def between(values: list[Value], start: int, end: int) -> Iterator[Value]:
    """Those of these values, in order, that begin in this part of the request."""
    return (values[at] for at in range(bisect_left(values, (start,)), bisect_left(values, (end,))))


def in_order(
    request: str, told: list[Value], notes: list[Note], place: Place, named: Collection[str]
) -> dict[Value, list[tuple[Way, str]]]:
    """Where values belong that have several places (`Place.alike`), none of them `named`: the first is that of the
    first place.

    Only where there are as many values as places, or as places that are needed, or one for two of which the second is
    said to be the last ("start", "end"). A time span is the first and the last of two days, or the first one alone
    ("since monday"), which may have the name of its place. Each value has the ways to its places, with the words for it
    there where they are others than its own.
    """
    found: dict[Value, list[tuple[Way, str]]] = {}
    spans = [note for note in notes if TWO_DAYS.fullmatch(note.shown)]
    for span in spans:
        said = lowered(request[span.start : span.end])
        if is_open_ended(said) and (way := place.paths.get(said.split()[0])) and DATE in place.at(way).kinds:
            found[Value(*span[:2], SPAN)] = [(way, span.shown.split()[0])]
    for kinds, ways in place.alike({*named, *(way[-1] for places in found.values() for way, _ in places)}):
        values = [value for value in told if value.kind in kinds]
        needed = [way for way in ways if len(way) == 1 and way[0] in place.needed]
        places = ways if len(values) == len(ways) else needed if DATE not in kinds or not spans else []
        if values and len(values) == len(places):
            found |= {value: [(way, "")] for value, way in zip(values, places, strict=True)}
        elif kinds == {DATE} and len(ways) == 2 and len(spans) == 1 and not values:
            days = span.shown.split()[: 1 if is_open_ended(request[span.start : span.end]) else 2]
            found[Value(*span[:2], SPAN)] = [*zip(ways, days, strict=False)]
        elif len(values) == 1 and not spans and _are_first_and_last(ways, place):
            found[values[0]] = [(ways[bool(_said_last().search(lowered(request[: values[0].start])))], "")]
    return found


def _are_first_and_last(ways: list[Way], place: Place) -> bool:
    """Whether of two places the second alone is called the last one, and can be left out: "departure", "return_date"."""
    is_last = lambda way: not {*words_of(way[-1]).split()}.isdisjoint(said_around()["last"])
    return len(ways) == 2 and [*map(is_last, ways)] == [False, True] and ways[1][0] not in place.needed


@cache
def _said_last() -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{any_of('last')})\s+(?:{an_article()})?$")
