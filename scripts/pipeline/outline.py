"""What a request says of which property of its schema, nested and ordered as an answer has them.

A schema that a user brings asks for an order and a nesting of its own, whatever the order of the request, and a small model
has to ask of each property whether the request names it, and where. Rules that read the schema's words (`linking.py`) know that
already, so that a prompt says it: `customer: Ada Diaz; lines (product: mug; quantity: 2) (product: lamp)`.

Behind a name stand the words from it to the next one, or its value where that stands before it, without those around a value
(`reading.value_in`), and at the end behind `?` what has a number or a quotation and no name. Where a request nests what it says
in brackets, each pair that has names in it is an object of its own; without them a list's next one begins where a name is said
again. The rules read names, not sense: what is said in other words is left to whoever reads the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from pipeline.dsl import can_refuse, conditions_of
from pipeline.json_schemas import properties_in, reachable
from pipeline.linking import MISSING
from pipeline.reading import LEFT_ALONE, QUOTED, WORD, Note, value_in, with_notes

DEEPEST = 60
"""Brackets in brackets that are told apart."""
MOST_PLACES = 500
"""Properties among which a name is looked for whose object is not named: schemas may have themselves in them."""

UNNAMED = rf"(?<!\w)\d+(?!\w)|{QUOTED}"
"""How what is said of no property is told from the words around a request."""
UNKNOWN = re.compile(rf",\s+({WORD}\s+(?:{QUOTED}))(?=\s*(?:,|$))")
"""Among what is said of a property, what has a name that is none of the schema's: `limit 9, colour "red"`."""
NUMBER_LAST = re.compile(r"(?<![\w.,-])-?\d[\d.,]*\s+$")
NUMBER_NEXT = re.compile(rf"[ :=]*(?:{WORD} ){{0,2}}\d")
"""A number right before a name, and one that is said of it."""
VALUE_ENDS = re.compile(r"\s*([,;)}]|$)")


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
    def here(self) -> list[dict[str, Any]]:
        """What applies to the value itself."""
        return reachable(self.schemas, self.definitions)

    @cached_property
    def is_list(self) -> bool:
        """Whether the value is a list, whatever else the schema says."""
        kinds = {part["type"] if isinstance(part["type"], str) else "" for part in self.here if "type" in part}
        return kinds <= {"array"} and any("items" in part for part in self.here)

    @cached_property
    def is_number(self) -> bool:
        """Whether the value may be a number."""
        return any(part.get("type") in ("integer", "number") for part in self.here)

    @cached_property
    def values(self) -> set[str]:
        """The texts that the schema lists for it."""
        return {value for part in self.here for value in part.get("enum", ()) if isinstance(value, str)}

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
    """An object that a request speaks of: what it says of its properties, and each with the objects there."""

    place: Place
    parts: dict[str, list[Said]] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    """Property -> what is said behind its name, each time that it is named."""
    last: str | None = None
    """The property that was named last, where it has properties itself: what is in brackets behind it belongs to it."""
    opened: bool = False

    def name(self, name: str) -> Said | None:
        """This object, which has the property that is named from now on, or None where it has none of that name."""
        if name not in self.place.parts:
            return None
        part = self.place.parts[name]
        self.parts.setdefault(name, [Said(part)])
        self.last = name if part.parts else None
        return self

    def name_below(self, name: str) -> Said | None:
        """As `name`, of the object that was named last in this one: of a list's next one where that has said it already."""
        if self.last is None:
            return None
        objects = self.parts[self.last]
        if self.place.parts[self.last].is_list and name in objects[-1].words:
            objects.append(Said(objects[-1].place))
        return objects[-1].name(name)

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
        """The names in the order of the schema, each with what is said of it."""
        return "; ".join(self._written(name) for name in self.place.parts if name in self.parts)

    def _written(self, name: str) -> str:
        words = " / ".join(filter(None, self.words.get(name, [])))
        objects = [f"({one.written()})" for one in self.parts[name] if one.parts]
        return " ".join([f"{name}: {words}" if words else name, *objects])


@lru_cache(maxsize=64)
def _root_of(text: str) -> Place:
    schema = json.loads(text)
    own = schema["anyOf"][0] if can_refuse(schema) else schema
    return Place([] if conditions_of(schema) else [own], schema.get("$defs", {}) if isinstance(schema, dict) else {})


class _Reader:
    """Goes through a request once: which objects it speaks of, and what it says of the property named last."""

    def __init__(self, request: str, place: Place) -> None:
        self.request = request
        self.within = [(Said(place), 0)]
        """The objects whose brackets are open, and where they opened."""
        self.named: tuple[Said, str] | None = None
        self.start = 0
        """Where what is said of the property, or of none, begins."""
        self.inside: list[Note] = []
        """The notes in it."""
        self.left: list[Note] = []
        self.rest: list[str] = []
        """What has a value and is said of no property."""

    def name(self, note: Note) -> bool:
        """A property is named; False where there is none of that name."""
        if note.shown not in self.within[0][0].place.paths:
            return False
        if self.named is None or not self._is_value(note):
            found = self._with_property(note.shown)
            if found is None:
                return False
            said = found.words.setdefault(note.shown, [])
            start = self._value_before(found.place.parts[note.shown], note)
            if start is not None:
                said.append(self._words(start, note.start).strip())
            self.end(note.start if start is None else start)
            self.named, self.start = (found, note.shown) if start is None else None, note.end
        return True

    def value(self, note: Note) -> None:
        """A part of the request has this note, and names no property."""
        self.left.append(note)
        self.inside.append(note)

    def end(self, at: int) -> None:
        """What is said of the property, or of none, ends here."""
        words = self._words(self.start, at)
        if self.named is not None:
            said, name = self.named
            self.rest += [found[1] for found in UNKNOWN.finditer(words)]
            words = UNKNOWN.sub("", words).rstrip(" ({")
            said.words[name].append(value_in(words, listed=said.place.parts[name].is_list))
        elif re.search(UNNAMED, words):
            self.rest.append(words.strip(" :=,;(){}"))
        self.named, self.inside, self.start = None, [], at

    def open(self, at: int) -> None:
        """Brackets open: another object, where what was named last has properties."""
        outer = self.within[-1][0]
        inner = outer.inside() if len(self.within) < DEEPEST else outer
        if inner is not outer:
            self.end(at)
        self.within.append((inner, at))

    def close(self, at: int) -> None:
        """Brackets close, and what was said in them of a property ends."""
        if self.within[-1][1] < self.start:
            self.end(at)
        self.within = self.within[:-1] or self.within

    def _words(self, start: int, end: int) -> str:
        """A part of the request with the notes in it."""
        within = (note for note in self.inside if start < note.end <= end)
        notes = (Note(note.start - start, note.end - start, note.shown) for note in within)
        return with_notes(self.request[start:end], notes)

    def _value_before(self, place: Place, note: Note) -> int | None:
        """Where a value begins that stands right before its property's name, as in "30 minutes" or "express delivery"."""
        listed = [said.start for said in self.inside if said.end == note.start - 1 and said.shown in place.values]
        if place.is_number and not NUMBER_NEXT.match(self.request, note.end):
            number = NUMBER_LAST.search(self.request, self.start, note.start)
            listed += [number.start()] if number else []
        return listed[0] if listed else None

    def _is_value(self, note: Note) -> bool:
        """Whether a name is what is said of the property before it, as in "customer: delivery, size 3"."""
        said, name = self.named or (None, "")
        nothing = re.compile("[^,;]+" if self.request[note.start] in '"\u201c\u00ab' else "[ :=]+")
        return (
            said is not None
            and not said.place.parts[name].parts
            and nothing.fullmatch(self.request, self.start, note.start) is not None
            and VALUE_ENDS.match(self.request, note.end) is not None
        )

    def _with_property(self, name: str) -> Said | None:
        """The innermost of the objects spoken of that has this property, the one named last in it included."""
        for outer, _ in reversed(self.within):
            if found := outer.name(name) or outer.name_below(name):
                return found
        at = holder = self.within[0][0]
        way = at.place.paths.get(name) or ()
        for step in way:
            holder = at.name(step)
            at = at.parts[step][-1]
        return holder if way else None


def outline(request: str, schema: str, notes: Iterable[Note]) -> tuple[str, list[Note]]:
    """What a request says of which property of a schema (compact JSON), and those of its notes that name no property.

    "" where it names none, and for schemas of the shipped form. `notes` are those of time and of `linking.spellings_said`; a name
    in quotes, spelled as in the schema, counts too. A name belongs to the object in whose brackets it stands, or to the one
    named before it, or where there is one place of that name alone.
    """
    reader = _Reader(request, _root_of(schema))
    signs = (Note(*match.span(), match[0]) for match in re.finditer(rf"{LEFT_ALONE}|[(){{}}]", request))
    marks = [(note.end, False, note) for note in notes] + [(sign.end, True, sign) for sign in signs]
    for _, is_sign, mark in sorted(marks):
        if not is_sign:
            if not reader.name(mark):
                reader.value(mark)
        elif mark.shown in ("(", "{"):
            reader.open(mark.start)
        elif mark.shown in (")", "}"):
            reader.close(mark.start)
        elif mark.shown[0] != "[":
            reader.name(mark._replace(shown=mark.shown[1:-1].strip()))
    reader.end(len(request))
    named = reader.within[0][0].written()
    rest = f"{MISSING}: {' / '.join(reader.rest)}" if reader.rest else ""
    return "; ".join(filter(None, (named, rest if named else ""))), reader.left
