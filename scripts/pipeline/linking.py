"""Schema linking: behind what a request says in words of its schema stands the schema's spelling in brackets.

A schema of the shipped DSL lists what people say for its fields, operators and values; whether a phrase is among them is
a matter of looking, which rules do better than a small model: `job title [JobTitle] starts with [startsWith] "a"`. They
read words, not sense: a listed phrase is linked in whatever sense it stands. People leave fields out ("weak hives") and say what is
true by its name ("treated ones"): behind such words stands the whole condition, `weak [strength is weak]`. Where a field's condition is
said in words that are none of its operators, `[?]` stands behind them; what else a schema does not list stays as it is. Anchor texts of BRIDGE
(Lin et al. 2020, arXiv 2012.12627), with the schema's own phrases.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from itertools import takewhile
from typing import NamedTuple

from pipeline.calendar import read_day
from pipeline.dsl import STEP, canonical_names
from pipeline.glossary import Glossary, Named, glossary_of_schema
from pipeline.reading import QUOTED, WORD, Note, denied, folded, lowered, said_around, said_for_operators, with_notes

MISSING = "?"
"""What stands behind the words between a field and a value that are none of the field's operators."""
VALUE = rf"\d|{QUOTED}"
"""How a value begins that no schema lists."""
TRUTHS = {said: value for value in ("true", "false") for said in said_around()[value]}
"""What people say for truth values beside their names in JSON."""
TRUTH = re.compile(rf"[ :=]*(?:{WORD} ){{0,2}}?(?P<said>{'|'.join(TRUTHS)})(?!\w)")
"""A truth value behind a property's name, two words between them at most ("online set to no")."""
TRUTH_NEXT = re.compile(rf"[ :=]*(?:{WORD} ){{0,3}}?(?:true|false|{'|'.join(TRUTHS)})(?!\w)")
TRUTH_BEFORE = re.compile(rf"(?<!\w)(?:true|false) (?:{WORD} ){{0,2}}$")
"""What is true or false of a field is said behind its name, or before it."""
COUNTED = re.compile(rf"(?<![\w.,])\d(?:[\d.,]*\d)?\s+(?:{WORD}\s+)?$")
"""A number and what it counts, before an operator ("200 minutes or less")."""
FAR, NEXT = 60, 5
"""Characters and phrases of the schema behind a field in which its value is said."""
JOINT = re.compile(r"[\s,/&+]*(?:(?<=\s)\w{1,3}\s+)?")
"""What stands between two values of a list: signs, a short word ("or", "et")."""


SEPARATED = re.compile(r"[;>]\s")
"""What stands between steps, whether the schema lists it or not."""


class Found(NamedTuple):
    """A phrase of a schema in a request, and the field that it names, if any."""

    start: int
    end: int
    phrase: str
    owner: Named | None


class Phrases(list[Found]):
    """The phrases of a schema in a request, in its order; `steps` are those before another step.

    `values` are where those begin in the text that no schema lists: dates, numbers and what is quoted.
    """

    steps: set[str]
    values: set[int]

    def beside(self, index: int) -> tuple[int | None, int | None]:
        """Where the fields before and after the phrase at this index stand."""
        at = bisect_left(self.fields, index)
        after = at + (at < len(self.fields) and self.fields[at] == index)
        return self.fields[at - 1] if at else None, self.fields[after] if after < len(self.fields) else None

    def step_between(self, index: int, other: int) -> bool:
        """Whether another step begins between the phrases at these indices."""
        first = bisect_left(self._steps, min(index, other))
        return first < len(self._steps) and self._steps[first] < max(index, other)

    @cached_property
    def _steps(self) -> list[int]:
        return [at for at, one in enumerate(self) if one.owner is None and one.phrase in self.steps]

    @cached_property
    def fields(self) -> list[int]:
        """Where the fields stand."""
        return [at for at, one in enumerate(self) if one.owner]


def _either(*kinds: str) -> str:
    """A regex for the words that people say around values of these kinds, the longest first."""
    words = {word for kind in kinds for word in said_around()[kind]}
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


@cache
def _before_part() -> re.Pattern[str]:
    """What may stand before a part of a name that means the whole, or before an operator that means its field, too."""
    before = _either("at", "the", "ask", "and", "only", "before")  # "of" makes a longer name
    return re.compile(rf"(?:^|[,;:.(&>]\s*|(?<!\w)(?:{before})\s*)$")


@cache
def _value_next() -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{_either('at')})\s+)?(?:{VALUE})")


@cache
def _joint_next() -> re.Pattern[str]:
    """What may stand between a part of a name and its operator."""
    return re.compile(rf"(?:{_either('is', 'of')})(?:(?<=')|\s+)")


@cache
def _said_of_property() -> re.Pattern[str]:
    """What stands between a property and its value, or says that it is true or false."""
    return re.compile(rf"[:=](?!\w)|(?:{_either('is', 'true', 'false')}|true|false)(?!\w)")


@cache
def _counts_before() -> re.Pattern[str]:
    """A number, or one and its unit, before what it counts."""
    return re.compile(rf"(?<![\w.,])\d(?:[\d.,]*\d)?\s+(?:{WORD}\s+(?:{_either('of')})\s*)?$")


@cache
def _part_ends() -> re.Pattern[str]:
    """That no word follows which may belong to a part of a name."""
    return re.compile(rf"\s*(?:[,;.!?)&]|$|(?:{_either('at', 'and', 'step', 'thanks')})(?!\w))")


@cache
def _excepting() -> re.Pattern[str]:
    """What says that a value behind it is not meant."""
    said = "|".join(map(re.escape, {*said_for_operators()["not_equals"], *said_around()["without"]}))
    return re.compile(rf"(?<!\w)(?:{said})\s+(?:(?:{_either('the')})(?:(?<=')|\s+))?$")


@cache
def _the() -> re.Pattern[str]:
    """Nothing but spaces, or an article between them."""
    return re.compile(rf"\s*(?:(?<!\w)(?:{_either('the')})(?:(?<=')|\s+))?")


def _is_alone(owner: Named | None, text: str, start: int, end: int) -> bool:
    """Whether a part of its phrase names a field (`owner`) or a property: no other word before it may belong to it, and what is
    said of it follows: a value, an operator of the field, or what stands before a property's value. A field's number may stand
    before it ("20 kg of honey").
    """
    if owner and _counts_before().search(text[max(0, start - FAR) : start]) and _part_ends().match(text, end):
        return True
    rest = text[end : end + FAR].lstrip()
    if owner:
        joint = _joint_next().match(rest)
        said = owner.any_operator.match(rest) or (joint and owner.any_operator.match(rest, joint.end()))
    else:
        said = _said_of_property().match(rest)
    said = said or _value_next().match(rest)
    return bool(said) and _before_part().search(text[max(0, start - FAR) : start]) is not None


def linked(request: str, schema: str | Glossary) -> str:
    """The request with the spellings of `spellings_said` in brackets behind its phrases."""
    return with_notes(request, spellings_said(request, schema))


def spellings_said(request: str, schema: str | Glossary, of_time: Iterable[Note] = ()) -> list[Note]:
    """The spelling of each phrase of a request that a schema (compact JSON, or its glossary) lists, and `[?]`.

    An operator, said as it is listed or by its name, is that of the field that was said before it, or that of the next one where
    its value stands between ("at least 3 items"); a value that of those fields, or else of any. Where the field does not have it
    nothing stands behind it. The whole condition stands behind a truth value, which is said by itself, behind a value whose
    field is left out, and behind a field that is true or false and of which no more is said. Of a schema of another form the
    names of properties and the values of enums are linked, said as words or as they are, and "yes" or "no" behind a property
    that is true or false. What is quoted, in brackets or said `of_time` is left alone.
    """
    glossary = glossary_of_schema(schema) if isinstance(schema, str) else schema
    text, places = glossary.spelling.mended(lowered(request))
    times = [range(bisect_left(places, said.start), bisect_left(places, said.end)) for said in of_time]
    timed = {at for time in times for at in time}
    found = Phrases()
    found.steps = glossary.steps
    for match in glossary.said.finditer(text):
        if match["said"] and match.start() not in timed and match.end() - 1 not in timed:
            phrase = glossary.phrases.get(match["said"]) or glossary.phrases[folded(match["said"])]
            found.append(Found(*match.span(), phrase, glossary.fields.get(phrase)))
        elif match["part"] and match.start() not in timed:
            phrase = glossary.parts.get(match["part"]) or glossary.parts[folded(match["part"])]
            if _is_alone(owner := glossary.fields.get(phrase), text, *match.span()):
                found.append(Found(*match.span(), phrase, owner))
    found.values = {time.start for time in times if read_day(text[time.start : time.stop])}
    found.values |= {match.start() for match in re.finditer(VALUE, text) if match.start() not in timed}
    shown = [(one.start, one.end, _spelling(glossary, text, found, index)) for index, one in enumerate(found)]
    shown += [
        (*said.span("said"), TRUTHS[said["said"]])
        for _, end, spelling in shown
        if spelling in glossary.truths and (said := TRUTH.match(text, end)) and said["said"] not in glossary.phrases
    ]
    shown += [(end, end, MISSING) for end in _unlisted(glossary, text, found)]
    shown += [(end, end, whole) for end, whole in _texts_alone(glossary, text, found)]
    return [Note(places[start], places[end], spelling) for start, end, spelling in shown if spelling]


def _spelling(glossary: Glossary, text: str, found: Phrases, index: int) -> str | None:
    """What stands for the phrase at this index, or None."""
    phrase, own = found[index].phrase, found[index].owner
    if own is not None:
        return own.truths.get(phrase) or _true_by_name(own, text, found, index) or own.name
    if phrase in glossary.steps:
        return STEP
    if (at := _asked(text, found, index)) is not None:
        asked = found[at].owner.operators
        return None if phrase in said_around()["is"] and _is_said_next(asked, text, found, index) else asked[phrase]
    if (entry := _asked_alone(glossary, text, found, index)) is not None:
        return f"{entry.name} {entry.operators[phrase]}"
    near = [found[at].owner for at in found.beside(index) if at is not None]
    owners = [entry for entry in [*near, *glossary.named] if phrase in entry.values or phrase in entry.truths]
    if not owners:
        return None
    mine = owners[0]
    alone = phrase in mine.values and all(entry is mine for entry in owners)
    if alone and _field_is_left_out(mine, text, found, index):
        return _whole(mine, text, found, index)
    return mine.values.get(phrase) or mine.truths[phrase]


def _is_said_next(operators: dict[str, str], text: str, found: Phrases, index: int) -> bool:
    """Whether another of these operators follows at once: "is" says nothing in "is more than"."""
    other = found[index + 1] if index + 1 < len(found) else None
    return other is not None and other.phrase in operators and not text[found[index].end : other.start].strip()


def _asked_alone(glossary: Glossary, text: str, found: Phrases, index: int) -> Named | None:
    """The one field that has the operator at this index, where its value stands beside it and no other words before it that could
    be a field: "weak hives, under 20", "20 or less".
    """
    one = found[index]
    entries = [entry for entry in glossary.named if one.phrase in entry.operators]
    if len(entries) != 1:
        return None
    start = one.start
    if re.compile(r"\s*").match(text, one.end).end() not in found.values:
        is_limit = canonical_names().get(entries[0].operators[one.phrase]) in ("at_least", "at_most")
        if not is_limit or not (value := COUNTED.search(text, max(0, start - FAR), start)):
            return None
        start = value.start()
    if _waits(found, text, index, start):
        return None
    follows = index > 0 and not text[found[index - 1].end : start].strip()
    return entries[0] if follows or _before_part().search(text[max(0, start - FAR) : start]) else None


def _texts_alone(glossary: Glossary, text: str, found: Phrases) -> Iterator[tuple[int, str]]:
    """Where words end before what is quoted without its field, and how its condition begins: 'by [artist is] "Corot"'.

    One field alone holds texts, and no other words stand before that could be a field.
    """
    owners = [entry for entry in glossary.named if entry.is_text]
    if len(owners) != 1 or not (whole := owners[0].whole("equals")):
        return
    starts = [one.start for one in found]
    for match in re.finditer(QUOTED, text):
        start, index = match.start(), bisect_left(starts, match.start())
        last, after = found[index - 1] if index else None, found.beside(index)[1]
        is_asked = last is not None and last.phrase in owners[0].operators and not text[last.end : start].strip()
        if is_asked or _waits(found, text, index, start) or (after is not None and found[after].owner is owners[0]):
            continue
        around = text[max(0, start - FAR) : start]
        if around.strip() and _before_part().search(around):
            yield start - len(around) + len(around.rstrip()), whole


def _waits(found: Phrases, text: str, index: int, start: int) -> bool:
    """Whether the field before this phrase or place waits for its value in the same step."""
    at = found.beside(index)[0]
    if at is None or found.step_between(at, index) or SEPARATED.search(text, found[at].end, start):
        return False
    return not _has_value(found, at, text, start)


def _has_value(found: Phrases, at: int, text: str, end: int) -> bool:
    """Whether the field here has its value before this place in the text, or before itself, or needs none."""
    said = (one.phrase in found[at].owner.values for one in found[at + 1 : at + 1 + NEXT] if one.end <= end)
    value = re.compile(VALUE).search(text, found[at].end, min(end, found[at].end + FAR))
    counted = _counts_before().search(text[max(0, found[at].start - FAR) : found[at].start])
    return found[at].owner.is_truth or any(said) or (value or counted) is not None


def _true_by_name(own: Named, text: str, found: Phrases, index: int) -> str | None:
    """The condition of a field that is true or false and of which nothing is said but its name, maybe after "not"."""
    one, before = found[index], text[max(0, found[index].start - FAR) : found[index].start]
    after = [other.phrase for other in takewhile(lambda other: other.owner is None, found[index + 1 : index + 3])]
    last = [found[index - 1].phrase] if index else []
    said = (after[:1] and after[0] in own.operators) or own.truths.keys() & {*last, *after}
    if said or not own.is_truth or TRUTH_NEXT.match(text, one.end) or TRUTH_BEFORE.search(before):
        return None
    return f"{own.whole('equals')} {'false' if denied(before) else 'true'}"


def _field_is_left_out(mine: Named, text: str, found: Phrases, index: int) -> bool:
    """Whether the step does not say the field of the value at this index beside it, and the field before waits for none."""
    before, after = (at if at is None or not found.step_between(at, index) else None for at in found.beside(index))
    if any(found[at].owner is mine for at in (before, after) if at is not None):
        return False
    return not _waits(found, text, index, found[index].start)


def _whole(entry: Named, text: str, found: Phrases, index: int) -> str | None:
    """The condition of a value that stands without its field: with what is said before it, or that it is the value.

    Several values in a row are a list; behind the first stand field and operator.
    """
    one, value = found[index], entry.values[found[index].phrase]
    if _is_listed_with(entry, text, found, index, -1):
        return value
    several = _is_listed_with(entry, text, found, index, 1)
    last = found[index - 1] if index else None
    if last and last.phrase in entry.operators and _the().fullmatch(text, last.end, one.start):
        operator = entry.operators[last.phrase]
        denies = several and operator == entry.aliases.get("not_equals")
        whole = entry.whole("not_in") if denies else f"{entry.name} {operator}"
    else:
        is_excepted = _excepting().search(text[max(0, one.start - FAR) : one.start])
        whole = "" if is_excepted else entry.whole("in" if several else "equals")
    return f"{whole} {value}" if whole else value


def _is_listed_with(entry: Named, text: str, found: Phrases, index: int, step: int) -> bool:
    """Whether the value at this index and the one before (`step` -1) or behind it (1) are items of a list."""
    at = index + step
    if 0 <= at < len(found) and found[at].phrase in entry.operators:  # "or"
        at += step
    if not 0 <= at < len(found) or found[at].phrase not in entry.values:
        return False
    first, second = sorted((found[index], found[at]))
    between = text[first.end : second.start]
    return between.strip(" ,") in entry.operators or JOINT.fullmatch(between) is not None


def _asked(text: str, found: Phrases, index: int) -> int | None:
    """Where the field stands that the phrase at this index is an operator of, or None where it is none.

    A field takes the first operator behind it; a second one may stand before the next field, with its value and no sign between ("at
    least 3 items").
    """
    phrase, (before, after) = found[index].phrase, found.beside(index)
    if before is not None and phrase in found[before].owner.operators:
        return before
    free = before is None or found[index - 1].phrase in found[before].owner.operators
    if free and after is not None and phrase in (own := found[after].owner).operators:
        said = any(one.phrase in own.values for one in found[index + 1 : after])
        between = text[found[index].end : found[after].start]
        return after if (said or re.search(VALUE, between)) and not re.search(r"[,;>]\s", between) else None
    return None


def _unlisted(glossary: Glossary, text: str, found: Phrases) -> Iterator[int]:
    """Where words end that stand between a field and its value, where no operator of the field is said."""
    asked = {_asked(text, found, index) for index, one in enumerate(found) if one.owner is None}
    for index, one in enumerate(found):
        if one.owner is None or not one.owner.operators or one.owner.is_truth or index in asked:
            continue
        mine = list(takewhile(lambda o: o.owner is None and o.phrase not in glossary.steps, found[index + 1 :]))
        rest = found[index + 1 + len(mine) :]
        end = rest[0].start if rest else len(text)
        here = [at for at in found.values if one.end <= at < end] + [
            o.start for o in mine if o.phrase in one.owner.values
        ]
        if here and re.search(WORD, between := text[one.end : min(here)]):
            yield one.end + len(between.rstrip(" :=,("))
