"""Schema linking: behind what a request says in words of its schema stands the schema's spelling in brackets.

A schema of the shipped DSL lists what people say for its fields, operators and values; whether a phrase is among them
is a matter of looking, which rules do better than a small model: `job title [JobTitle] starts with [startsWith] "a"`.
They read words, not sense: a listed phrase is linked in whatever sense it stands. People leave fields out ("weak hives,
under 20"), put them behind ("more than 20 kg of honey") and say what is true by its name ("treated ones"): behind such
words stands the condition as students know it, `weak [strength is weak]`, `more than [honey above] 20`. What the schema
lacks has `[?]` behind it (`lacking.py`); what else it does not list stays as it is. Anchor texts of BRIDGE (Lin et al.
2020, arXiv 2012.12627), with the schema's own phrases.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile

from pipeline.requests.conditions import (
    COUNTED,
    article,
    asked,
    asked_alone,
    asking,
    counts,
    counts_again,
    excepting,
    field_left_out,
    is_listed_with,
    is_said_next,
    lacks_list,
    limit_behind,
    value_follows,
    values_before,
)
from pipeline.requests.glossary import Glossary, Named, glossary_of_schema
from pipeline.requests.lacking import MISSING, lacks
from pipeline.requests.phrases import SPACES, VALUE, Phrases
from pipeline.requests.reading import QUOTED, WORD, Note, any_of, denied, prepositions, said_around, with_notes
from pipeline.schemas.dsl import STEP

TRUTH_BEFORE = re.compile(rf"(?<!\w)(?:true|false) (?:{WORD} ){{0,2}}$")
"""What is said to be true or false before its name."""


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
    which is said by itself, behind a value whose field is left out or follows, and behind a field that is true or false
    and of which no more is said; field and operator behind an operator whose field is left out or follows, and behind a
    field whose value follows at once. Field and `[?]` stand behind what its field lacks (`lacks`). Of a schema of
    another form the names of properties and the values of enums are linked, said as words or as they are, and "yes" or
    "no" behind a property that is true or false. What is quoted, in brackets or said `of_time` is left alone.
    """
    glossary = glossary_of_schema(schema) if isinstance(schema, str) else schema
    found = Phrases(request, glossary, of_time)
    lacking = lacks(found)
    unread = {at for lack in lacking for at in lack.unread}
    led = _before_their_fields(found)
    spellings = [
        None if one.start in unread else led.get(index) or _spelling(found, index) for index, one in enumerate(found)
    ]
    ends = _ends_unsaid(found, spellings)
    notes = [
        Note(*_told_at(found, index), spelling, "," if index in ends else "")
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
    notes += [Note(lack.end, lack.end, shown) for lack in lacking for shown in (lack.field, MISSING)]
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
        return own.truths.get(phrase) or _true_by_name(own, found, index) or _named(own, found, index)
    if phrase in found.glossary.steps:
        return STEP
    if (at := asked(found, index)) is not None:
        entry = found[at].owner
        if phrase in said_around()["is"] and is_said_next(entry.operators, found, index):
            return None
        if limit_behind(found, at) == index:
            return None
        return entry.operators[phrase] if at < index else f"{entry.name} {entry.operators[phrase]}"
    if found.only_joins(index):
        return None
    if (entry := asked_alone(found, index)) is not None:
        return f"{entry.name} {entry.operators[phrase]}"
    if (entry := field_left_out(found, index)) is not None:
        return _whole(entry, found, index)
    near = [found[at].owner for at in found.beside(index) if at is not None]
    for entry in [*near, *found.glossary.named]:
        if phrase in entry.values or phrase in entry.truths:
            return entry.values.get(phrase) or entry.truths[phrase]
    return None


def _before_their_fields(found: Phrases) -> dict[int, str]:
    """What stands for values right before their field, by their index: the whole condition for the first of them."""
    spellings: dict[int, str] = {}
    for field in found.fields:
        values, own = values_before(found, field), found[field].owner
        spellings |= {index: own.values[found[index].phrase] for index in values}
        if values:
            spellings[values[0]] = f"{own.whole_of(len(values) > 1)} {spellings[values[0]]}"
    return spellings


def _named(own: Named, found: Phrases, index: int) -> str | None:
    """The field at this index, with its operator where its value follows at once; None where its condition is said
    before it."""
    if (limit := limit_behind(found, index)) is not None:
        return f"{own.name} {own.operators[found[limit].phrase]}"
    if at := asking(found, index):
        return own.name if at[-1] > index else None
    if values_before(found, index) or counts_again(found, index):
        return None
    canonical = "equals" if counts(found, index) is not None else value_follows(found, index)
    return own.whole(canonical) or own.name


def _told_at(found: Phrases, index: int) -> tuple[int, int]:
    """Where the text begins and ends behind which the spelling of a phrase stands: the phrase, or what stands before the
    number that an operator without its field limits from behind ("20 or less")."""
    one = found[index]
    is_limited = one.owner is not None and limit_behind(found, index) is not None
    if one.owner and (number := counts(found, index)) is not None and (is_limited or one.owner.whole("equals")):
        return (found.end_before(number),) * 2
    is_alone = one.owner is None and one.phrase not in found.glossary.steps and asked(found, index) is None
    if is_alone and SPACES.match(found.text, one.end).end() not in found.values and asked_alone(found, index):
        end = found.end_before(one.start - len(COUNTED.search(found.before(one.start))[0]))
        return end, end
    return one.start, one.end


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


def _whole(entry: Named, found: Phrases, index: int) -> str:
    """The condition of a value that stands without its field: with what is said before it, or that it is the value.

    Several values in a row are a list; behind the first stand field and operator.
    """
    one, value, last = found[index], entry.values[found[index].phrase], found.last(index)
    if is_listed_with(entry, found, index, -1):
        return value
    several = is_listed_with(entry, found, index, 1)
    is_operator = last and last.phrase in entry.operators and (several or last.phrase not in prepositions())
    if is_operator and article().fullmatch(found.text, last.end, one.start):
        operator = entry.operators[last.phrase]
        if operator == entry.aliases.get("equals") and lacks_list(entry, found, index):
            return value
        denies = several and operator == entry.aliases.get("not_equals")
        whole = entry.whole("not_in") if denies else f"{entry.name} {operator}"
    elif excepting().search(found.before(one.start)):
        whole = "" if several else entry.whole("not_equals")
        whole = whole or entry.whole("not_in")
    else:
        whole = entry.whole_of(several)
    return f"{whole} {value}" if whole else value


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
