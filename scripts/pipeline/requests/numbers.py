"""Numbers in a request, and what the words around one say of where it belongs: "5 minutes", "under 150", "20 or less".

What people say to compare stands in config/reading.json; names of properties that compare ("max_price") have words of
config/operators.json in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from copy import copy
from functools import cache
from typing import NamedTuple

from pipeline.requests.calendar import numbers_said
from pipeline.requests.places import NUMBER, Item, Place, Way
from pipeline.requests.reading import (
    LEFT_ALONE,
    NOTHING,
    SIGN,
    WORD,
    Note,
    any_of,
    folded,
    is_form_of,
    is_plural,
    lowered,
    part_begins,
    part_ends,
    prepositions,
    said_around,
    said_for_operators,
)
from pipeline.requests.told_values import Value
from pipeline.requests.units import DIGITS, Measure, in_unit, measures_in, plain, unit_of
from pipeline.schemas.dsl import operators
from pipeline.schemas.names import words_of

DIRECTIONS = (("less", "at_most"), ("greater", "at_least"))
"""Operators that compare alike: "under 30 minutes" is what a maximum is for."""
FAR = 60
"""Characters beside a number in which is said what it compares."""
LAST_WORD = re.compile(rf"({WORD})\s+$")
SYMBOLS = re.compile(r"[^\w\s,;:]+(?=\s*$)")
"""Signs right before a number: "$50"."""
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
        self.request, self.text = request, lowered(request)
        self.starts = {one.start for one in taken}
        spans = [one[:2] for one in taken] + [match.span() for match in re.finditer(LEFT_ALONE, request)]
        covered = {at for span in spans for at in range(*span)}
        self.measures = {one.start: one for one in measures_in(request) if one.number_end - 1 not in covered}
        """Where numbers with units begin -> what they measure."""
        found = {match.span() for match in _number().finditer(request) if match.end() - 1 not in covered}
        found |= {(one.start, one.number_end) for one in self.measures.values()}
        within = {at for one in self.measures.values() for at in range(one.start + 1, one.end)}
        self.alone = [Value(*one, NUMBER) for one in sorted(found) if one[0] not in within]
        self.beginning = {one.start: one for one in self.alone}
        self._look_at(place, named, of_items)

    def below(self, place: Place, named: Collection[str]) -> Numbers:
        """The same numbers, and the places in an object."""
        other = copy(self)
        other._look_at(place, named, of_items=False)
        other.only = None
        return other

    def _look_at(self, place: Place, named: Collection[str], of_items: bool) -> None:
        self.root = place
        self.open = self.places = place.numbers(named)
        """The places of which nothing is said yet, and all of them."""
        needed = place.needed_number(named)
        self.needed = needed if of_items or not isinstance(needed, Item) else None
        """Where a number belongs of which nothing else is said."""
        numbers = [way for way, one, _ in place.ways if one.is_number or one.items.is_number]
        self.only = self.open[0] if len(numbers) == len(self.open) == 1 == len(self.open[0]) else None
        """The place of the only number that there is."""
        self.counts: dict[str, tuple[set[Way], set[Way]]] = {}
        """Word -> the places in whose names it stands, and those in whose descriptions it does."""
        self.last: dict[Value, Way] = {}
        """Numbers of which is known that they are the second of two -> their places."""
        lows = {rest: way for way in self.open if (rest := _bounded(way, 1)) is not None}
        highs = {rest: way for way in self.open if (rest := _bounded(way, 0)) is not None}
        self.pairs = [(lows[rest], highs[rest]) for rest in lows if rest in highs]
        """The places of a first and a last of two values."""

    def tells(self, start: int, end: int) -> bool:
        """Whether the part of the request that begins here is a number with its unit, or begins with the first and the last
        of two, and has a place for it: ", 3 people", ", salary between 20 and 30"."""
        stop = next((sign.start() for sign in SIGN.finditer(self.request, start, end)), end)
        number = next((one for one in self.alone if start <= one.start < stop), None)
        if number is None:
            return False
        before = self.text[start : number.start]
        if self._of_two(number, before):
            return True
        measure = self.measures.get(number.start)
        if measure is None or before.strip() or self.text[measure.end : stop].strip(" ."):
            return False
        counted = self._counting(self.request[measure.number_end : measure.end].strip())
        fits = any(self._in_unit_of(way, measure) for way in self.open)
        return fits or bool(counted) or (measure.unit == "one" and bool(self.only or self.needed))

    def place_of(self, number: Value, start: int, end: int, parts: Callable[[str], list[str]]) -> NumberPlace | None:
        """Where a number belongs that stands in this part of the request, which then is taken; None where nothing says.

        That is the first or the last of two places ("18 to 35" of an `age_min` and an `age_max`), the one of whose
        name, or else description, it counts a word ("5 minutes") or whose name compares as the words beside it do
        ("under 150" of a `max_price`), or else the one number that is needed, where `parts` finds nothing in what
        stands before it, or the only one that there is, where nothing stands beside it.
        """
        before = self.text[max(start, number.start - FAR) : number.start]
        found = self._of_two(number, before) or self._by_words(number, before, end) or self._measured(number)
        found = found or self._needed(number, before, end, parts) or self._alone(number, before, parts)
        if found is not None:
            self.take(found.to)
        return found

    def take(self, to: Way | Item) -> None:
        """A place has its number."""
        self.open = [way for way in self.open if way != to]
        self.needed = None if to == self.needed and not isinstance(to, Item) else self.needed
        self.only = None

    def _found(self, to: Way | Item, number: Value, before: int = 0, behind: int = 0) -> NumberPlace:
        """A place, and how many characters before and behind the number say so; a number with a unit in the place's
        own."""
        words, end = plain(self.request[number.start : number.end]), number.end + behind
        if (measure := self.measures.get(number.start)) and not isinstance(to, Item):
            words, end = self._in_unit_of(to, measure) or words, max(end, measure.end)
        return NumberPlace(to, words, number.start - before, end)

    def _in_unit_of(self, way: Way, measure: Measure) -> str | None:
        """A measure in the unit of this place, or None where it has none of that kind."""
        place = self.root.at(way)
        return in_unit(measure, unit_of(way[-1], place.remarks), "number" not in place.types)

    def _of_two(self, number: Value, before: str) -> NumberPlace | None:
        """The place of the first of two numbers, and then that of the second: "between 18 and 35"."""
        if number in self.last:
            return self._found(self.last[number], number)
        joint = _joint().match(self.request, number.end)
        following = self.beginning.get(joint.end()) if joint else None
        if following is None:
            return None
        pairs = [pair for pair in self.pairs if pair[0] in self.open and pair[1] in self.open]
        word = LAST_WORD.search(before)
        if len(pairs) > 1:
            what = COUNTED.match(self.request, following.end)
            beside = [found for found in (word and word[1], what and what["what"]) if found]
            pairs = [pair for pair in pairs if any(_has_word(words_of(pair[0][-1]), one) for one in beside)]
        if len(pairs) != 1:
            return None
        self.last[following] = pairs[0][1]
        return self._found(pairs[0][0], number, len(word[0]) if word else 0)

    def _by_words(self, number: Value, before: str, end: int) -> NumberPlace | None:
        """The place that the words beside the number tell."""
        said = _comparing()[0].search(before)
        behind = _comparing()[1].match(self.text[number.end : min(end, number.end + FAR)])
        alike = [way for way in self.open if any(one and _compares(one, way[-1]) for one in (said, behind))]
        last = behind.end() if behind else 0
        what = COUNTED.match(self.request, number.end + last, end)
        counted = self._counting(what["what"]) if what else []
        found = [way for way in counted if way in alike] or counted or alike
        if len(found) != 1:
            return None
        last = what.end() - number.end if what and counted else last
        return self._found(found[0], number, len(before) - said.start() if said else 0, last)

    def _measured(self, number: Value) -> NumberPlace | None:
        """The one place whose unit measures what this number's unit does: "2 hours" of `minutes`."""
        measure = self.measures.get(number.start)
        found = [way for way in self.open if self._in_unit_of(way, measure)] if measure else []
        return self._found(found[0], number) if len(found) == 1 else None

    def _end(self, number: Value) -> int:
        """Where a number ends, or a unit behind it that measures nothing: "40%", "two people"."""
        measure = self.measures.get(number.start)
        return measure.end if measure and measure.unit == "one" else number.end

    def _counting(self, what: str) -> list[Way]:
        """The places in whose names this word stands, or else in what the schema says of them."""
        if what not in self.counts:
            named = {way for way in self.places if _has_word(words_of(way[-1]), what)}
            remarked = {way for way in self.places if _has_word(self.root.at(way).remarks, what)}
            self.counts[what] = named, remarked - named
        named, remarked = self.counts[what]
        return [way for way in self.open if way in named] or [way for way in self.open if way in remarked]

    def _needed(self, number: Value, before: str, end: int, parts: Callable[[str], list[str]]) -> NumberPlace | None:
        """The place of the one number that is needed, where the words beside this one say nothing else."""
        if self.needed is None:
            return None
        said = _comparing()[0].search(before)
        alone = SYMBOLS.sub("", before[: said.start()] if said and not said["word"] else before)
        behind = self._end(number)
        what = COUNTED.match(self.request, behind, end)
        is_listed = what is not None and what.start("what") in self.starts
        if is_listed and not isinstance(self.needed, Item):  # "Green Garden 89.90 EUR"
            return self._found(self.needed, number)
        unknown = what and not part_ends(self.request, behind) and not is_listed
        is_set = part_ends(self.request, behind) and _set_to().search(alone)
        if is_set and not said:  # "heat the bathroom to 23.5"
            return self._found(self.needed, number, len(is_set[0]))
        is_verb = not unknown and len(alone.rpartition(": ")[2].split()) == 1  # "send 250"
        if not is_verb and (parts(re.split(r"[,;:]\s", alone)[-1]) or (unknown and len(self.open) > 1)):
            return None
        return self._found(self.needed, number, len(before) - len(alone))

    def _alone(self, number: Value, before: str, parts: Callable[[str], list[str]]) -> NumberPlace | None:
        """The place of the only number that there is, where no word says what this one is: "heat 19.5", "to 18", "for
        two people"."""
        behind = self._end(number)
        if not (self.only and self.starts and part_ends(self.request, behind)):
            return None
        begins = part_begins(before) if behind > number.end else None
        if begins:
            return self._found(self.only, number, len(begins[0]))
        begins = part_begins(before)
        is_alone = set(before.split()) <= {*said_around()["to"]} or not (parts(before) or (begins and begins["at"]))
        return self._found(self.only, number, len(before)) if is_alone else None


def number_follows(request: str, at: int) -> bool:
    """Whether a number follows here, with nothing but spaces before it."""
    return re.compile(rf"\s+{DIGITS}(?![\w:/-])").match(request, at) is not None


def _has_word(words: str, what: str) -> bool:
    """Whether a word is one of these, whatever its form: "minute" of "max minutes"."""
    small = {word for kind in ("the", "of", "and") for word in said_around()[kind]} | prepositions()
    known = {*re.findall(WORD, folded(words))} - small
    what = folded(what)
    return any(what == word or is_form_of(what, word) or is_plural(word, what) for word in known)


@cache
def _comparing() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What compares (the group `said`), in lower case: before a number, "less than", and behind it, "or more"."""
    said = {phrase for direction in DIRECTIONS for name in direction for phrase in said_for_operators()[name]}
    words = "|".join(re.escape(phrase) for phrase in sorted(said, key=len, reverse=True)) or NOTHING
    before = rf"(?<!\w)(?P<said>{words})\s+(?:(?P<word>{WORD})\s+)?$"
    return re.compile(before), re.compile(rf"\s+(?P<said>{words})(?!\w)(?P<word>)")


@cache
def _set_to() -> re.Pattern[str]:
    return re.compile(rf"\s(?:{any_of('to')})\s+$")


@cache
def _joint() -> re.Pattern[str]:
    """What joins the first and the last of two numbers."""
    return re.compile(rf"\s+(?:{any_of('to', 'and', 'at')})\s+", re.IGNORECASE)


@cache
def _words_that_compare() -> list[tuple[set[str], set[str]]]:
    """For each of the directions what people say, and what names of properties have in them; a `year_from` is no
    minimum of years."""
    said = [{phrase for name in direction for phrase in said_for_operators()[name]} for direction in DIRECTIONS]
    aliases = [[words_of(a) for name in direction for a in operators()[name].aliases] for direction in DIRECTIONS]
    return [(phrases, phrases | {*each} - prepositions()) for phrases, each in zip(said, aliases, strict=True)]


def _compares(found: re.Match[str], name: str) -> bool:
    """Whether the name of a property compares as what is said does, and has a word in it that stands between that and
    the number: "under" and `max_price`, "minimum age" and `age_min`."""
    within = f" {words_of(name)} "
    alike = any(
        found["said"] in phrases and any(f" {one} " in within for one in names)
        for phrases, names in _words_that_compare()
    )
    return alike and (not found["word"] or _has_word(within, found["word"]))


@cache
def _bounds(direction: int) -> set[str]:
    """Words that names have for a last (0) or a first (1) of two values."""
    named = {words_of(a) for name in DIRECTIONS[direction] for a in operators()[name].aliases}
    return named | {*said_around()["to"]} if direction == 0 else named


def _bounded(way: Way, direction: int) -> tuple[str, ...] | None:
    """The other words of a name that has a word for a last (0) or a first (1) of two values; None where it has none."""
    words, bounds = words_of(way[-1]).split(), _words_that_compare()[direction][1] | _bounds(direction)
    rest = tuple(word for word in words if word not in bounds)
    return rest if len(rest) < len(words) else None
