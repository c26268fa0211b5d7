"""Schema linking: behind what a request says in words of its schema stands the schema's spelling in brackets.

A schema of the shipped DSL lists what people say for its fields, operators and values; whether a phrase is among them is
a matter of looking, and rules look without mistakes: `job title [JobTitle] starts with [startsWith] "a"`. What a schema
does not list stays as it is, and that nothing stands behind it says so. Anchor texts of BRIDGE (Lin et al. 2020, arXiv
2012.12627), with the schema's own phrases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline.calendar import folded
from pipeline.dsl import STEP, conditions_of, described, step_phrases_of


@dataclass
class Named:
    """What one field's conditions say: operators and values, folded phrase -> spelling."""

    name: str
    operators: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Glossary:
    """A schema's phrases, folded: those of its fields, what each field's conditions say, and those before another step."""

    fields: dict[str, Named]
    named: list[Named]
    steps: set[str]
    said: re.Pattern[str]


def spoken(name: str) -> str:
    """The words of a name: `startDate`, `start_date` and `START-DATE` are all `start date`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[\s_-]+", " ", apart).strip().lower()


def _values(condition: dict[str, Any]) -> dict[str, str]:
    """What is said for the values of a condition, folded -> spelling; for a truth value the whole condition."""
    parts = condition["properties"]
    scalar = parts["value"].get("items", parts["value"])
    said = described(scalar)
    if scalar.get("type") == "boolean":
        whole = f"{parts['field']['const']} {parts['operator']['enum'][0]}"
        return {folded(phrase): f"{whole} {value}" for phrase, value in said.items() if value in ("true", "false")}
    known = [value for value in scalar.get("enum", ()) if isinstance(value, str)]
    found = {folded(phrase): value for value in known for phrase in (spoken(value), value)}
    return found | {folded(phrase): value for phrase, value in said.items() if value in known}


@lru_cache(maxsize=64)
def _glossary(text: str) -> Glossary | None:
    """The phrases of a schema in compact JSON, or None where it is none of the shipped DSL."""
    import json

    schema = json.loads(text)
    named: dict[str, Named] = {}
    fields: dict[str, Named] = {}
    for condition in conditions_of(schema):
        parts = condition["properties"]
        name = parts["field"]["const"]
        entry = named.setdefault(name, Named(name))
        fields |= {folded(said): entry for said in (spoken(name), name, *described(parts["field"]))}
        entry.operators |= {folded(said): alias for said, alias in described(parts["operator"]).items()}
        entry.values |= _values(condition)
    if not named:
        return None
    steps = {folded(said) for said in step_phrases_of(schema)}
    phrases = {*fields, *steps}.union(*({*entry.operators, *entry.values} for entry in named.values()))
    longest_first = "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))
    said = re.compile(
        r'"[^"]*"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb|\[[^]]*\]' rf"|(?<!\w)(?P<said>{longest_first})(?!\w)"
    )
    return Glossary(fields, list(named.values()), steps, said)


def linked(request: str, schema_text: str) -> str:
    """The request with the spelling of each phrase that a schema (compact JSON) lists in brackets behind it.

    An operator is that of the field that was said before it, or else after it; a value that of those fields, or else of
    any. Where the field does not have it nothing stands behind it. Behind a truth value, which is said by itself, stands its
    whole condition. What is quoted or in brackets is left alone, as is a request for any other schema.
    """
    glossary = _glossary(schema_text)
    if glossary is None:
        return request
    found = [match for match in glossary.said.finditer(folded(request)) if match["said"]]
    owners = [glossary.fields.get(match["said"]) for match in found]
    parts, at = [], 0
    for index, match in enumerate(found):
        if shown := _spelling(glossary, [m["said"] for m in found], owners, index):
            parts.append(f"{request[at : match.end()]} [{shown}]")
            at = match.end()
    return "".join(parts) + request[at:]


def _spelling(glossary: Glossary, said: list[str], owners: list[Named | None], index: int) -> str | None:
    """What stands for the phrase at this index, or None."""
    phrase = said[index]
    if (own := owners[index]) is not None:
        return own.name
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
        if entry and phrase in entry.values:
            return entry.values[phrase]
    return None
