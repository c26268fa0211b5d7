"""Numbers in a request, and what the words around one say of where it belongs: "5 minutes", "under 150", "20 or less".

What people say to compare stands in config/reading.json; names of properties that compare ("max_price") have words of
config/operators.json in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache
from typing import NamedTuple

from pipeline.requests.calendar import in_digits, numbers_said
from pipeline.requests.places import NUMBER, Item, Place, Way
from pipeline.requests.reading import (
    LEFT_ALONE,
    WORD,
    Note,
    folded,
    is_form_of,
    lowered,
    part_ends,
    said_around,
    said_for_operators,
)
from pipeline.requests.told_values import Value
from pipeline.schemas.dsl import operators
from pipeline.schemas.names import words_of

DIGITS = r"\d(?:[\d.,]*\d)?"
DIRECTIONS = (("less", "at_most"), ("greater", "at_least"))
"""Operators that compare alike: "under 30 minutes" is what a maximum is for."""
FAR = 60
"""Characters beside a number in which is said what it compares."""
COUNTED = re.compile(rf"\s+(?P<what>{WORD})")
"""What stands behind a number and may be what it counts."""


@cache
def _number() -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,:/-])(?:-?{DIGITS}|{numbers_said()})(?![\w:/-])", re.IGNORECASE)


@cache
def number_last() -> re.Pattern[str]:
    """A number at the end of a text (the group `number`), in digits or in words."""
    return re.compile(rf"(?<![\w.,-])(?P<number>-?{DIGITS}|{numbers_said()})\s+$", re.IGNORECASE)


class NumberPlace(NamedTuple):
    """Where a number belongs, in digits, and where what says so begins and ends in the request."""

    to: Way | Item
    words: str
    start: int
    end: int


class Numbers:
    """The numbers of a request that stand by themselves, and the places for numbers that no name of it means.

    `taken` are the values that are told by what they are, and whatever else rules found; a number of a list's items is
    looked for where other values are theirs (`of_items`).
    """

    def __init__(
        self, request: str, place: Place, named: Collection[str], taken: list[Value | Note], of_items: bool
    ) -> None:
        self.request, self.root = request, place
        self.starts = {one.start for one in taken}
        self.open = place.numbers(named)
        """The places of which nothing is said yet."""
        needed = place.needed_number(named)
        self.needed = needed if of_items or not isinstance(needed, Item) else None
        """Where a number belongs of which nothing else is said."""
        spans = [one[:2] for one in taken] + [match.span() for match in re.finditer(LEFT_ALONE, request)]
        alone = (match.span() for match in _number().finditer(request) if self.open or self.needed)
        self.alone = [Value(*one, NUMBER) for one in alone if not any(a < one[1] and one[0] < b for a, b in spans)]

    def place_of(self, number: Value, start: int, end: int, parts: Callable[[str], list[str]]) -> NumberPlace | None:
        """Where a number belongs that stands in this part of the request, which then is taken; None where nothing says.

        That is the place of whose name, or else description, it counts a word ("5 minutes"), the one whose name
        compares as the words beside it do ("under 150" of a `max_price`), or else the one number that is needed, where
        `parts` finds nothing in what stands before it.
        """
        before = lowered(self.request[max(start, number.start - FAR) : number.start])
        compared = _comparing()[0].search(before), _comparing()[1].match(lowered(self.request[number.end : end][:FAR]))
        first = number.start - (len(before) - compared[0].start() if compared[0] else 0)
        last = number.end + (compared[1].end() if compared[1] else 0)
        what = COUNTED.match(self.request, last, end)
        counted = self._counting(what["what"]) if what else []
        alike = [way for way in self.open if any(one and _compares(one["said"], way[-1]) for one in compared)]
        to: Way | Item | None = None
        if counted:
            to, last = counted[0] if len(counted) == 1 else None, what.end()
        elif len(alike) == 1:
            to = alike[0]
        else:
            unknown = what and not part_ends(self.request, last) and what.start("what") not in self.starts
            beside = re.split(r"[,;:]\s", self.request[max(start, first - FAR) : first])[-1]
            to = None if parts(beside) or (unknown and len(self.open) > 1) else self.needed
        if to is None:
            return None
        self.open = [way for way in self.open if way != to]
        self.needed = None if to == self.needed and not isinstance(to, Item) else self.needed
        return NumberPlace(to, in_digits(self.request[number.start : number.end]), first, last)

    def _counting(self, what: str) -> list[Way]:
        """The places in whose names this word stands, or else in what the schema says of them."""
        named = [way for way in self.open if _has_word(words_of(way[-1]), what)]
        return named or [way for way in self.open if _has_word(self.root.at(way).remarks, what)]


def number_follows(request: str, at: int) -> bool:
    """Whether a number follows here, with nothing but spaces before it."""
    return re.compile(rf"\s+{DIGITS}(?![\w:/-])").match(request, at) is not None


def _has_word(words: str, what: str) -> bool:
    """Whether a word is one of these, whatever its form: "minute" of "max minutes"."""
    small = {word for kind in ("at", "to", "the", "of", "and") for word in said_around()[kind]}
    known = {*re.findall(WORD, folded(words))} - small
    return any(folded(what) == word or is_form_of(folded(what), word) for word in known)


@cache
def _comparing() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What compares (the group `said`), in lower case: before a number, "less than", and behind it, "or more"."""
    said = {phrase for direction in DIRECTIONS for name in direction for phrase in said_for_operators()[name]}
    words = "|".join(re.escape(phrase) for phrase in sorted(said, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?P<said>{words})\s+$"), re.compile(rf"\s+(?P<said>{words})(?!\w)")


@cache
def _words_that_compare() -> list[tuple[set[str], set[str]]]:
    """For each of the directions what people say, and what names of properties have in them."""
    said = [{phrase for name in direction for phrase in said_for_operators()[name]} for direction in DIRECTIONS]
    small = {*said_around()["at"], *said_around()["to"]}  # a `year_from` is no minimum of years
    aliases = [[words_of(a) for name in direction for a in operators()[name].aliases] for direction in DIRECTIONS]
    names = [{*each} - small for each in aliases]
    return [(phrases, phrases | aliases) for phrases, aliases in zip(said, names, strict=True)]


def _compares(said: str, name: str) -> bool:
    """Whether the name of a property compares as `said` does: "under" and `max_price`."""
    within = f" {words_of(name)} "
    return any(
        said in phrases and any(f" {one} " in within for one in names) for phrases, names in _words_that_compare()
    )
