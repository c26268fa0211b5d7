"""Where values stand in a schema that a user brings, and which of its places a value fits that is said without a name.

"12 september 2024" is the `day` of a schema that has one place for dates, "weekly" belongs where "weekly" is listed.
The text that stands before all of that is what the schema needs one of, where it needs one text that nothing names.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

from pipeline.requests.calendar import read_day
from pipeline.schemas.json_schemas import properties_in, reachable
from pipeline.schemas.names import CALLED, last_word

MOST_PLACES = 500
"""Properties that are looked at: schemas may have themselves in them."""
Way = tuple[str, ...]
"""Names from the root to a property."""
Kind = tuple[str, ...]
"""What a value is told by wherever it stands: that a schema lists it, ("listed", "weekly"), or its form alone,
("date",), or the pattern that it has."""

DATE, CLOCK, MOMENT, EMAIL, URI = ("date",), ("clock",), ("moment",), ("email",), ("uri",)
NUMBER, SPAN = ("number",), ("span",)
"""What is no place's own: a number belongs where words around it say so, a time span to two places for dates."""
KIND_OF_FORMAT = {
    "date": DATE, "time": CLOCK, "date-time": MOMENT, "email": EMAIL, "idn-email": EMAIL, "uri": URI, "iri": URI,
}  # fmt: skip
FORMS = re.compile(
    r"(?P<email>(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)|(?P<uri>https?://[^\s,;()]+)"
    r"|(?<![\w:.-])(?P<moment>\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))(?![\w:-])"
    r"|(?<![\w:.-])(?P<clock>\d{1,2}:\d\d)(?![\w:.-])"
)
"""Values that are told by their form but for dates, which `calendar.py` reads; the groups are kinds."""


def form_of(text: str) -> Kind | None:
    """What a value is told by its form alone, or None."""
    match = FORMS.fullmatch(text)
    return DATE if read_day(text) else (str(match.lastgroup),) if match else None


def listed(value: str) -> Kind:
    """The kind of a value that a schema lists."""
    return ("listed", value)


def of_clocks(pattern: str) -> bool:
    """Whether texts of a pattern are times of day and no other texts."""
    return re.search(pattern, "12:30") is not None and not any(
        re.search(pattern, text) for text in ("1230", "a:b", "noon")
    )


@cache
def told_by(pattern: str) -> Kind | None:
    """What texts of a pattern are told by, or None where words or numbers are such texts, too."""
    if of_clocks(pattern):
        return CLOCK
    if any(re.search(pattern, text) for text in ("a", "ada", "Ada", "ADA", "a b", "Ada B", "1", "12", "1.5", "a-b")):
        return None
    is_whole = pattern.startswith("^") and pattern.endswith("$") and "," not in pattern
    return DATE if re.search(pattern, "2024-06-03") else ("pattern", pattern) if is_whole else None


class Counted(NamedTuple):
    """A list of objects of which people say how many of what, and the properties of an item: "2 mugs and 1 lamp"."""

    name: str
    number: str
    text: str


class Item(NamedTuple):
    """Where values stand in the items of a list: the way to the list, and from an item on; () where they are the
    items. `are_many` where they are the items of a list in an item."""

    to: Way
    below: Way
    are_many: bool


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
    def items(self) -> Place:
        """The items of the lists here."""
        return Place([part["items"] for part in self.here if "items" in part], self.definitions)

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
    def types(self) -> set[str]:
        """The types that the schema names for the value."""
        named = [part["type"] for part in self.here if "type" in part]
        return {kind for kinds in named for kind in ([kinds] if isinstance(kinds, str) else kinds)}

    @cached_property
    def is_number(self) -> bool:
        """Whether the value may be a number."""
        return not self.types.isdisjoint({"integer", "number"})

    @cached_property
    def is_truth(self) -> bool:
        """Whether the value is true or false."""
        return "boolean" in self.types

    @cached_property
    def is_text(self) -> bool:
        """Whether the value is a text of which the schema says no more."""
        kinds = [part["type"] for part in self.here if "type" in part]
        told = ("enum", "const", "format", "pattern", "contentEncoding")
        return (
            bool(kinds)
            and {*map(str, kinds)} == {"string"}
            and not any(key in part for part in self.here for key in told)
        )

    @cached_property
    def values(self) -> dict[str, None]:
        """The texts that the schema lists for it, in its order."""
        return dict.fromkeys(value for part in self.here for value in part.get("enum", ()) if isinstance(value, str))

    @cached_property
    def listed_values(self) -> dict[str, None]:
        """The texts that the schema lists for it, or for the items of a list, in its order."""
        return self.items.values if self.is_list else self.values

    @cached_property
    def is_listed(self) -> bool:
        """Whether the values, or the items of a list, are texts that the schema lists and no others."""
        if self.is_list:
            return self.items.is_listed
        others = any("type" in part and "enum" not in part and "const" not in part for part in self.here)
        known = [value for part in self.here for value in part.get("enum", ())]
        return bool(known) and not others and all(isinstance(value, str) for value in known)

    @cached_property
    def is_open(self) -> bool:
        """Whether an object here may have properties that have no names in the schema."""
        return any(
            "patternProperties" in part or part.get("additionalProperties") or part.get("unevaluatedProperties")
            for part in self.here
        )

    @cached_property
    def kinds(self) -> set[Kind]:
        """What its values are told by wherever they stand."""
        found = {KIND_OF_FORMAT[part["format"]] for part in self.here if part.get("format") in KIND_OF_FORMAT}
        patterns = {told_by(part["pattern"]) for part in self.here if isinstance(part.get("pattern"), str)}
        return found | {kind for kind in patterns if kind} | set(map(listed, self.values))

    @cached_property
    def patterns(self) -> set[Kind]:
        """What texts of patterns are told by anywhere below this place."""
        kinds = {kind for _, place, _ in self.ways for kind in place.kinds | place.items.kinds}
        return {kind for kind in kinds if kind[0] == "pattern"}

    @cached_property
    def needed(self) -> set[str]:
        """The properties that an object here has to have."""
        return {name for part in self.here for name in part.get("required", ())}

    @cached_property
    def needed_texts(self) -> list[str]:
        """The properties that an object here has to have and whose values are texts of which the schema says no
        more."""
        return [name for name in self.texts if name in self.needed]

    @cached_property
    def texts(self) -> list[str]:
        """The properties of an object here whose values are texts of which the schema says no more."""
        return [name for name, part in self.parts.items() if part.is_text]

    @cached_property
    def called(self) -> list[str]:
        """The properties that say what an object here is called, in a text of which the schema says no more."""
        return [name for name in self.texts if last_word(name) in CALLED]

    @cached_property
    def is_short(self) -> bool:
        """Whether a value has no comma in it: a number, what is true or false, listed, or told by its form."""
        kinds = {str(part["type"]) for part in self.here if "type" in part}
        return bool(self.kinds) or (bool(kinds) and kinds <= {"integer", "number", "boolean", "null"})

    @cached_property
    def counted(self) -> Counted | None:
        """The one list that an object here needs whose items need one number and one text of which the schema says no
        more."""
        found = []
        for name, place in self.parts.items():
            numbers, texts = place.items.needed_numbers, place.items.needed_texts
            if name in self.needed and place.is_list and len(numbers) == len(texts) == 1:
                found.append(Counted(name, numbers[0], texts[0]))
        return found[0] if len(found) == 1 else None

    @cached_property
    def ways(self) -> list[tuple[Way, Place, tuple[int, ...]]]:
        """The way to each place below this one, and how many of its names lead to each of the lists on it."""
        found: list[tuple[Way, Place, tuple[int, ...]]] = []
        waiting: list[tuple[Way, Place, tuple[int, ...]]] = [((), self, ())]
        for way, place, lists in waiting:
            if any("items" in part for part in place.here):
                lists = (*lists, len(way))
            below = [((*way, name), part, lists) for name, part in place.parts.items()]
            found += below
            waiting += below[: MOST_PLACES - len(waiting)]
        return found

    @cached_property
    def paths(self) -> dict[str, Way | None]:
        """The way to each name below this place; None where there are several."""
        found: dict[str, Way | None] = {}
        for way, _, _ in self.ways:
            found[way[-1]] = None if way[-1] in found else way
        return found

    def fitting(self, named: Collection[str]) -> dict[Kind, Way]:
        """Kind of values -> the way to the one place for them that is none of those `named`."""
        found: dict[Kind, list[Way]] = {}
        for way, place, lists in self.ways:
            for kind in place.kinds if way[-1] not in named else ():
                found.setdefault(kind, []).append(() if lists else way)
        return {kind: ways[0] for kind, ways in found.items() if len(ways) == 1 and ways[0]}

    def at(self, way: Way) -> Place:
        """The place at the end of a way from here."""
        place = self
        for name in way:
            place = place.parts[name]
        return place

    def alike(self, named: Collection[str]) -> list[tuple[set[Kind], list[Way]]]:
        """Several places, none of them `named` or in a list, for values of the same kinds that stand nowhere else: a
        first and a last day. The kinds, and the ways in the order of the document."""
        found: dict[frozenset[Kind], list[Way]] = {}
        elsewhere: set[Kind] = set()
        for way, place, lists in self.ways:
            kinds = place.kinds | (place.items.kinds if place.is_list else set())
            if kinds and (lists or way[-1] in named or self.paths[way[-1]] is None):
                elsewhere |= kinds
            elif kinds:
                found.setdefault(frozenset(kinds), []).append(way)
        apart = lambda kinds: elsewhere.isdisjoint(kinds) and all(k == kinds or k.isdisjoint(kinds) for k in found)
        return [({*kinds}, ways) for kinds, ways in found.items() if len(ways) > 1 and apart(kinds)]

    @cached_property
    def remarks(self) -> str:
        """What the schema says of it in words."""
        return " ".join(str(part["description"]) for part in self.here if "description" in part)

    def numbers(self, named: Collection[str]) -> list[Way]:
        """The ways to the numbers here that are in no list and none of those `named`."""
        return [
            way
            for way, place, lists in self.ways
            if place.is_number and not lists and way[-1] not in named and self.paths[way[-1]]
        ]

    @cached_property
    def needed_numbers(self) -> list[str]:
        """The properties that an object here has to have and whose values may be numbers."""
        return [name for name, part in self.parts.items() if name in self.needed and part.is_number]

    def needed_number(self, named: Collection[str]) -> Way | Item | None:
        """Where the one number belongs that an object here needs, or else the items of a list, and is none of those
        `named`; not where items are counted."""
        alone = [name for name in self.needed_numbers if name not in named]
        if alone:
            return (alone[0],) if len(alone) == 1 else None
        found = [
            Item((name,), (below,), False)
            for name, place in self.parts.items()
            if place.is_list and not (self.counted and self.counted.name == name)
            for below in place.items.needed_numbers
            if below not in named and self.paths[below]
        ]
        return found[0] if len(found) == 1 else None

    def fitting_items(self, named: Collection[str]) -> dict[Kind, Item]:
        """As `fitting`, of values that stand in the items of one list, or are them."""
        found: dict[Kind, list[Item | None]] = {}
        for way, place, lists in self.ways:
            are_items = place.items.kinds if place.is_list else set()
            for kind in place.kinds | are_items if way[-1] not in named else ():
                to, *more = (*lists, len(way)) if kind in are_items else lists or (0,)
                is_told = to and more in ([], [len(way)])
                found.setdefault(kind, []).append(Item(way[:to], way[to:], bool(more)) if is_told else None)
        return {kind: items[0] for kind, items in found.items() if len(items) == 1 and items[0]}
