"""The values in a request that are told by what they are: listed ones, days, times of day, addresses."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pipeline.requests.calendar import is_open_ended, read_day
from pipeline.requests.clock import WRITTEN
from pipeline.requests.places import CLOCK, DATE, FORMS, MOMENT, SPAN, Kind, Place, Way, form_of, listed
from pipeline.requests.reading import LEFT_ALONE, Note, lowered

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


def values_in(request: str, notes: list[Note], names: Collection[str]) -> list[Value]:
    """Those of a request, one after the other; `names` are what its notes may show beside values."""
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
    return sorted(value for value in [*days, *times, *alone, *forms] if not any(value.start in part for part in quoted))


def between(values: list[Value], start: int, end: int) -> Iterator[Value]:
    """Those of these values, in order, that begin in this part of the request."""
    return (values[at] for at in range(bisect_left(values, (start,)), bisect_left(values, (end,))))


def in_order(
    request: str, told: list[Value], notes: list[Note], place: Place, named: Collection[str]
) -> dict[Value, list[tuple[Way, str]]]:
    """Where values belong that have several places (`Place.alike`), none of them `named`: the first is that of the
    first place.

    Only where there are as many values as places, or as places that are needed. A time span is the first and the last of two days, or the first one
    alone ("since monday"), which may have the name of its place. Each value has the ways to its places, with the words
    for it there where they are others than its own.
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
    return found
