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
from pipeline.dsl import STEP
from pipeline.glossary import Glossary, Named, glossary_of_schema
from pipeline.reading import QUOTED, WORD, Note, denied, folded, lowered, said_around, with_notes

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
FAR, NEXT = 60, 5
"""Characters and phrases of the schema behind a field in which its value is said."""
JOINT = re.compile(r"[\s,/&+]*(?:(?<=\s)\w{1,3}\s+)?")
"""What stands between two values of a list: signs, a short word ("or", "et")."""


class Found(NamedTuple):
    """A phrase of a schema in a request, and the field that it names, if any."""

    start: int
    end: int
    phrase: str
    owner: Named | None


class Phrases(list[Found]):
    """The phrases of a schema in a request, in its order; `steps` are those before another step."""

    steps: set[str]

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


@cache
def _around_part() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may stand before a part of a name that means the whole, and a value behind it."""
    either = lambda words: "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    before = {
        word for kind in ("at", "the", "ask", "and", "only") for word in said_around()[kind]
    }  # "of" makes a longer name
    return (
        re.compile(rf"(?:^|[,;:.(&]\s*|(?<!\w)(?:{either(before)})\s*)$"),
        re.compile(rf"(?:(?:{either(said_around()['at'])})\s+)?(?:{VALUE})"),
    )


def _is_alone(owner: Named | None, text: str, start: int, end: int) -> bool:
    """Whether a part of its phrase names a field (`owner`) or a property: no other word before it may belong to it, and what is
    said of it follows: a value, an operator of the field, or what stands before a property's value.
    """
    rest = text[end : end + FAR].lstrip()
    ways = owner.operators if owner else (":", "=", *said_around()["is"], *TRUTHS, "true", "false")
    before, value = _around_part()
    said = value.match(rest) or any(re.match(rf"{re.escape(way)}(?!\w)", rest) for way in ways)
    return bool(said) and before.search(text[max(0, start - FAR) : start]) is not None


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
    shown = [(one.start, one.end, _spelling(glossary, text, found, index)) for index, one in enumerate(found)]
    values = [time.start for time in times if read_day(text[time.start : time.stop])]
    values += [match.start() for match in re.finditer(VALUE, text) if match.start() not in timed]
    shown += [
        (*said.span("said"), TRUTHS[said["said"]])
        for _, end, spelling in shown
        if spelling in glossary.truths and (said := TRUTH.match(text, end)) and said["said"] not in glossary.phrases
    ]
    shown += [(end, end, MISSING) for end in _unlisted(glossary, text, found, values)]
    return [Note(places[start], places[end], spelling) for start, end, spelling in shown if spelling]


def _spelling(glossary: Glossary, text: str, found: Phrases, index: int) -> str | None:
    """What stands for the phrase at this index, or None."""
    phrase, own = found[index].phrase, found[index].owner
    if own is not None:
        return own.truths.get(phrase) or _true_by_name(own, text, found, index) or own.name
    if phrase in glossary.steps:
        return STEP
    if (at := _asked(text, found, index)) is not None:
        return found[at].owner.operators[phrase]
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


def _asked_alone(glossary: Glossary, text: str, found: Phrases, index: int) -> Named | None:
    """The one field that has the operator at this index, where its value follows and no other words stand before it that could
    be a field: "weak hives, under 20".
    """
    one, before = found[index], found.beside(index)[0]
    entries = [entry for entry in glossary.named if one.phrase in entry.operators]
    if len(entries) != 1 or not re.compile(rf"\s*(?:{VALUE})").match(text, one.end):
        return None
    if before is not None and not found.step_between(before, index) and not _has_value(found, before, text, index):
        return None
    follows = index > 0 and not text[found[index - 1].end : one.start].strip()
    return entries[0] if follows or _around_part()[0].search(text[max(0, one.start - FAR) : one.start]) else None


def _has_value(found: Phrases, at: int, text: str, index: int) -> bool:
    """Whether the field here has its value before the phrase at `index`, or needs none."""
    said = (one.phrase in found[at].owner.values for one in found[at + 1 : min(index, at + 1 + NEXT)])
    value = re.compile(VALUE).search(text, found[at].end, min(found[index].start, found[at].end + FAR))
    return found[at].owner.is_truth or any(said) or value is not None


def _true_by_name(own: Named, text: str, found: Phrases, index: int) -> str | None:
    """The condition of a field that is true or false and of which nothing is said but its name, maybe after "not"."""
    one, after = found[index], found[index + 1].phrase if index + 1 < len(found) else None
    last, before = found[index - 1].phrase if index else None, text[max(0, one.start - FAR) : one.start]
    said = after in own.operators or {last, after} & own.truths.keys()
    if said or not own.is_truth or TRUTH_NEXT.match(text, one.end) or TRUTH_BEFORE.search(before):
        return None
    return f"{own.equals} {'false' if denied(before) else 'true'}"


def _field_is_left_out(mine: Named, text: str, found: Phrases, index: int) -> bool:
    """Whether the step does not say the field of the value at this index beside it, and the field before waits for none."""
    before, after = (at if at is None or not found.step_between(at, index) else None for at in found.beside(index))
    if any(found[at].owner is mine for at in (before, after) if at is not None):
        return False
    return before is None or _has_value(found, before, text, index)


def _whole(entry: Named, text: str, found: Phrases, index: int) -> str | None:
    """The condition of a value that stands without its field: with what is said before it, or that it is the value.

    Several values in a row are a list; behind the first stand field and operator.
    """
    one, value = found[index], entry.values[found[index].phrase]
    if _is_listed_with(entry, text, found, index, -1):
        return value
    last = found[index - 1] if index else None
    if last and last.phrase in entry.operators and not text[last.end : one.start].strip():
        return f"{entry.name} {entry.operators[last.phrase]} {value}"
    if _is_listed_with(entry, text, found, index, 1):
        return f"{entry.among} {value}" if entry.among else value
    denies = denied(text[max(0, one.start - FAR) : one.start])
    return f"{entry.equals} {value}" if entry.equals and not denies else value


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
        return after if (said or re.search(VALUE, between)) and not re.search(r"[,;]\s", between) else None
    return None


def _unlisted(glossary: Glossary, text: str, found: Phrases, values: list[int]) -> Iterator[int]:
    """Where words end that stand between a field and its value, where no operator of the field is said.

    `values` are where those begin in the text that no schema lists: dates, numbers and what is quoted.
    """
    asked = {_asked(text, found, index) for index, one in enumerate(found) if one.owner is None}
    for index, one in enumerate(found):
        if one.owner is None or not one.owner.operators or one.owner.is_truth or index in asked:
            continue
        mine = list(takewhile(lambda o: o.owner is None and o.phrase not in glossary.steps, found[index + 1 :]))
        rest = found[index + 1 + len(mine) :]
        end = rest[0].start if rest else len(text)
        here = [at for at in values if one.end <= at < end] + [o.start for o in mine if o.phrase in one.owner.values]
        if here and re.search(WORD, between := text[one.end : min(here)]):
            yield one.end + len(between.rstrip(" :=,("))
