"""Schema linking: behind what a request says in words of its schema stands the schema's spelling in brackets.

A schema of the shipped DSL lists what people say for its fields, operators and values; whether a phrase is among them
is a matter of looking, which rules do better than a small model: `job title [JobTitle] starts with [startsWith] "a"`.
They read words, not sense: a listed phrase is linked in whatever sense it stands. People leave fields out ("weak hives,
under 20") and say what is true by its name ("treated ones"): behind such words stands the whole condition, `weak
[strength is weak]`. Where a field's condition is said in words that are none of its operators, `[?]` stands behind
them, and before that the field where it is not said before them; what else a schema does not list stays as it is.
Anchor texts of BRIDGE (Lin et al. 2020, arXiv 2012.12627), with the schema's own phrases.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from pipeline.requests.glossary import Glossary, Named, glossary_of_schema
from pipeline.requests.phrases import COMPARING, LIMITS, NUMBER_BEFORE, SPACES, VALUE, Phrases, comparing, limiting
from pipeline.requests.reading import (
    QUOTED,
    WORD,
    Note,
    an_article,
    any_of,
    denied,
    said_around,
    said_for_operators,
    with_notes,
)
from pipeline.schemas.dsl import STEP, canonical_names

MISSING = "?"
"""What stands behind the words between a field and a value that are none of the field's operators."""
TRUTH_BEFORE = re.compile(rf"(?<!\w)(?:true|false) (?:{WORD} ){{0,2}}$")
"""What is said to be true or false before its name."""
COUNTED = re.compile(rf"{NUMBER_BEFORE}(?:{WORD}\s+)?$")
"""A number and what it counts, before an operator ("200 minutes or less")."""
JOINT = re.compile(r"[\s,/&+]*(?:(?<=\s)\w{1,3}\s+)?")
"""What stands between two values of a list: signs, a short word ("or", "et")."""


def truths() -> dict[str, str]:
    """What people say for truth values beside their names in JSON."""
    return {said: value for value in ("true", "false") for said in said_around()[value]}


@cache
def truth_next() -> re.Pattern[str]:
    """What is said to be true or false, behind its name."""
    return re.compile(rf"[ :=]*(?:{WORD} ){{0,3}}?(?:true|false|{any_of('true', 'false')})(?!\w)")


@cache
def _said_true() -> re.Pattern[str]:
    """A truth value behind a property's name, two words between them at most ("online set to no")."""
    return re.compile(rf"[ :=]*(?:{WORD} ){{0,2}}?(?P<said>{any_of('true', 'false')})(?!\w)")


@cache
def _article() -> re.Pattern[str]:
    """Nothing but spaces, or an article between them."""
    return re.compile(rf"\s*(?:(?<!\w){an_article()})?")


@cache
def _excepting() -> re.Pattern[str]:
    """What says that a value behind it is not meant."""
    said = "|".join(map(re.escape, {*said_for_operators()["not_equals"], *said_around()["without"]}))
    return re.compile(rf"(?<!\w)(?P<said>{said})\s+(?:{an_article()})?$")


@cache
def _alternative() -> re.Pattern[str]:
    """What joins values of which each is meant."""
    return re.compile(rf"[\s,/&+]*(?:(?<=\s)(?:{any_of('and', 'or')})\s+)?")


@cache
def _joined() -> re.Pattern[str]:
    """What joins conditions."""
    return re.compile(rf"[^\w\s'\"-]|(?<!\w)(?:{any_of('and')})(?!\w)")


def linked(request: str, schema: str | Glossary) -> str:
    """The request with the spellings of `spellings_said` in brackets behind its phrases."""
    return with_notes(request, spellings_said(request, schema))


def spellings_said(request: str, schema: str | Glossary, of_time: Iterable[Note] = ()) -> list[Note]:
    """The spelling of each phrase of a request that a schema (compact JSON, or its glossary) lists, and `[?]`.

    An operator, said as it is listed, by its name or as people say it, is that of the field that was said before it, or
    that of the next one where its value stands between ("at least 3 items"); a value that of those fields, or else of
    any. Where the field does not have it nothing stands behind it. The whole condition stands behind a truth value,
    which is said by itself, behind a value whose field is left out, and behind a field that is true or false and of
    which no more is said; field and operator behind an operator whose field is left out. `[?]` stands behind words that
    are none of the operators of the field before them, field and `[?]` behind what its field lacks (`Lack`). Of a
    schema of another form the names of properties and the values of enums are linked, said as words or as they are, and
    "yes" or "no" behind a property that is true or false. What is quoted, in brackets or said `of_time` is left alone.
    """
    glossary = glossary_of_schema(schema) if isinstance(schema, str) else schema
    found = Phrases(request, glossary, of_time)
    lacks = list(_not_compared(found))
    unread = {at for lack in lacks for at in lack.unread}
    spellings = [None if one.start in unread else _spelling(found, index) for index, one in enumerate(found)]
    lacks += [*_not_excepted(found), *_not_listed(found)]
    ends = _ends_unsaid(found, spellings)
    notes = [
        Note(one.start, one.end, spelling, "," if index in ends else "")
        for index, (one, spelling) in enumerate(zip(found, spellings, strict=True))
        if spelling
    ]
    notes += [
        Note(*said.span("said"), truths()[said["said"]])
        for note in notes
        if note.shown in glossary.truths
        and (said := _said_true().match(found.text, note.end))
        and said["said"] not in glossary.phrases
    ]
    notes += [Note(end, end, MISSING) for end in _unlisted(found)]
    notes += [Note(lack.end, lack.end, shown) for lack in lacks for shown in (lack.field, MISSING)]
    notes += [Note(end, end, whole) for end, whole in _texts_alone(found)]
    return [note._replace(start=found.places[note.start], end=found.places[note.end]) for note in notes]


def speaks_of_nothing(request: str, schema: str) -> bool:
    """Whether a request in which rules found nothing for a schema (compact JSON) of the shipped form has words, and
    nothing in it can be a value."""
    is_text = re.search(WORD, request) is not None and not re.search(VALUE, request)
    return is_text and bool(glossary_of_schema(schema).fields)


def _spelling(found: Phrases, index: int) -> str | None:
    """What stands for the phrase at this index, or None."""
    phrase, own = found[index].phrase, found[index].owner
    if own is not None:
        return own.truths.get(phrase) or _true_by_name(own, found, index) or own.name
    if phrase in found.glossary.steps:
        return STEP
    if (at := _asked(found, index)) is not None:
        asked = found[at].owner.operators
        return None if phrase in said_around()["is"] and _is_said_next(asked, found, index) else asked[phrase]
    if found.only_joins(index):
        return None
    if (entry := _asked_alone(found, index)) is not None:
        return f"{entry.name} {entry.operators[phrase]}"
    if (entry := _field_left_out(found, index)) is not None:
        return _whole(entry, found, index)
    near = [found[at].owner for at in found.beside(index) if at is not None]
    for entry in [*near, *found.glossary.named]:
        if phrase in entry.values or phrase in entry.truths:
            return entry.values.get(phrase) or entry.truths[phrase]
    return None


def _ends_unsaid(found: Phrases, spellings: list[str | None]) -> set[int]:
    """Where whole conditions end that another one follows without a word or a sign that joins them: "unpaid urgent
    ones".

    These are the indices of the phrases that they end with: of several values of one field the last.
    """
    operators = [f"{entry.name} {a}" for entry in found.glossary.named for a in {*entry.operators.values()}]
    ends, end = set(), None
    for index, (one, spelling) in enumerate(zip(found, spellings, strict=True)):
        if spelling is None:
            continue
        is_whole = any(spelling.startswith(f"{operator} ") for operator in operators)
        begins = one.owner is not None or is_whole or spelling in operators
        if end is not None and begins and not _joined().search(found.text, found[end].end, one.start):
            ends.add(end)
        if is_whole:
            end = index
        elif begins or one.phrase in found.glossary.steps:
            end = None
        elif end is not None and any(one.phrase in entry.values for entry in found.glossary.named):
            end = index
    return ends


# ---- operators


def _asked(found: Phrases, index: int) -> int | None:
    """Where the field stands that the phrase at this index is an operator of, or None where it is none.

    A field takes the first operator behind it; a second one may stand before the next field, with its value and no sign
    between ("at least 3 items"). Both stand in the operator's step.
    """
    phrase, (before, after) = found[index].phrase, found.beside_in_step(index)
    if before is not None and phrase in found[before].owner.operators:
        return None if _says_more(found[before].owner, found, index) else before
    free = before is None or found[index - 1].phrase in found[before].owner.operators
    if free and after is not None and phrase in (own := found[after].owner).operators:
        said = any(one.phrase in own.values for one in found[index + 1 : after])
        between = found.text[found[index].end : found[after].start]
        return after if (said or re.search(VALUE, between)) and not re.search(r"[,;>]\s", between) else None
    return None


def _asked_by(said: str, operators: Iterable[str]) -> list[str]:
    """Those of the operators for which people say this."""
    return [name for name in operators if said in said_for_operators()[name]]


def _says_more(entry: Named, found: Phrases, index: int) -> bool:
    """Whether what stands behind "is" at this index says what its field lacks: "is 20 or less", "is more than 20", "is
    red or blue"."""
    one, value = found[index], found.next(index)
    if entry.operators[one.phrase] != entry.aliases.get("equals"):
        return False
    start = SPACES.match(found.text, one.end).end()
    if limit := limiting().match(found.text, start):
        return entry.lacks(*_asked_by(limit["said"], LIMITS))
    if (compared := comparing().match(found.text, start)) and compared.end() in found.values:
        return entry.lacks(*_asked_by(compared["said"], COMPARING))
    return bool(value and value.phrase in entry.values) and _lacks_list(entry, found, index + 1)


def _is_said_next(operators: dict[str, str], found: Phrases, index: int) -> bool:
    """Whether another of these operators follows at once: "is" says nothing in "is more than"."""
    other = found.next(index)
    return other is not None and other.phrase in operators and found.adjoin(found[index], other.start)


def _asked_alone(found: Phrases, index: int) -> Named | None:
    """The one field that has the operator at this index, where its value stands beside it and no other words before it
    that could be a field: "weak hives, under 20", "20 or less".
    """
    one = found[index]
    entries = [entry for entry in found.glossary.named if one.phrase in entry.operators]
    if len(entries) != 1:
        return None
    start = one.start
    if SPACES.match(found.text, one.end).end() not in found.values:
        is_limit = canonical_names().get(entries[0].operators[one.phrase]) in LIMITS
        if not is_limit or not (value := COUNTED.search(found.before(start))):
            return None
        start -= len(value[0])
    if found.field_waits(index, start):
        return None
    return entries[0] if found.adjoin(found.last(index), start) or found.nothing_else_before(start) else None


def _unlisted(found: Phrases) -> Iterator[int]:
    """Where words end that stand between a field and its value, where no operator of the field is said."""
    asked = {_asked(found, index) for index, one in enumerate(found) if one.owner is None}
    for index, one in enumerate(found):
        if one.owner is None or not one.owner.operators or one.owner.is_truth or index in asked:
            continue
        mine = list(takewhile(lambda o: o.owner is None and o.phrase not in found.glossary.steps, found[index + 1 :]))
        rest = found[index + 1 + len(mine) :]
        end = rest[0].start if rest else len(found.text)
        here = [at for at in found.values if one.end <= at < end]
        here += [other.start for other in mine if other.phrase in one.owner.values]
        if here and re.search(WORD, between := found.text[one.end : min(here)]):
            yield one.end + len(between.rstrip(" :=,("))


class Lack(NamedTuple):
    """An operator that its field does not have, said where the field is not said before it: where its words end, or
    those before its value where that says it, the field, and where phrases begin that are part of it and bear nothing.
    """

    end: int
    field: str
    unread: tuple[int, ...] = ()


def _not_excepted(found: Phrases) -> Iterator[Lack]:
    """What excepts a value of a field that takes no exceptions: "all but weak"."""
    for index, one in enumerate(found):
        said = _excepting().search(before := found.before(one.start))
        entry = _field_left_out(found, index) if said else None
        if entry is not None and entry.name and entry.lacks("not_equals", "not_in"):
            yield Lack(one.start - len(before) + said.end("said"), entry.name)


def _not_listed(found: Phrases) -> Iterator[Lack]:
    """Before several values of a field that takes one, where the field is left out: "weak or old"."""
    for index, one in enumerate(found):
        entry, last = _field_left_out(found, index), found.last(index)
        if entry is None or not entry.name or not _lacks_list(entry, found, index):
            continue
        asked = entry.operators.get(last.phrase) if last and found.adjoin(last, one.start) else None
        is_asked = asked not in (None, entry.aliases.get("equals"))
        if not (is_asked or _excepting().search(found.before(one.start)) or _is_listed_with(entry, found, index, -1)):
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
        yield Compared(*match.span("said"), match.end(), _asked_by(match["said"], COMPARING))
    for match in limiting().finditer(text):
        yield Compared(*match.span("said"), match.start(), _asked_by(match["said"], LIMITS))


def _not_compared(found: Phrases) -> Iterator[Lack]:
    """What compares with a number or a day, where the one field that it can be of does not compare so.

    It is the field that the number counts ("under 20 kg of honey"), or the only one that takes a number or a day where
    no other words stand before it that could be a field.
    """
    for start, end, number, asked in _comparisons(found.text):
        first, mark = (start, end) if start < number else (number, found.end_before(number))
        at, index, behind = (bisect_left(found.starts, place) for place in (first, start, end))
        if number not in found.values:
            continue
        if (counted := found.counted.get(number)) is not None:
            if counted.owner.lacks(*asked):
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
        if taking[0].lacks(*asked):
            yield Lack(mark, taking[0].name, tuple(found.starts[index:behind]))


# ---- values


def _field_left_out(found: Phrases, index: int) -> Named | None:
    """The one field that has the value at this index, where the step does not say it beside it, and the field before
    waits for none."""
    phrase = found[index].phrase
    entries = [entry for entry in found.glossary.named if phrase in entry.values or phrase in entry.truths]
    if len(entries) != 1 or phrase not in entries[0].values:
        return None
    beside = (found[at].owner for at in found.beside_in_step(index) if at is not None)
    is_said = any(owner is entries[0] for owner in beside) or found.field_waits(index, found[index].start)
    return None if is_said else entries[0]


def _whole(entry: Named, found: Phrases, index: int) -> str:
    """The condition of a value that stands without its field: with what is said before it, or that it is the value.

    Several values in a row are a list; behind the first stand field and operator.
    """
    one, value, last = found[index], entry.values[found[index].phrase], found.last(index)
    if _is_listed_with(entry, found, index, -1):
        return value
    several = _is_listed_with(entry, found, index, 1)
    if last and last.phrase in entry.operators and _article().fullmatch(found.text, last.end, one.start):
        operator = entry.operators[last.phrase]
        if operator == entry.aliases.get("equals") and _lacks_list(entry, found, index):
            return value
        denies = several and operator == entry.aliases.get("not_equals")
        whole = entry.whole("not_in") if denies else f"{entry.name} {operator}"
    elif _excepting().search(found.before(one.start)):
        whole = "" if several else entry.whole("not_equals")
        whole = whole or entry.whole("not_in")
    else:
        whole = entry.whole("in" if several else "equals")
    return f"{whole} {value}" if whole else value


def _is_listed_with(entry: Named, found: Phrases, index: int, step: int) -> bool:
    """Whether the value at this index and the one before (`step` -1) or behind it (1) are items of a list."""
    at = index + step
    if 0 <= at < len(found) and found[at].owner is None and found[at].phrase not in entry.values:  # "or"
        at += step
    if not 0 <= at < len(found) or found[at].phrase not in entry.values:
        return False
    first, second = sorted((found[index], found[at]))
    between = found.text[first.end : second.start]
    return between.strip(" ,") in entry.operators or JOINT.fullmatch(between) is not None


def _lacks_list(entry: Named, found: Phrases, index: int) -> bool:
    """Whether another value of its field stands behind the value at this index, joined as one that is meant, too, and
    the field takes one."""
    following = (one for one in found[index + 1 : index + 3] if one.phrase in entry.values)
    second = next(following, None) if entry.lacks("in") else None
    return second is not None and _alternative().fullmatch(found.text, found[index].end, second.start) is not None


def _true_by_name(own: Named, found: Phrases, index: int) -> str | None:
    """The condition of a field that is true or false and of which nothing is said but its name, maybe after "not"."""
    one, before = found[index], found.before(found[index].start)
    after = [other.phrase for other in takewhile(lambda other: other.owner is None, found[index + 1 : index + 3])]
    last = [found[index - 1].phrase] if index else []
    said = (after[:1] and after[0] in own.operators) or own.truths.keys() & {*last, *after}
    if said or not own.is_truth or truth_next().match(found.text, one.end) or TRUTH_BEFORE.search(before):
        return None
    return f"{own.whole('equals')} {'false' if denied(before) else 'true'}"


def _texts_alone(found: Phrases) -> Iterator[tuple[int, str]]:
    """Where words end before what is quoted without its field, and how its condition begins: 'by [artist is] "Corot"'.

    One field alone holds texts, and no other words stand before that could be a field.
    """
    owners = [entry for entry in found.glossary.named if entry.is_text]
    if len(owners) != 1 or not (whole := owners[0].whole("equals")):
        return
    for match in re.finditer(QUOTED, found.text):
        start, index = match.start(), bisect_left(found.starts, match.start())
        last, after = found.last(index), found.field_from(index)
        is_asked = last is not None and last.phrase in owners[0].operators and found.adjoin(last, start)
        if is_asked or found.field_waits(index, start) or after is owners[0]:
            continue
        before = found.before(start)
        if before.strip() and found.nothing_else_before(start):
            yield start - len(before) + len(before.rstrip()), whole
