"""What a request says that its schema lacks: behind its words stands `[?]`.

Words that are none of the operators of the field before them, values that a field does not take, what is said of words
that name no field as it is said of one; and where the field is left out, exceptions, several values and comparisons that
no field has.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from pipeline.requests.conditions import (
    WORD_LAST,
    article,
    asked,
    asked_alone,
    asked_by,
    asking,
    counts,
    counts_again,
    excepting,
    field_left_out,
    is_listed_with,
    lacks_list,
    lacks_range,
    limit_behind,
    value_follows,
    verb_before,
)
from pipeline.requests.phrases import COMPARING, LIMITS, SPACES, Found, Phrases, comparing, limiting, said_for_any
from pipeline.requests.reading import LEFT_ALONE, WORD, any_of, said_for_operators
from pipeline.schemas.dsl import canonical_names

MISSING = "?"
"""What stands behind words for something that the schema does not have."""
EQUAL = ("equals", "not_equals")
"""Operators whose value may be a word."""
A_WORD = re.compile(WORD)


class Lack(NamedTuple):
    """Where the words end behind which `[?]` stands, the field whose lack it is where that is not said before them, and
    where phrases begin that are part of it and bear nothing."""

    end: int
    field: str = ""
    unread: tuple[int, ...] = ()


def lacks(found: Phrases) -> list[Lack]:
    """What the schema of these phrases lacks; nothing of a schema of another form than the shipped one."""
    kinds = (_not_compared, _no_field, _no_operator, _no_value, _not_excepted, _not_equal, _not_listed)
    return list({lack.end: lack for kind in kinds for lack in kind(found)}.values()) if found.glossary.fields else []


def _said_of(found: Phrases, index: int) -> list[Found]:
    """The phrases behind the field at this index, up to the next field or step."""
    _, after = found.beside(index)
    rest = found[index + 1 : after]
    return list(takewhile(lambda one: one.phrase not in found.glossary.steps, rest))


def _no_operator(found: Phrases) -> Iterator[Lack]:
    """Behind the words between a field and its value, where no operator of the field is said."""
    for index in found.fields:
        one, mine = found[index], _said_of(found, index)
        is_said = asking(found, index) or one.owner.whole(value_follows(found, index))
        if not one.owner.operators or one.owner.is_truth or is_said:
            continue
        behind = index + 1 + len(mine)
        end = found[behind].start if behind < len(found) else len(found.text)
        here = [at for at in found.values if one.end <= at < end]
        here += [other.start for other in mine if other.phrase in one.owner.values]
        if here and re.search(WORD, between := found.text[one.end : min(here)]):
            yield Lack(one.end + len(between.rstrip(" :=,(")))


def _no_value(found: Phrases) -> Iterator[Lack]:
    """Behind an operator of a field that takes listed values, where a word is said that is none of them: "strength is
    huge"."""
    for index in found.fields:
        entry, mine = found[index].owner, _said_of(found, index)
        asked_for = list(takewhile(lambda one, entry=entry: one.phrase in entry.operators, mine))
        if not entry.takes_listed or not asked_for or any(one.phrase in entry.values for one in mine):
            continue
        if _is_unread(found, asked_for[-1].end):
            yield Lack(asked_for[-1].end)


def _no_field(found: Phrases) -> Iterator[Lack]:
    """Behind words that name no field, where something is said of them as it is of one: "wax above 3", "colour is
    red"."""
    for start, end, takes_word in _asks(found):
        value = SPACES.match(found.text, end).end()
        is_value = value in found.values and value not in found.counted
        if not is_value and not (takes_word and _is_unread(found, end)):
            continue
        words_end, index, behind = found.end_before(start), *(bisect_left(found.starts, at) for at in (start, end))
        last = found.last(index)
        is_known = found.nothing_else_before(start) or (last is not None and last.end >= words_end)
        is_known = is_known or any(_is_read(found, one) for one in range(index, behind))
        is_known = is_known or _of_last().search(found.before(start)) or _excepts_next(found, start, behind)
        is_known = is_known or verb_before(found, start, "doing")
        if not is_known and not found.field_waits(index, start) and WORD_LAST.search(found.before(words_end)):
            yield Lack(words_end, unread=tuple(found.starts[index:behind]))


@cache
def _of_last() -> re.Pattern[str]:
    """That a text ends with a word like "of", which has no part in a name: "dogs of at least 3 years"."""
    return re.compile(rf"(?<!\w)(?:{any_of('of')})\s*$")


def _excepts_next(found: Phrases, start: int, index: int) -> bool:
    """Whether what stands here says that the phrase at this index, or the next one, is not meant: "not made by an
    agency"."""
    for one in found[index : index + 2]:  # "in" of "not picked up in store" may be an operator
        said = excepting().search(before := found.before(one.start))
        if said and one.start - len(before) + said.start("said") == start:
            return True
    return False


def _is_read(found: Phrases, index: int) -> bool:
    """Whether the operator at this index is that of the next field, or of one without its name."""
    at = asked(found, index)
    return at > index if at is not None else asked_alone(found, index) is not None


def _is_unread(found: Phrases, start: int) -> bool:
    """Whether a word of no phrase, maybe behind an article, stands behind this place."""
    places = SPACES.match(found.text, start).end(), article().match(found.text, start).end()
    is_word = A_WORD.match(found.text, places[-1]) is not None
    return is_word and not any(found.covered(at) for at in places)


def _asks(found: Phrases) -> Iterator[tuple[int, int, bool]]:
    """Start and end of all that can stand between a field and its value, and whether the value may be a word."""
    named = found.glossary.named
    operators = {said: operator for entry in named for said, operator in entry.operators.items()}
    equal = {said for said, operator in operators.items() if canonical_names().get(operator) in EQUAL}
    spans = [
        (one.start, one.end, one.phrase in equal)
        for index, one in enumerate(found)
        if not one.owner and one.phrase in operators and not lacks_range(operators[one.phrase], found, index)
    ]
    spans += [(*one.span(), bool(one["equal"])) for one in _said_anyway().finditer(found.text) if one.lastgroup]
    at = 0
    for start, end, takes_word in sorted(spans, key=lambda span: (span[0], -span[1], not span[2])):
        if start >= at:
            yield start, end, takes_word
            at = end


@cache
def _said_anyway() -> re.Pattern[str]:
    """What people say between a field and its value whatever a schema lists: before a word, too, in the group
    `equal`."""
    is_said, before_words = any_of("is"), said_for_any(["not_equals"])
    others = said_for_any(said_for_operators().keys() - {"not_equals"})
    return re.compile(
        rf"{LEFT_ALONE}|(?<!\w)(?:(?:(?:{is_said})\s+)?(?P<other>{others})|"
        rf"(?P<equal>(?:(?:{is_said})\s+)?(?:{before_words})|{is_said}))(?!\w)"
    )


def _not_excepted(found: Phrases) -> Iterator[Lack]:
    """What excepts a value of a field that takes no exceptions: "all but weak"."""
    for index, one in enumerate(found):
        said = excepting().search(before := found.before(one.start))
        entry = field_left_out(found, index) if said else None
        if entry is not None and entry.lacks("not_equals", "not_in"):
            yield Lack(one.start - len(before) + said.end("said"), entry.name)


def _not_equal(found: Phrases) -> Iterator[Lack]:
    """Before a value of a field that is never said to be one value: "weak", "3 eggs"."""
    for index, one in enumerate(found):
        entry, last = field_left_out(found, index), found.last(index)
        if entry is None or not entry.lacks("equals", "in") or excepting().search(found.before(one.start)):
            continue
        is_asked = (
            last is not None and last.phrase in entry.operators and article().fullmatch(found.text, last.end, one.start)
        )
        if not is_asked and not is_listed_with(entry, found, index, -1):
            yield Lack(found.end_before(one.start), entry.name)
    for index in found.fields:
        number = counts(found, index)
        is_one = number is not None and limit_behind(found, index) is None and not counts_again(found, index)
        if is_one and found[index].owner.lacks("equals"):
            yield Lack(found.end_before(number), found[index].owner.name, (found[index].start,))


def _not_listed(found: Phrases) -> Iterator[Lack]:
    """Before several values of a field that takes one, where the field is left out: "weak or old"."""
    for index, one in enumerate(found):
        entry, last = field_left_out(found, index), found.last(index)
        if entry is None or not lacks_list(entry, found, index):
            continue
        operator = entry.operators.get(last.phrase) if last and found.adjoin(last, one.start) else None
        is_asked = operator not in (None, entry.aliases.get("equals"))
        if not (is_asked or excepting().search(found.before(one.start)) or is_listed_with(entry, found, index, -1)):
            yield Lack(found.end_before(one.start), entry.name)


class Compared(NamedTuple):
    """Words that compare with a number or a day: their place, where the number begins, their operators."""

    start: int
    end: int
    number: int
    operators: list[str]


def _comparisons(text: str) -> Iterator[Compared]:
    """What stands before a number or a day, or behind a number."""
    for match in comparing().finditer(text):
        yield Compared(*match.span("said"), match.end(), asked_by(match["said"], COMPARING))
    for match in limiting().finditer(text):
        yield Compared(*match.span("said"), match.start(), asked_by(match["said"], LIMITS))


def _not_compared(found: Phrases) -> Iterator[Lack]:
    """What compares with a number or a day, where the one field that it can be of does not compare so.

    It is the field that the number counts ("under 20 kg of honey"), or the only one that takes a number or a day where
    no other words stand before it that could be a field.
    """
    for start, end, number, said in _comparisons(found.text):
        first, mark = (start, end) if start < number else (number, found.end_before(number))
        at, index, behind = (bisect_left(found.starts, place) for place in (first, start, end))
        if number not in found.values:
            continue
        if (counted := found.counted.get(number)) is not None:
            if counted.owner.lacks(*said):
                yield Lack(mark, counted.owner.name, (*found.starts[index:behind], counted.start))
            continue
        named = found.glossary.named
        taking = [entry for entry in named if (entry.is_date if number in found.days else entry.is_number)]
        last = found.last(at)
        behind_value = found.adjoin(last, first) and any(last.phrase in {*e.values, *e.truths} for e in named)
        alone = behind_value or found.nothing_else_before(first)
        is_listed = any(one.end >= end for one in found[index:behind])
        if len(taking) != 1 or is_listed or found.field_waits(at, first) or not alone:
            continue
        if taking[0].lacks(*said):
            yield Lack(mark, taking[0].name, tuple(found.starts[index:behind]))
