"""Schema linking: behind what a request says in words of its schema stands the schema's spelling in brackets.

A schema of the shipped DSL lists what people say for its fields, operators and values; whether a phrase is among them is
a matter of looking, which rules do better than a small model: `job title [JobTitle] starts with [startsWith] "a"`. They
read words, not sense: a listed phrase is linked in whatever sense it stands. People leave fields out ("weak hives") and say what is
true by its name ("treated ones"): behind such words stands the whole condition, `weak [strength is weak]`. Where a field's condition is
said in words that are none of its operators, `[?]` stands behind them; what else a schema does not list stays as it is. Anchor texts of BRIDGE
(Lin et al. 2020, arXiv 2012.12627), with the schema's own phrases.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from itertools import takewhile
from typing import Any, NamedTuple

from pipeline.calendar import read_day
from pipeline.dsl import STEP, can_refuse, conditions_of, described, operators, said_for, step_phrases_of
from pipeline.json_schemas import children
from pipeline.reading import (
    LEFT_ALONE,
    QUOTED,
    WORD,
    Note,
    Spelling,
    denied,
    folded,
    lowered,
    said_around,
    with_notes,
    words_of,
)

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
SHORTEST_PART = 3
"""Letters of a word that names a field by itself, as "queen" does "queen age"."""
OF = {"of", "de", "du", "d'"}
"""What makes a longer name of the word behind it."""
FAR, NEXT = 60, 5
"""Characters and phrases of the schema behind a field in which its value is said."""
JOINT = re.compile(r"[\s,/&+]*(?:(?<=\s)\w{1,3}\s+)?")
"""What stands between two values of a list: signs, a short word ("or", "et")."""


@dataclass
class Named:
    """What one field's conditions say: operators, values and truth values, phrase in lower case -> spelling.

    A truth value's is its whole condition, since it is said by itself.
    A schema of another form than the shipped one is a single entry, its names and values.
    """

    name: str
    operators: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    truths: dict[str, str] = field(default_factory=dict)
    equals: str = ""
    """The field and its operator for one value, said of a value that stands alone; empty where it has none."""
    among: str = ""
    """As `equals`, for the first of several values."""
    is_truth: bool = False


@dataclass
class Glossary:
    """A schema's phrases in lower case: those of its fields, what each field's conditions say, those before another step.

    `phrases` has all of them by how they are written with their accents and without, `truths` as in `Names`; `parts` are words
    of one field's phrases alone, each with one of them: "queen" of "queen age".
    """

    fields: dict[str, Named]
    named: list[Named]
    steps: set[str]
    said: re.Pattern[str]
    phrases: dict[str, str]
    spelling: Spelling
    truths: set[str]
    parts: dict[str, str]


class Names(NamedTuple):
    """What a schema of another form than the shipped one says by words.

    `said` has the names of properties and the values of enums in words, and the phrases that descriptions list for them, lower
    case -> spelling, where they stand for one of them alone; `names` those of properties alone. `truths` are the names of properties
    that are true or false wherever they stand, `title` is what the schema is called.
    """

    said: dict[str, str]
    names: dict[str, str]
    truths: set[str]
    title: str


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


def _truths(condition: dict[str, Any]) -> dict[str, str]:
    parts = condition["properties"]
    if parts["value"].get("type") != "boolean":
        return {}
    whole = f"{parts['field']['const']} {parts['operator']['enum'][0]}"
    said = described(parts["value"])
    return {lowered(phrase): f"{whole} {value}" for phrase, value in said.items() if value in ("true", "false")}


def _alone(name: str, aliases: list[str], canonical: str) -> str:
    known = [alias for alias in aliases if alias in operators()[canonical].aliases]
    return f"{name} {known[0]}" if known else ""


def _values(schema: dict[str, Any]) -> dict[str, str]:
    """What is said for the values of an enum, or of a list of them, lower case -> spelling."""
    scalar = schema.get("items", schema)
    if not isinstance(scalar, dict):
        return {}
    said = described(scalar)
    known = [value for value in scalar.get("enum", ()) if isinstance(value, str)]
    found = {lowered(phrase): value for value in known for phrase in (words_of(value), value)}
    return found | {lowered(phrase): value for phrase, value in said.items() if value in known}


def _ways_to_say(name: str, schema: Any) -> tuple[str, ...]:
    """What is said for a name: its words, the name itself, and the phrases that the description of its schema lists for it."""
    return words_of(name), name, *said_for(name, schema)


def _names_in(schema: Any) -> Names:
    own = schema["anyOf"][0] if can_refuse(schema) else schema
    open_schemas = [own, *(schema.get("$defs", {}).values() if isinstance(schema, dict) else ())]
    found: dict[str, set[str]] = {}
    kinds: dict[str, set[bool]] = {}
    while open_schemas:
        part = open_schemas.pop()
        if isinstance(part, dict):
            properties = part.get("properties", {})
            names = {lowered(said): name for name, below in properties.items() for said in _ways_to_say(name, below)}
            for name, below in properties.items():
                kinds.setdefault(name, set()).add(isinstance(below, dict) and below.get("type") == "boolean")
            for said, name in [*names.items(), *_values(part).items()]:
                found.setdefault(said, set()).add(name)
            open_schemas += [child for _, child in children(part)]
    known = {said: names.pop() for said, names in found.items() if len(names) == 1 and len(said) > 1}
    names = {said: name for said, name in known.items() if name in kinds}
    return Names(
        known,
        names,
        {name for name, kind in kinds.items() if kind == {True}},
        lowered(str(own.get("title", "")) if isinstance(own, dict) else ""),
    )


def _as_typed(phrase: str) -> str:
    """A regex for a phrase with or without its accents; one more than it has makes another word ("ou", "o\u00f9")."""
    return "".join(re.escape(c) if folded(c) == c else f"[{c}{folded(c)}]" for c in phrase)


def glossary_of(
    conditions: list[dict[str, Any]],
    step_phrases: Iterable[str] = (),
    names: Names | None = None,
) -> Glossary:
    """The phrases of these branches of the shipped DSL's conditions, or the `names` of a schema of another form."""
    named: dict[str, Named] = {}
    fields: dict[str, Named] = {}
    for condition in conditions:
        parts = condition["properties"]
        name = parts["field"]["const"]
        entry = named.setdefault(name, Named(name))
        fields |= {lowered(said): entry for said in _ways_to_say(name, parts["field"])}
        aliases = parts["operator"]["enum"]
        said = {lowered(phrase): a for phrase, a in described(parts["operator"]).items() if a in aliases}
        entry.operators = {lowered(way): a for a in aliases for way in (words_of(a), a)} | entry.operators | said
        entry.values |= _values(parts["value"])
        entry.truths |= _truths(condition)
        entry.is_truth |= parts["value"].get("type") == "boolean"
        entry.equals = entry.equals or _alone(name, aliases, "equals")
        entry.among = entry.among or _alone(name, aliases, "in")
    if names is not None:
        named = {"": Named("", values=names.said)}
    steps = {lowered(said) for said in step_phrases}
    of_fields = ({*entry.operators, *entry.values, *entry.truths} for entry in named.values())
    phrases = {*fields, *steps}.union(*of_fields) - {""}
    longest_first = "|".join(map(_as_typed, sorted(phrases, key=len, reverse=True))) or "(?!)"
    called = names.names if names else {phrase: entry.name for phrase, entry in fields.items() if not entry.is_truth}
    parts = _parts_of(called, {*phrases, *([names.title] if names else [])} - {*called})
    any_part = "|".join(map(_as_typed, sorted(parts, key=len, reverse=True))) or "(?!)"
    of_values = {said for said in said_around()["is"] if " " in said} - phrases if names else ()
    around = rf"(?<!\w)(?:{'|'.join(map(_as_typed, sorted(of_values)))})(?!\w)" if of_values else "(?!)"
    return Glossary(
        fields,
        list(named.values()),
        steps,
        re.compile(rf"{LEFT_ALONE}|{around}|(?<!\w)(?<!\bn')(?:(?P<said>{longest_first})|(?P<part>{any_part}))(?!\w)"),
        {folded(phrase): phrase for phrase in sorted(phrases)} | {phrase: phrase for phrase in phrases},
        Spelling({word: folded(word) for phrase in sorted(phrases) for word in re.findall(WORD, phrase)}),
        names.truths if names else set(),
        parts | {folded(word): phrase for word, phrase in parts.items()},
    )


def _parts_of(called: dict[str, str], others: Iterable[str]) -> dict[str, str]:
    """Words that name one thing alone of those `called` so (phrase -> name) and stand in none of the `others`, each with its phrase."""
    of: dict[str, dict[str, str]] = {}
    for phrase, name in called.items():
        for word in re.findall(WORD, phrase):
            of.setdefault(word, {}).setdefault(name, phrase)
    taken = {*called, *(word for phrase in others for word in re.findall(WORD, phrase))}
    own = {word: phrases for word, phrases in of.items() if len(phrases) == 1 and word not in taken}
    return {word: next(iter(phrases.values())) for word, phrases in own.items() if len(word) >= SHORTEST_PART}


@cache
def _around_part() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may stand before a part of a name that means the whole, and a value behind it."""
    either = lambda words: "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    before = {word for kind in ("at", "the", "ask", "and", "only") for word in said_around()[kind]} - OF
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


@lru_cache(maxsize=64)
def _glossary_of_schema(text: str) -> Glossary:
    schema = json.loads(text)
    conditions = conditions_of(schema)
    return glossary_of(conditions, step_phrases_of(schema), None if conditions else _names_in(schema))


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
    glossary = _glossary_of_schema(schema) if isinstance(schema, str) else schema
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
    if said or not own.is_truth or not own.equals or TRUTH_NEXT.match(text, one.end) or TRUTH_BEFORE.search(before):
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
