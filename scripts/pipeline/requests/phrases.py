"""Where a request says what its schema names: its phrases in the order of the text, and what stands between them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import cache, cached_property
from typing import NamedTuple

from pipeline.requests.calendar import read_day
from pipeline.requests.glossary import Glossary, Named
from pipeline.requests.reading import (
    NOTHING,
    QUOTED,
    WORD,
    Note,
    any_of,
    folded,
    lowered,
    prepositions,
    said_around,
    said_for_operators,
)

VALUE = rf"\d|{QUOTED}"
"""How a value begins that no schema lists."""
NUMBER_BEFORE = r"(?<![\w.,])\d(?:[\d.,]*\d)?\s+"
"""A number before something, as a regex."""
LIMITS = ("at_least", "at_most")
"""Operators that people say behind a number, too ("20 or less")."""
FAR, NEXT = 60, 5
"""Characters and phrases of the schema behind a field in which its value is said."""
COMPARING = ("greater", "at_least", "less", "at_most", "before", "after")
"""Operators that compare with a number or a day."""
SPACES = re.compile(r"\s*")
SEPARATED = re.compile(r"[;>]\s")
"""What stands between steps, whether the schema lists it or not."""


@cache
def _before_part() -> re.Pattern[str]:
    """What may stand before a part of a name that means the whole, or before an operator that means its field, too."""
    before = any_of("at", "the", "ask", "and", "only", "leading")  # "of" makes a longer name
    return re.compile(rf"(?:^|[,;:.(&>]\s*|(?<!\w)(?:{before})\s*)$")


@cache
def _value_next() -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{any_of('at')})\s+)?(?:{VALUE})")


@cache
def _joint_next() -> re.Pattern[str]:
    """What may stand between a part of a name and its operator."""
    return re.compile(rf"(?:{any_of('is', 'of')})(?:(?<=')|\s+)")


def said_for_any(operators: Iterable[str]) -> str:
    """What people say for these operators, as a regex."""
    said = {one for name in operators for one in said_for_operators()[name]}
    return "|".join(map(re.escape, sorted(said, key=len, reverse=True))) or NOTHING


@cache
def comparing() -> re.Pattern[str]:
    """What people say before a number or a day to compare with it (the group `said`)."""
    return re.compile(rf"(?<!\w)(?P<said>{said_for_any(COMPARING)})\s+")


@cache
def _compares_next() -> re.Pattern[str]:
    """As `comparing`, and what people say before a range."""
    return re.compile(rf"(?<!\w)(?P<said>{said_for_any((*COMPARING, 'between'))})\s+")


@cache
def limiting() -> re.Pattern[str]:
    """A number and what people say behind it to compare with it (the group `said`), a unit between them at most and
    nothing behind it that it may belong to."""
    ends = rf"{_part_ends().pattern}|\s*(?:{any_of('only')})(?!\w)"
    return re.compile(rf"{NUMBER_BEFORE}(?:{WORD}\s+)?(?P<said>{said_for_any(LIMITS)})(?!\w)(?={ends})")


@cache
def _said_of_property() -> re.Pattern[str]:
    """What stands between a property and its value, or says that it is true or false."""
    return re.compile(rf"[:=](?!\w)|(?:{any_of('is', 'true', 'false')}|true|false)(?!\w)")


@cache
def _counts_before() -> re.Pattern[str]:
    """A number, or one and its unit, before what it counts."""
    return re.compile(rf"{NUMBER_BEFORE}(?:{WORD}\s+(?:{any_of('of')})\s*)?$")


@cache
def _part_ends() -> re.Pattern[str]:
    """That no word follows which may belong to a part of a name."""
    return re.compile(rf"\s*(?:[,;.!?)&]|$|(?:{any_of('at', 'and', 'step', 'thanks')})(?!\w))")


def _any_between(places: list[int], start: int, end: int) -> bool:
    """Whether one of these places, in order, is at the start or before the end."""
    first = bisect_left(places, start)
    return first < len(places) and places[first] < end


def _ends_one_of(spans: list[tuple[int, int]], found: re.Match[str]) -> bool:
    """Whether a phrase is the end of one of these words, in order: "de" of "plus de"."""
    at = bisect_left(spans, found.span()) - 1
    return at >= 0 and spans[at][0] < found.start() and found.end() == spans[at][1]


class Found(NamedTuple):
    """A phrase of a schema in a request, and the field that it names, if any."""

    start: int
    end: int
    phrase: str
    owner: Named | None


class Phrases(list[Found]):
    """The phrases of a schema in a request, in its order, but for what is quoted, in brackets or said `of_time`.

    `text` is the request as it is read, `places` where each of its characters stands in the request; `values` are where
    those begin in the text that no schema lists: dates, numbers and what is quoted; `days` are those of dates,
    `compared` where what follows begins of what people say to compare.
    """

    def __init__(self, request: str, glossary: Glossary, of_time: Iterable[Note] = ()) -> None:
        super().__init__()
        self.glossary = glossary
        self.text, self.places = glossary.spelling.mended(lowered(request))
        timed, self.days = set(), set()
        for said in of_time:
            time = range(bisect_left(self.places, said.start), bisect_left(self.places, said.end))
            timed.update(time)
            if read_day(said.shown or self.text[time.start : time.stop]):
                self.days.add(time.start)
        self.values = self.days | {
            match.start() for match in re.finditer(VALUE, self.text) if match.start() not in timed
        }
        comparisons = list(comparing().finditer(self.text))
        compared, self.compared = [one.span("said") for one in comparisons], {one.end() for one in comparisons}
        for match in glossary.said.finditer(self.text):
            if match["said"] and _ends_one_of(compared, match):
                continue
            if match["said"] and match.start() not in timed and match.end() - 1 not in timed:
                phrase = glossary.phrases.get(match["said"]) or glossary.phrases[folded(match["said"])]
                self.append(Found(*match.span(), phrase, glossary.fields.get(phrase)))
            elif match["part"] and match.start() not in timed:
                phrase = glossary.parts.get(match["part"]) or glossary.parts[folded(match["part"])]
                owner = glossary.fields.get(phrase)
                is_small = owner is None and match["part"] in prepositions()
                if self._leads(match, request) if is_small else self._means_whole(owner, *match.span()):
                    self.append(Found(*match.span(), phrase, owner))

    def _leads(self, found: re.Match[str], request: str) -> bool:
        """Whether a small word that begins a property's name ("from" of `from_city`) stands before what is said of it:
        a name, a number, a quotation or a listed value."""
        start = SPACES.match(self.text, found.end()).end()
        if start == found.end() or start == len(self.text):
            return False
        if found.start() and request[self.places[found.start()]].isupper():  # "Chez Marie"
            return False
        first = request[self.places[start]]
        value = self.glossary.said.match(self.text, start)
        return first.isupper() or re.compile(VALUE).match(self.text, start) is not None or bool(value and value["said"])

    def _means_whole(self, owner: Named | None, start: int, end: int) -> bool:
        """Whether a part of its phrase names a field (`owner`) or a property: no other word before it may belong to it,
        and what is said of it follows: a value, an operator of the field, what compares with a number or a day, or what
        stands before a property's value. A field's number may stand before it ("20 kg of honey").
        """
        if owner and _counts_before().search(self.before(start)) and _part_ends().match(self.text, end):
            return True
        rest = self.text[end : end + FAR].lstrip()
        if owner:
            joint = _joint_next().match(rest)
            asked = SPACES.match(self.text, end).end() + (joint.end() if joint else 0)
            compared = _compares_next().match(self.text, asked)
            said = owner.any_operator.match(rest) or owner.any_operator.match(self.text, asked)
            if not owner.takes_listed:
                said = said or (compared is not None and compared.end() in self.values)
                said = said or _value_next().match(self.text, asked) or _value_next().match(rest)
        else:
            said = _said_of_property().match(rest) or _value_next().match(rest)
        return bool(said) and self.nothing_else_before(start)

    @cached_property
    def counted(self) -> dict[int, Found]:
        """The fields behind their numbers, by where the number begins: "20 kg of honey"."""
        found = {}
        for one in (self[at] for at in self.fields):
            if number := _counts_before().search(before := self.before(one.start)):
                found[one.start - len(before) + number.start()] = one
        return found

    @cached_property
    def numbers_before(self) -> dict[int, int]:
        """Where the numbers begin of fields behind them, by where the field begins."""
        return {one.start: number for number, one in self.counted.items()}

    @cached_property
    def starts(self) -> list[int]:
        """Where the phrases begin."""
        return [one.start for one in self]

    def covered(self, place: int) -> bool:
        """Whether a phrase begins at this place or reaches over it."""
        at = bisect_right(self.starts, place)
        return at > 0 and place < self[at - 1].end

    def before(self, start: int) -> str:
        """The text near before a place."""
        return self.text[max(0, start - FAR) : start]

    def end_before(self, start: int) -> int:
        """Where the words before a place end."""
        before = self.before(start)
        return start - len(before) + len(before.rstrip())

    def nothing_else_before(self, start: int) -> bool:
        """Whether no word stands before this place that may belong to what begins here, or be its field."""
        return _before_part().search(self.before(start)) is not None

    def last(self, index: int) -> Found | None:
        """The phrase before the one at this index."""
        return self[index - 1] if index else None

    def next(self, index: int) -> Found | None:
        """The phrase behind the one at this index."""
        return self[index + 1] if index + 1 < len(self) else None

    def adjoin(self, first: Found | None, start: int) -> bool:
        """Whether nothing but spaces stands between a phrase and a place behind it."""
        return first is not None and not self.text[first.end : start].strip()

    @cached_property
    def fields(self) -> list[int]:
        """Where the fields stand."""
        return [at for at, one in enumerate(self) if one.owner]

    @cached_property
    def _steps(self) -> list[int]:
        return [at for at, one in enumerate(self) if one.owner is None and one.phrase in self.glossary.steps]

    @cached_property
    def _separators(self) -> list[int]:
        return [match.start() for match in SEPARATED.finditer(self.text)]

    def beside(self, index: int) -> tuple[int | None, int | None]:
        """Where the fields before and after the phrase at this index stand."""
        at = bisect_left(self.fields, index)
        after = at + (at < len(self.fields) and self.fields[at] == index)
        return self.fields[at - 1] if at else None, self.fields[after] if after < len(self.fields) else None

    def only_joins(self, index: int) -> bool:
        """Whether the phrase at this index, which may be a value, joins two of them: "silver or bronze", where "or" is
        French for gold, too."""
        one, last, following = self[index], self.last(index), self.next(index)
        if one.phrase not in {*said_around()["and"], *said_around()["or"]} or last is None or following is None:
            return False
        is_value = lambda other: any(other.phrase in entry.values for entry in self.glossary.named)
        return (
            self.adjoin(last, one.start)
            and self.adjoin(one, following.start)
            and is_value(last)
            and is_value(following)
        )

    def field_from(self, index: int) -> Named | None:
        """The first field at this index or behind it."""
        at = bisect_left(self.fields, index)
        return self[self.fields[at]].owner if at < len(self.fields) else None

    def beside_in_step(self, index: int) -> tuple[int | None, int | None]:
        """As `beside`, without fields of other steps."""
        before, after = self.beside(index)
        same = lambda at: at is not None and not _any_between(self._steps, min(at, index), max(at, index))
        return before if same(before) else None, after if same(after) else None

    def field_waits(self, index: int, start: int) -> bool:
        """Whether the field before the phrase at this index waits for its value at this place, in the same step."""
        at = self.beside_in_step(index)[0]
        if at is None or _any_between(self._separators, self[at].end, start):
            return False
        return not self._has_value(at, start)

    def _has_value(self, at: int, end: int) -> bool:
        """Whether the field here has its value before this place in the text, or before itself, or needs none."""
        field = self[at]
        said = (one.phrase in field.owner.values for one in self[at + 1 : at + 1 + NEXT] if one.end <= end)
        value = re.compile(VALUE).search(self.text, field.end, min(end, field.end + FAR))
        counted = _counts_before().search(self.before(field.start))
        return field.owner.is_truth or any(said) or (value or counted) is not None
