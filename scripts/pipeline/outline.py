"""Which properties of its schema a request names, nested and ordered as an answer has them.

A schema that a user brings asks for an order and a nesting of its own, whatever the order of the request, and a small model has to
ask of each property whether the request names it. Rules that read the schema's words (`linking.py`) know that already, so
that a prompt says it: `customer, lines (product, quantity) (product), delivery`. Where a request nests what it says in brackets,
each pair is an object of its own. The rules read names, not sense, and what is said in other words is not among them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from pipeline.dsl import can_refuse, conditions_of
from pipeline.json_schemas import properties_in
from pipeline.reading import LEFT_ALONE

DEEPEST = 60
"""Brackets in brackets that are told apart."""
MOST_PLACES = 500
"""Properties among which a name is looked for whose object is not named: schemas may have themselves in them."""


@dataclass
class Place:
    """Where values stand: the schemas of them, and of the items where they are lists."""

    schemas: list[Any]
    definitions: dict[str, Any]

    @cached_property
    def parts(self) -> dict[str, Place]:
        """The properties of the objects here, in the order of the document."""
        found = properties_in(self.schemas, self.definitions, items=True)
        return {name: Place(schemas, self.definitions) for name, schemas in found.items()}

    @cached_property
    def paths(self) -> dict[str, tuple[str, ...] | None]:
        """The way to each name below this place; None where there are several."""
        found: dict[str, tuple[str, ...] | None] = {}
        open_places: list[tuple[tuple[str, ...], Place]] = [((), self)]
        for path, place in open_places:
            below = [((*path, name), part) for name, part in place.parts.items()]
            found |= {way[-1]: None if way[-1] in found else way for way, _ in below}
            open_places += below[: MOST_PLACES - len(open_places)]
        return found


@dataclass
class Said:
    """An object that a request speaks of: which of its properties are named, each with the objects there."""

    place: Place
    parts: dict[str, list[Said]] = field(default_factory=dict)
    last: str | None = None
    """The property that was named last, where it has properties itself: what is in brackets behind it belongs to it."""
    opened: bool = False

    def name(self, name: str) -> bool:
        """Note that this property is named; False where there is none of that name."""
        if name not in self.place.parts:
            return False
        part = self.place.parts[name]
        self.parts.setdefault(name, [Said(part)])
        self.last = name if part.parts else None
        return True

    def inside(self) -> Said:
        """The object that brackets which open now speak of: a new one where the last one had its own."""
        if self.last is None:
            return self
        objects = self.parts[self.last]
        if objects[-1].opened:
            objects.append(Said(objects[-1].place))
        objects[-1].opened = True
        return objects[-1]

    def written(self) -> str:
        """The names in the order of the schema."""
        names = (name for name in self.place.parts if name in self.parts)
        return ", ".join(" ".join([name, *_objects(self.parts[name])]) for name in names)


def _objects(said: list[Said]) -> list[str]:
    return [f"({one.written()})" for one in said if one.parts]


@lru_cache(maxsize=64)
def _root_of(text: str) -> Place:
    schema = json.loads(text)
    own = schema["anyOf"][0] if can_refuse(schema) else schema
    return Place([] if conditions_of(schema) else [own], schema.get("$defs", {}) if isinstance(schema, dict) else {})


def names_said(request: str, schema: str, spellings: Iterable[tuple[int, str]]) -> str:
    """The properties of a schema (compact JSON) that a request names, by the spellings that were found in it; "" for none,
    and for schemas of the shipped form.

    `spellings` are (end, spelling) as `linking.spellings_said` gives them; a name in quotes, spelled as in the schema, counts
    too. A name belongs to the object in whose brackets it stands, or to the one named before it, or where there is one
    place of that name alone.
    """
    root = Said(_root_of(schema))
    within = [root]
    signs = ((match.end(), match[0]) for match in re.finditer(rf"{LEFT_ALONE}|[(){{}}]", request))
    marks = [(end, name, "") for end, name in spellings] + [(end, "", sign) for end, sign in signs]
    for _, name, sign in sorted(marks):
        if sign in ("(", "{"):
            within.append(within[-1].inside() if len(within) < DEEPEST else within[-1])
        elif sign in (")", "}"):
            within = within[:-1] or [root]
        elif sign[:1] != "[":
            _note(within, name or sign[1:-1])
    return root.written()


def _note(within: list[Said], name: str) -> None:
    """Note a name in the innermost of these objects that has it, the one named last in it included."""
    for outer in reversed(within):
        if outer.name(name) or (outer.last and outer.parts[outer.last][-1].name(name)):
            return
    at = within[0]
    for step in at.place.paths.get(name) or ():
        at.name(step)
        at = at.parts[step][-1]
