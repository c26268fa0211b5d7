"""What a request says of which property of its schema, nested and ordered as an answer has them.

A schema that a user brings asks for an order and a nesting of its own, whatever the order of the request, and a small
model has to ask of each property whether the request names it, and where. Rules that read the schema's words
(`linking.py`) know that already, so that a prompt says it: `customer: Ada Diaz; lines (product: mug; quantity: 2)
(product: lamp)`.

Behind a name stand the words from it to the next one, or its value where that stands before it, without those around a
value (`reading.value_in`). A value without a name stands in the one place that it fits (`places.py`), the text before
all of that in the one that the schema needs; what is counted ("2 mugs and 1 lamp") are the items of the one list that
it needs. At the end stands behind `?` what else has a number or a quotation. Where a request nests what it says in
brackets, each pair that has names in it is an object of its own; without them a list's next one begins where a name is
said again. The rules read names and forms, not sense: what is said in other words is left to whoever reads the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pipeline.calendar import read_day
from pipeline.dsl import can_refuse, conditions_of
from pipeline.linking import MISSING, TRUTH_NEXT
from pipeline.places import CLOCK, DATE, FORMS, Counted, Kind, Place, Way, listed
from pipeline.reading import (
    LEFT_ALONE,
    QUOTED,
    WORD,
    Note,
    counts_in,
    denied,
    lowered,
    part_begins,
    part_ends,
    parts_of,
    said_around,
    value_in,
    with_notes,
    words_of,
)

DEEPEST = 60
"""Brackets in brackets that are told apart."""
UNNAMED = rf"(?<!\w)\d+(?!\w)|{QUOTED}"
"""How what is said of no property is told from the words around a request."""
UNKNOWN = re.compile(rf",\s+({WORD}\s+(?:{QUOTED}))(?=\s*(?:,|$))")
"""Among what is said of a property, what has a name that is none of the schema's: `limit 9, colour "red"`."""
NUMBER_LAST = re.compile(r"(?<![\w.,-])-?\d[\d.,]*\s+$")
NUMBER_NEXT = re.compile(rf"[ :=]*(?:{WORD} ){{0,2}}\d")
"""A number right before a name, and one that is said of it."""
FAR = 60
"""Characters before a value in which a part may begin, and behind a name in which it is said to be true or false."""
ONE_DAY = re.compile(r"(\S+) \1")
"""A time span of one day."""
SIGN, TO_SIGN, DIGIT = re.compile(r"[,;]\s"), re.compile("[^,;]*"), re.compile(r"\d")
VALUE_ENDS = re.compile(r"\s*([,;)}]|$)")


class Value(NamedTuple):
    """A value in a request that is told by what it is."""

    start: int
    end: int
    kind: Kind


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

    def forget(self, name: str) -> None:
        """The property that was named is not spoken of where nothing was said of it."""
        if not any([*self.words[name], *(one.parts for one in self.parts.get(name, []))]):
            self.parts.pop(name, None)

    def name_below(self, name: str) -> Said | None:
        """As `name`, of the object that was named last in this one: of a list's next one where that has said it
        already."""
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


def _values_in(request: str, notes: list[Note], names: Collection[str]) -> list[Value]:
    """What is told in a request by what it is, one after the other: what the schema lists, days, times, addresses."""
    days = [Value(*n[:2], DATE) for n in notes if read_day(n.shown or request[n.start : n.end])]
    alone = [Value(*n[:2], listed(n.shown)) for n in notes if n.shown and n.shown not in names]
    forms = [Value(*match.span(), (str(match.lastgroup),)) for match in FORMS.finditer(request)]
    quoted = [range(*m.span()) for m in re.finditer(LEFT_ALONE, request)]
    return sorted(value for value in [*days, *alone, *forms] if not any(value.start in part for part in quoted))


class _Reader:
    """Goes through a request once: which objects it speaks of, and what it says of the property named last."""

    def __init__(self, request: str, place: Place, notes: list[Note]) -> None:
        self.request = request
        quoted = {said[1:-1].strip() for said in re.findall(QUOTED, request)}
        named = ({note.shown for note in notes} | quoted) & {*place.paths}
        self.fitting = place.fitting(named)
        """Kind of values -> the place that they belong to where they are said without a name."""
        self.values = [value for value in _values_in(request, notes, place.paths) if value.kind in self.fitting]
        needed = [name for name in place.needed_texts if name not in named]
        self.needed = needed[0] if len(needed) == 1 else None
        """The property that the first text without a name is said of."""
        self.counted = place.counted if place.counted and not named & {place.counted.name, *place.counted[1:]} else None
        """The list that what is counted is said of where no name of it is."""
        titles = [part["title"] for part in place.here if isinstance(part.get("title"), str)]
        self.title = words_of(titles[0]) if titles else ""
        words = r"[\s_-]*".join(map(re.escape, self.title.split())) or "(?!)"
        self.title_before = re.compile(rf".*(?<!\w){words}\s*[:=]\s*", re.IGNORECASE)
        self.title_first = re.compile(rf"{words}\s+" if " " in self.title else "(?!)", re.IGNORECASE)
        self.within = [(Said(place), 0)]
        """The objects whose brackets are open, and where they opened."""
        self.named: tuple[Said, str] | None = None
        self.name_at = 0
        """Where the property was named."""
        self.start = 0
        """Where what is said of the property, or of none, begins."""
        self.inside: list[Note] = []
        """The notes in it."""
        self.doubtful: list[tuple[Said, str]] = []
        """What a preposition named and nothing was said of then."""
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
            said, place = found.words.setdefault(note.shown, []), found.place.parts[note.shown]
            start, words = self._value_before(place, note) or (note.start, None)
            said += [words] if words else []
            self.end(start)
            self.named, self.start = None if words else (found, note.shown), note.end
            self.name_at = note.start
        return True

    def value(self, note: Note) -> None:
        """A part of the request has this note, and names no property."""
        self.left.append(note)
        self.inside.append(note)

    def end(self, at: int) -> None:
        """What is said of the property, or of none, ends here."""
        start = self.start
        if self.named is not None:
            said, name = self.named
            start = self._end_of_value(said.place.parts[name], at)
            words = self._words(self.start, start)
            self.rest += [found[1] for found in UNKNOWN.finditer(words)]
            words = UNKNOWN.sub("", words).rstrip(" ({")
            value = value_in(words, listed=said.place.parts[name].is_list)
            said.words[name].append(value)
            if not value and lowered(self.request[self.name_at : self.start]) in said_around()["at"]:
                self.doubtful.append((said, name))
        self._without_name(start, at)
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

    def _end_of_value(self, place: Place, at: int) -> int:
        """Where what is said of a property ends before `at`: where a value stands by itself that belongs to another
        place.

        Also behind a value that has no comma in it, and before what is counted.
        """
        digit = DIGIT.search(self.request, self.start, at) if place.is_short else None
        values = [note.end for note in self.inside] if place.is_short else []
        first = min([*values, *([digit.start()] if digit else [])], default=at)
        for sign in SIGN.finditer(self.request, self.start, at):
            within = (note.start <= sign.start() < note.end for note in self.inside)
            if (first <= sign.start() or self._counts(sign.end(), at)) and not any(within):
                at = sign.start()
                break
        for value in self.values:
            by_itself = value.kind in (DATE, CLOCK)
            if not self.start < value.start < at or value.kind in place.kinds or value.kind not in self.fitting:
                continue
            start = max(self.start, value.start - FAR)
            begins = part_begins(self.request[start : value.start])
            ends = by_itself or part_ends(self.request, value.end)
            if begins and ends and (begins["sign"] or (by_itself and start + begins.start() > self.start)):
                return start + begins.start()
        return at

    def _without_name(self, start: int, end: int) -> None:
        """What is said here has no name: values that fit one place, the text that the schema needs, and the rest."""
        at, pieces = start, []
        for value in self.values:
            way = self.fitting.get(value.kind)
            if way and at <= value.start and value.end <= end:
                self.fitting = {kind: other for kind, other in self.fitting.items() if other != way}
                pieces.append((at, value.start))
                self._put(way, self._words(value.start, value.end))
                at = value.end
        for piece in (self._words(*span) for span in [*pieces, (at, end)]):
            parts = [part for part in map(self._without_title, parts_of(piece)) if part]
            if self.counted and len(self.within) == 1:
                parts = [part for part in parts if not self._put_counts(self.counted, counts_in(part))]
            texts = [part for part in parts if self._is_text(part)] if self.needed and len(self.within) == 1 else []
            if texts:
                self._put((str(self.needed),), texts[0])
                self.needed = None
                parts.remove(texts[0])
            self.rest += [part for part in parts if re.search(UNNAMED, part)]

    def _without_title(self, part: str) -> str:
        """A part of a request without what the schema is called: "calendar event", "new calendar event", "event"."""
        if before := self.title_before.match(part):
            part = part[before.end() :]
        said, title = f" {words_of(part)}", f" {self.title}"
        if said.endswith(title) or title.endswith(said):
            return ""
        first = self.title_first.match(part)
        return next(iter(parts_of(part[first.end() :])), "") if first else part

    def _is_text(self, part: str) -> bool:
        """Whether a part may be a text that the schema needs, and is not said of an unknown name: `form "m"`."""
        return re.search(WORD, part) is not None and not re.fullmatch(rf"{WORD}\s*[:=\s]\s*(?:{QUOTED})", part)

    def _put(self, way: Way, words: str) -> None:
        """The value of the property at the end of a way from the root."""
        said = self.within[0][0]
        for step in way[:-1]:
            said = said.parts.setdefault(step, [Said(said.place.parts[step])])[-1]
        said.parts.setdefault(way[-1], [Said(said.place.parts[way[-1]])])
        said.words.setdefault(way[-1], []).append(words)

    def _counts(self, start: int, end: int) -> bool:
        """Whether the part of the request that begins here is counted."""
        part = TO_SIGN.match(self.request, start, end) if self.counted else None
        return part is not None and bool(counts_in(part[0]))

    def _put_counts(self, counted: Counted, counts: list[tuple[str, str]]) -> bool:
        """An item of the list for each of these, if there are any."""
        root = self.within[0][0]
        place = root.place.parts[counted.name]
        for number, text in counts:
            items = root.parts.setdefault(counted.name, [])
            items.append(Said(place))
            for name, words in ((counted.number, number), (counted.text, text)):
                items[-1].parts[name] = [Said(place.parts[name])]
                items[-1].words[name] = [words]
        return bool(counts)

    def _words(self, start: int, end: int) -> str:
        """A part of the request with the notes in it."""
        within = (note for note in self.inside if start < note.end <= end)
        notes = (Note(note.start - start, note.end - start, note.shown) for note in within)
        return with_notes(self.request[start:end], notes)

    def _value_before(self, place: Place, note: Note) -> tuple[int, str] | None:
        """Where a value begins that stands right before its property's name, and the value: "30 minutes", "express
        delivery".

        What is true or false is told by its name alone: "online", "not online".
        """
        before = self.request[self.start : note.start]
        rest = lowered(self.request[note.end : note.end + FAR])
        if place.is_truth and not rest.lstrip().startswith((":", "=")) and not TRUTH_NEXT.match(rest):
            no = denied(before)
            return (self.start + no.start(), "false") if no else (note.start, "true")
        listed = [said.start for said in self.inside if said.end == note.start - 1 and said.shown in place.values]
        follows = NUMBER_NEXT.match(self.request, note.end)
        if place.is_number and (not follows or part_begins(follows[0][:-1])):
            number = NUMBER_LAST.search(self.request, self.start, note.start)
            listed += [number.start()] if number else []
        return (listed[0], self._words(listed[0], note.start).strip()) if listed else None

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

    "" where it names none, and for schemas of the shipped form. `notes` are those of time and of
    `linking.spellings_said`; a name in quotes, spelled as in the schema, counts too. A name belongs to the object in
    whose brackets it stands, or to the one named before it, or where there is one place of that name alone.
    """
    place = _root_of(schema)
    if not place.parts:
        return "", list(notes)
    notes = [note._replace(shown=ONE_DAY.sub(r"\1", note.shown)) for note in notes]
    reader = _Reader(request, place, notes)
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
    for said, name in reader.doubtful:
        said.forget(name)
    named = reader.within[0][0].written()
    rest = f"{MISSING}: {' / '.join(reader.rest)}" if reader.rest else ""
    return "; ".join(filter(None, (named, rest if named else ""))), reader.left
