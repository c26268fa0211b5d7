"""Schema linking: behind what a request says in words of its schema stands the schema's spelling in brackets.

A schema of the shipped DSL lists what people say for its fields, operators and values; whether a phrase is among them is
a matter of looking, which rules do better than a small model: `job title [JobTitle] starts with [startsWith] "a"`. They
read words, not sense: a listed phrase is linked in whatever sense it stands. A long word may be one typing mistake or one
letter of a plural away from the schema's. What a schema does not list stays as it is. Anchor texts of BRIDGE (Lin et al.
2020, arXiv 2012.12627), with the schema's own phrases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline.calendar import QUOTED, folded, lowered, with_notes
from pipeline.dsl import STEP, can_refuse, conditions_of, described, step_phrases_of
from pipeline.json_schemas import children

WORD = r"[^\W\d_]+"
LEFT_ALONE = rf"{QUOTED}|\[[^]]*\]"
"""What is quoted, and what already stands in brackets."""
SHORTEST_MENDED = 5
"""Letters of the shortest word that is read as another one that the schema has; of shorter ones too many are near."""


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


@dataclass
class Glossary:
    """A schema's phrases in lower case: those of its fields, what each field's conditions say, those before another step.

    `phrases` has all of them by how they are written without accents, `words` their words and how each is written so;
    `read_as` is what each word of requests so far is read as.
    """

    fields: dict[str, Named]
    named: list[Named]
    steps: set[str]
    said: re.Pattern[str]
    phrases: dict[str, str]
    words: dict[str, str]
    read_as: dict[str, str] = field(default_factory=dict)

    def phrase(self, said: str) -> str:
        """The phrase that was found as this."""
        return self.phrases[folded(said)]

    def read(self, word: str) -> str:
        """A word in lower case, or the one word of the schema that it is one edit away from."""
        if len(word) < SHORTEST_MENDED or word in self.words:
            return word
        if word not in self.read_as:
            plain = folded(word)
            near = [spelled for spelled in self.words.values() if len(spelled) > 3 and one_edit_apart(plain, spelled)]
            meant = {plain} & {*self.words.values()} or {*near}
            known = [known for known, spelled in self.words.items() if {spelled} == meant]
            self.read_as[word] = known[0] if known else word
        return self.read_as[word]


def one_edit_apart(a: str, b: str) -> bool:
    """Whether a letter dropped, added, changed or two swapped neighbours make one word the other."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    if len(a) == len(b):
        rest_a, rest_b = a[start:], b[start:]
        return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[start + 1 :] == shorter[start:]


def words_of(name: str) -> str:
    """A property's name or an enum's value as words: `dueDate`, `due_date` -> "due date"."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return " ".join(parts.lower().split())


def _truths(condition: dict[str, Any]) -> dict[str, str]:
    parts = condition["properties"]
    if parts["value"].get("type") != "boolean":
        return {}
    whole = f"{parts['field']['const']} {parts['operator']['enum'][0]}"
    said = described(parts["value"])
    return {lowered(phrase): f"{whole} {value}" for phrase, value in said.items() if value in ("true", "false")}


def _values(schema: dict[str, Any]) -> dict[str, str]:
    """What is said for the values of an enum, or of a list of them, lower case -> spelling."""
    scalar = schema.get("items", schema)
    if not isinstance(scalar, dict):
        return {}
    said = described(scalar)
    known = [value for value in scalar.get("enum", ()) if isinstance(value, str)]
    found = {lowered(phrase): value for value in known for phrase in (words_of(value), value)}
    return found | {lowered(phrase): value for phrase, value in said.items() if value in known}


def _names_in(schema: Any) -> dict[str, str]:
    """The words of properties' names and of enums' values, lower case -> spelling, where they stand for one of them alone."""
    own = schema["anyOf"][0] if can_refuse(schema) else schema
    open_schemas = [own, *(schema.get("$defs", {}).values() if isinstance(schema, dict) else ())]
    found: dict[str, set[str]] = {}
    while open_schemas:
        part = open_schemas.pop()
        if isinstance(part, dict):
            names = {lowered(said): name for name in part.get("properties", {}) for said in (words_of(name), name)}
            for said, name in [*names.items(), *_values(part).items()]:
                found.setdefault(said, set()).add(name)
            open_schemas += [child for _, child in children(part)]
    return {said: names.pop() for said, names in found.items() if len(names) == 1 and len(said) > 1}


def _as_typed(phrase: str) -> str:
    """A regex for a phrase with or without its accents; one more than it has makes another word ("ou", "o\u00f9")."""
    return "".join(re.escape(c) if folded(c) == c else f"[{c}{folded(c)}]" for c in phrase)


def glossary_of(
    conditions: list[dict[str, Any]], step_phrases: Iterable[str] = (), names: dict[str, str] | None = None
) -> Glossary:
    """The phrases of these branches of the shipped DSL's conditions, or the `names` of a schema of another form."""
    named: dict[str, Named] = {}
    fields: dict[str, Named] = {}
    for condition in conditions:
        parts = condition["properties"]
        name = parts["field"]["const"]
        entry = named.setdefault(name, Named(name))
        said_for = [said for said, spelling in described(parts["field"]).items() if spelling == name]
        fields |= {lowered(said): entry for said in (words_of(name), name, *said_for)}
        aliases = parts["operator"]["enum"]
        entry.operators |= {lowered(said): a for said, a in described(parts["operator"]).items() if a in aliases}
        entry.values |= _values(parts["value"])
        entry.truths |= _truths(condition)
    if names is not None:
        named = {"": Named("", values=names)}
    steps = {lowered(said) for said in step_phrases}
    of_fields = ({*entry.operators, *entry.values, *entry.truths} for entry in named.values())
    phrases = {*fields, *steps}.union(*of_fields) - {""}
    longest_first = "|".join(map(_as_typed, sorted(phrases, key=len, reverse=True))) or "(?!)"
    return Glossary(
        fields,
        list(named.values()),
        steps,
        re.compile(rf"{LEFT_ALONE}|(?<!\w)(?<!\bn')(?P<said>{longest_first})(?!\w)"),
        {folded(phrase): phrase for phrase in sorted(phrases)},
        {word: folded(word) for phrase in sorted(phrases) for word in re.findall(WORD, phrase)},
    )


@lru_cache(maxsize=64)
def _glossary_of_schema(text: str) -> Glossary:
    schema = json.loads(text)
    conditions = conditions_of(schema)
    return glossary_of(conditions, step_phrases_of(schema), None if conditions else _names_in(schema))


def linked(request: str, schema: str | Glossary) -> str:
    """The request with the spellings of `spellings_said` in brackets behind its phrases."""
    return with_notes(request, spellings_said(request, schema))


def _read(request: str, glossary: Glossary) -> tuple[str, list[int]]:
    """A request as its glossary reads it, and where in the request each of its characters, and its end, stands."""
    text, places, at = "", [], 0
    for match in re.finditer(rf"{LEFT_ALONE}|(?P<word>{WORD})", request):
        if match["word"] and (word := glossary.read(match["word"])) != match["word"]:
            text += request[at : match.start()] + word
            places += [*range(at, match.start()), *[match.start()] * len(word)]
            at = match.end()
    return text + request[at:], [*places, *range(at, len(request) + 1)]


def spellings_said(
    request: str, schema: str | Glossary, of_time: Iterable[tuple[int, int]] = ()
) -> list[tuple[int, str]]:
    """(end, spelling) of each phrase of a request that a schema (compact JSON, or its glossary) lists.

    An operator is that of the field that was said before it, or else after it; a value that of those fields, or else of
    any. Where the field does not have it nothing stands behind it. Behind a truth value, which is said by itself, stands its
    whole condition. Of a schema of another form the names of properties and the values of enums are linked, said as words
    or as they are. What is quoted, in brackets or between places `of_time` (start, end) is left alone.
    """
    glossary = _glossary_of_schema(schema) if isinstance(schema, str) else schema
    text, places = _read(lowered(request), glossary)
    taken = [range(*place) for place in of_time]
    found = [
        match
        for match in glossary.said.finditer(text)
        if match["said"] and not any(places[at] in place for place in taken for at in (match.start(), match.end() - 1))
    ]
    said = [glossary.phrase(match["said"]) for match in found]
    owners = [glossary.fields.get(phrase) for phrase in said]
    shown = [(places[match.end()], _spelling(glossary, said, owners, index)) for index, match in enumerate(found)]
    return [(end, spelling) for end, spelling in shown if spelling]


def _spelling(glossary: Glossary, said: list[str], owners: list[Named | None], index: int) -> str | None:
    """What stands for the phrase at this index, or None."""
    phrase = said[index]
    if (own := owners[index]) is not None:
        return own.truths.get(phrase, own.name)
    if phrase in glossary.steps:
        return STEP
    before = next((owner for owner in reversed(owners[:index]) if owner), None)
    after = next((owner for owner in owners[index + 1 :] if owner), None)
    # A field takes the first operator behind it; a second one may stand before the next field ("at least 3 items").
    taken = index > 0 and owners[index - 1] is None and any(said[index - 1] in o.operators for o in (before,) if o)
    near = [before] if before and not taken else [before, after]
    for entry in near:
        if entry and phrase in entry.operators:
            return entry.operators[phrase]
    for entry in [before, after, *glossary.named]:
        if entry and (phrase in entry.values or phrase in entry.truths):
            return entry.values.get(phrase) or entry.truths[phrase]
    return None
