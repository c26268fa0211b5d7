"""What people say for what a schema names: its phrases, with their spellings.

A schema of the shipped DSL lists what people say for its fields, operators, values and steps in descriptions. Of a
schema of another form these are the names of properties and the values of enums as words, and what descriptions list
for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from pipeline.requests.reading import (
    LEFT_ALONE,
    NOTHING,
    WORD,
    Spelling,
    folded,
    lowered,
    prepositions,
    said_around,
    said_before,
    said_for_operators,
    said_for_values,
)
from pipeline.schemas.dsl import can_refuse, canonical_names, conditions_of, described, said_for, step_phrases_of
from pipeline.schemas.json_schemas import children
from pipeline.schemas.names import CALLED, last_word, words_of

WORD_BEGINS, WORD_ENDS = r"(?<![\w@])(?<!\w\.)(?<!\bn')", r"(?!\w|@\w|\.\w)"
"""Where a word begins and ends that is none of an address: "ada@mail.org"."""
SHORTEST_PART = 3
"""Letters of a word that names a field by itself, as "queen" does "queen age"."""


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
    aliases: dict[str, str] = field(default_factory=dict)
    """Canonical name of an operator -> what it is called here, where that is a known name."""
    is_truth: bool = False
    is_text: bool = False
    is_number: bool = False
    is_date: bool = False

    @cached_property
    def any_operator(self) -> re.Pattern[str]:
        """What is said for any of the operators, but what people say for exceptions anyway: "all lots except"."""
        said = sorted(self.operators.keys() - {*said_for_operators()["not_equals"]}, key=len, reverse=True)
        return re.compile(rf"(?:{'|'.join(map(re.escape, said)) or NOTHING})(?!\w)")

    def lacks(self, *canonical: str) -> bool:
        """Whether none of its operators is one of these; not where one of them has a name that is not known."""
        known = {*self.operators.values()} <= {*self.aliases.values()}
        return known and self.aliases.keys().isdisjoint(canonical)

    @property
    def takes_listed(self) -> bool:
        """Whether it takes values that its schema lists, and no others."""
        return bool(self.values) and not (self.is_truth or self.is_text or self.is_number or self.is_date)

    def whole(self, *canonical: str) -> str:
        """How a whole condition begins with the first of these operators that the field has under a known name, or
        ""."""
        return next((f"{self.name} {self.aliases[name]}" for name in canonical if name in self.aliases), "")

    def whole_of(self, several: bool) -> str:
        """How a condition begins that says which value it is, or which of several."""
        return self.whole("in") if several else self.whole("equals", "in")


@dataclass
class Glossary:
    """A schema's phrases in lower case: those of its fields, what each field's conditions say, those before another
    step.

    `phrases` has all of them by how they are written with their accents and without, `truths` as in `Names`; `parts`
    are words of one field's phrases alone, each with one of them: "queen" of "queen age". `words` are those of all
    fields' phrases, each with the names of the fields.
    """

    fields: dict[str, Named]
    named: list[Named]
    steps: set[str]
    said: re.Pattern[str]
    phrases: dict[str, str]
    spelling: Spelling
    truths: set[str]
    parts: dict[str, str]
    words: dict[str, set[str]]


class Names(NamedTuple):
    """What a schema of another form than the shipped one says by words.

    `said` has the names of properties and the values of enums in words, and the phrases that descriptions list for
    them, lower case -> spelling, where they stand for one of them alone; `names` those of properties alone. `truths`
    are the names of properties that are true or false wherever they stand, `title` is what the schema is called.
    """

    said: dict[str, str]
    names: dict[str, str]
    truths: set[str]
    title: str
    before: dict[str, str]
    """Small words that people say before what they say of a property, each with that one: "by" of an `artist`."""


def _scalar(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value, or of the items of a list of them."""
    scalar = schema.get("items", schema)
    return scalar if isinstance(scalar, dict) else {}


def _values(schema: dict[str, Any]) -> dict[str, str]:
    """What is said for the values of an enum, or of a list of them, lower case -> spelling."""
    scalar = _scalar(schema)
    said = described(scalar)
    known = [value for value in scalar.get("enum", ()) if isinstance(value, str)]
    found = {lowered(phrase): value for value in known for phrase in (words_of(value), value)}
    return found | {lowered(phrase): value for phrase, value in said.items() if value in known}


def _said_for_values(values: Collection[str]) -> Iterator[tuple[str, str]]:
    """What people say for values whatever a schema lists, with the value: ("euros", "EUR")."""
    return ((said, value) for value in values for said in said_for_values().get(lowered(value), ()))


def _all_said_before(properties: dict[str, Any]) -> dict[str, str]:
    """What people say before what they say of one of these properties, with its name: "assigned to" of an `assignee`."""
    of: dict[str, set[str]] = {}
    for name in properties:
        for said in said_before(name):
            of.setdefault(said, set()).add(name)
    return {said: names.pop() for said, names in of.items() if len(names) == 1}


def _called(properties: dict[str, Any]) -> dict[str, str]:
    """What says what a thing is called, each with the one of these properties that says what a thing is called: "titled" with the
    `title`, else the `name`, the title or the label."""
    of: dict[str, list[str]] = {kind: [] for kind in CALLED}
    for name, schema in properties.items():
        kind = last_word(name)
        if kind in of and isinstance(schema, dict) and schema.get("type") == "string":
            of[kind].append(name)
    alone = {kind: names[0] for kind, names in of.items() if len(names) == 1}
    found = {}
    for word in said_around()["called"]:
        own = next((kind for kind in alone if word.startswith(kind)), next(iter(alone), None))
        if own is not None:
            found[word] = alone[own]
    return found


def _denied(truths: dict[str, str]) -> dict[str, str]:
    """What the opposites of words for true are called: "unpaid", "non-paid" -> "false"."""
    words = [said for said, value in truths.items() if value == "true" and re.fullmatch(WORD, said)]
    return {f"{un}{word}": "false" for word in words for un in said_around()["un"]}


def _common(entry: Named) -> dict[str, str]:
    """What people say for the field's operators whatever its schema lists, phrase -> what the operator is called
    here."""
    return {said: a for name, a in entry.aliases.items() for said in said_for_operators()[name]}


def _read_as_they_are() -> dict[str, str]:
    """Words that are read as no others: "dessus" is a letter from "dessous"."""
    said = (phrase for phrases in said_for_operators().values() for phrase in phrases)
    return {word: word for phrase in said for word in re.findall(WORD, phrase)}


def _ways_to_say(name: str, schema: Any) -> tuple[str, ...]:
    """What is said for a name: its words, the name itself, and the phrases that the description of its schema lists for
    it."""
    return words_of(name), name, *said_for(name, schema)


def _names_in(schema: Any) -> Names:
    own = schema["anyOf"][0] if can_refuse(schema) else schema
    open_schemas = [own, *(schema.get("$defs", {}).values() if isinstance(schema, dict) else ())]
    found: dict[str, set[str]] = {}
    kinds: dict[str, set[bool]] = {}
    added: set[str] = set()
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
    properties = own.get("properties", {}) if isinstance(own, dict) else {}
    before = _all_said_before(properties)
    for said, name in [*_called(properties).items(), *before.items()]:
        if said not in before or said not in prepositions():
            found.setdefault(said, set()).add(name)
    for said, value in _said_for_values({value for names in found.values() for value in names} - kinds.keys()):
        if said not in found or said in added:
            found.setdefault(said, set()).add(value)
            added.add(said)
    known = {said: names.pop() for said, names in found.items() if len(names) == 1 and (len(said) > 1 or said in added)}
    return Names(
        known,
        {said: name for said, name in known.items() if name in kinds},
        {name for name, kind in kinds.items() if kind == {True}},
        lowered(str(own.get("title", "")) if isinstance(own, dict) else ""),
        {said: name for said, name in before.items() if said in prepositions() and said not in known},
    )


def _as_typed(phrase: str) -> str:
    """A regex for a phrase with or without its accents; one more than it has makes another word ("ou", "o\u00f9")."""
    return "".join(re.escape(c) if folded(c) == c else f"[{c}{folded(c)}]" for c in phrase)


def _fields_of(conditions: list[dict[str, Any]]) -> tuple[dict[str, Named], dict[str, Named]]:
    """What each field's conditions say as its schema lists it, by the field's name and by what is said for it."""
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
        entry.aliases |= {canonical_names()[a]: a for a in aliases if a in canonical_names()}
        entry.values |= _values(parts["value"])
        entry.is_text |= parts["value"].get("type") == "string" and "format" not in parts["value"]
        scalar = _scalar(parts["value"])
        entry.is_number |= scalar.get("type") in ("integer", "number")
        entry.is_date |= scalar.get("format") == "date"
        if parts["value"].get("type") == "boolean":
            entry.is_truth, entry.aliases["equals"] = True, aliases[0]
            called = dict.fromkeys(_ways_to_say(name, parts["field"]), "true")
            truths = {said: value for said, value in described(parts["value"]).items() if value in ("true", "false")}
            truths = _denied(called | truths) | truths
            entry.truths |= {lowered(said): f"{entry.whole('equals')} {value}" for said, value in truths.items()}
    return named, fields


def glossary_of(
    conditions: list[dict[str, Any]],
    step_phrases: Iterable[str] = (),
    names: Names | None = None,
) -> Glossary:
    """The phrases of these branches of the shipped DSL's conditions, or the `names` of a schema of another form."""
    named, fields = _fields_of(conditions)
    if names is not None:
        named = {"": Named("", values=names.said)}
    steps = {lowered(said) for said in step_phrases}
    steps |= {said for said in said_around()["step"] if steps}
    listed = {*fields, *steps}.union(*({*entry.operators, *entry.values, *entry.truths} for entry in named.values()))
    listed -= {*said_around()["called"]} if names else set()  # "appel" is no slip of "appel\u00e9"
    for entry in named.values():
        entry.operators = _common(entry) | entry.operators
    of_fields = ({*entry.operators, *entry.values, *entry.truths} for entry in named.values())
    phrases = {*fields, *steps}.union(*of_fields) - {""}
    signs = {phrase for phrase in phrases if not re.search(r"\w", phrase)}
    longest_first = "|".join(map(_as_typed, sorted(phrases - signs, key=len, reverse=True))) or NOTHING
    sign = "|".join(map(re.escape, sorted(signs if names else ()))) or NOTHING
    called = names.names if names else {phrase: entry.name for phrase, entry in fields.items() if not entry.is_truth}
    small = prepositions() if names else ()
    parts = _parts_of(called, small, {*phrases, *([names.title] if names else [])} - {*called})
    parts = {said: words_of(name) for said, name in (names.before if names else {}).items()} | parts
    any_part = "|".join(map(_as_typed, sorted(parts, key=len, reverse=True))) or NOTHING
    of_values = {said for said in said_around()["is"] if " " in said} - phrases if names else ()
    around = rf"(?<!\w)(?:{'|'.join(map(_as_typed, sorted(of_values)))})(?!\w)" if of_values else NOTHING
    return Glossary(
        fields,
        list(named.values()),
        steps,
        re.compile(
            rf"{LEFT_ALONE}|{around}|(?P<said>{WORD_BEGINS}(?:{longest_first}){WORD_ENDS}|{sign})"
            rf"|{WORD_BEGINS}(?P<part>{any_part}){WORD_ENDS}"
        ),
        {folded(phrase): phrase for phrase in sorted(phrases)} | {phrase: phrase for phrase in phrases},
        Spelling(
            {word: folded(word) for phrase in sorted(listed) for word in re.findall(WORD, phrase)},
            _read_as_they_are() | {word: word for word in re.findall(WORD, names.title if names else "")},
            frozenset(
                folded(word) for entry in named.values() for a in entry.operators for word in re.findall(WORD, a)
            ),
        ),
        names.truths if names else set(),
        parts | {folded(word): phrase for word, phrase in parts.items()},
        _words_of({phrase: entry.name for phrase, entry in fields.items()}),
    )


def _words_of(called: dict[str, str]) -> dict[str, set[str]]:
    """The words of phrases (phrase -> name) but for the shortest, each with the names that they are a part of."""
    of: dict[str, set[str]] = {}
    for phrase, name in called.items():
        for word in re.findall(WORD, phrase):
            if len(word) >= SHORTEST_PART:
                of.setdefault(word, set()).add(name)
    return of


def _parts_of(called: dict[str, str], small: Collection[str], others: Iterable[str]) -> dict[str, str]:
    """Words that name one thing alone of those `called` so (phrase -> name) and stand in none of the `others`, each
    with its phrase; of short ones those that are `small` words and a part of a longer name ("to" of `to_city`)."""
    of: dict[str, dict[str, str]] = {}
    for phrase, name in called.items():
        for word in re.findall(WORD, phrase):
            of.setdefault(word, {}).setdefault(name, phrase)
    taken = {*called, *(word for phrase in others for word in re.findall(WORD, phrase))}
    own = {word: phrases for word, phrases in of.items() if len(phrases) == 1 and word not in taken}
    parts = {word: next(iter(phrases.values())) for word, phrases in own.items()}
    return {word: phrase for word, phrase in parts.items() if len(word) >= SHORTEST_PART or word in small}


@lru_cache(maxsize=64)
def glossary_of_schema(text: str) -> Glossary:
    """The glossary of a schema in compact JSON."""
    schema = json.loads(text)
    conditions = conditions_of(schema)
    return glossary_of(conditions, step_phrases_of(schema), None if conditions else _names_in(schema))
