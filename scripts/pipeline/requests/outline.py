"""What a request says of which property of its schema, nested and ordered as an answer has them.

A schema that a user brings asks for an order and a nesting of its own, whatever the order of the request, and a small
model has to ask of each property whether the request names it, and where. Rules that read the schema's words
(`linking.py`) know that already, so that a prompt says it: `customer: Ada Diaz; lines (product: mug; quantity: 2)
(product: lamp)`.

Behind a name stand the words from it to the next one, or its value where that stands before it, without those around a
value (`reading.value_in`); behind an object's name they are said of its properties. A value without a name stands in
the one place that it fits (`places.py`), or in one of several by the order (`told_values.py`), a number where the words
beside it say (`numbers.py`), the text before all of that in the place that the schema needs; what is counted ("2 mugs
and 1 lamp") are the items of the one list that it needs. At the end stands behind `?` what else has a number
or a quotation, or stands between two signs, and what takes listed values and is said to be something else. Where a
request nests what it says in brackets, each pair that has names in it is an object of its own; without them a list's
next one begins where a name, or a value of its place, is said again. The rules read names and forms, not sense: what is
said in other words is left to whoever reads the request.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, partial
from operator import attrgetter

from pipeline.requests.lacking import MISSING
from pipeline.requests.linking import truth_next
from pipeline.requests.numbers import Numbers, number_follows, number_last
from pipeline.requests.places import CLOCK, DATE, MOMENT, NUMBER, SPAN, Item, Kind, Place, Way
from pipeline.requests.reading import (
    LEFT_ALONE,
    QUOTED,
    SIGN,
    WORD,
    Note,
    an_article,
    any_of,
    asks_to,
    counts_in,
    denied,
    from_to,
    led_parts_of,
    lowered,
    part_begins,
    part_ends,
    part_of,
    parts_of,
    prepositions,
    said_around,
    said_before,
    value_in,
    verb_at,
    with_notes,
)
from pipeline.requests.spoken_of import Said
from pipeline.requests.title import Title
from pipeline.requests.told_values import Value, between, in_order, of_patterns, values_in
from pipeline.requests.units import DIGITS, measured, plain, unit_of
from pipeline.schemas.dsl import can_refuse, conditions_of
from pipeline.schemas.names import last_word, words_of

DEEPEST = 60
"""Brackets in brackets that are told apart."""
UNNAMED = rf"(?<!\w)\d+(?!\w)|{QUOTED}"
"""How what is said of no property is told from the words around a request."""
UNKNOWN = re.compile(rf",\s+({WORD}\s+(?:{QUOTED}))(?=\s*(?:,|$))")
"""Among what is said of a property, what has a name that is none of the schema's: `limit 9, colour "red"`."""
NUMBER_NEXT = re.compile(rf"(?P<words>[ :=]*(?:{WORD} ){{0,2}})(?P<number>{DIGITS}\s*)")
"""A number that is said of the name before it."""
NUMBER_ALONE = re.compile(rf"(?:[^\W\d]+ )*(?P<number>-?{DIGITS})(?: [^\W\d]+)*")
"""A number that has words around it alone: "level 3", "30 minutes"."""
FAR = 60
"""Characters before a value in which a part may begin, and behind a name in which it is said to be true or false."""
ONE_DAY = re.compile(r"(\S+) \1$")
"""A time span of one day."""
TO_SIGN, DIGIT = re.compile("[^,;]*"), re.compile(r"\d")
WORDS, VALUES = re.compile(WORD), re.compile(rf"\d|{QUOTED}")
"""What is said of a place that takes listed values alone, and what is a value wherever it stands."""
QUOTATION = re.compile(rf"[\s:=]*(?:{QUOTED})(?=[\s,;.)}}])")
"""A value in quotes behind a name."""
WORDED = ("body", "content", "description", "message", "note", "subject", "summary", "task", "text", "title")
"""Last words of the names of properties whose texts may begin with a verb."""
COUNTS = ("quantity", "count", "number", "qty")
"""What properties are called that say how many there are."""
HEADED = re.compile(r"\s*:\s+[^\s,;]+ [^\s,;]")
"""What stands behind a name that heads a request: "urgent: pay 75 dollars"."""
SPACES = re.compile(r"\s*")
BRACKET = re.compile(r"[][(){}]")
VALUE_ENDS = re.compile(r"\s*([,;)}]|$)")


def _one_day(shown: str) -> str:
    """What a note shows, a day once where it is the first and the last one of a time span."""
    found = ONE_DAY.match(shown)
    return found[1] if found else shown


@cache
def _small_words() -> frozenset[str]:
    return frozenset(word for kind in ("at", "the", "of", "and") for word in said_around()[kind])


@cache
def _nothing_between() -> re.Pattern[str]:
    """Nothing between two values but spaces, or an article between them."""
    return re.compile(rf"\s*(?:{an_article()})?", re.IGNORECASE)


@lru_cache(maxsize=64)
def _root_of(text: str) -> Place:
    schema = json.loads(text)
    own = schema["anyOf"][0] if can_refuse(schema) else schema
    return Place([] if conditions_of(schema) else [own], schema.get("$defs", {}) if isinstance(schema, dict) else {})


def _is_unlisted(value: str, place: Place) -> bool:
    """Whether something is said of a place that takes listed values alone, and is none of them."""
    if not place.is_listed or lowered(value) in said_around()["none"]:
        return False
    said = value.split(" & ") if place.is_list else [value]
    return any(each and "[" not in each and each.strip('"') not in place.listed_values for each in said)


def _is_small(request: str, note: Note) -> bool:
    """Whether a property is named by a small word that is a part of its name: "from" of `from_city`, `year_from`."""
    said = lowered(request[note.start : note.end])
    return said in prepositions() and words_of(note.shown) != said


def _takes(place: Place, request: str, at: int, told: list[Value]) -> bool:
    """Whether what follows here may be said of a place: a number of one for numbers, no day of one for texts."""
    start = at + len(SPACES.match(request, at)[0])
    follows = {value.kind for value in between(told, start, start + 1)}
    if place.is_truth or place.is_number:
        return place.is_number and number_follows(request, at)
    return not follows.isdisjoint(place.kinds | place.items.kinds) if follows or place.is_short else True


class _Reader:
    """Goes through a request once: which objects it speaks of, and what it says of the property named last."""

    def __init__(self, request: str, place: Place, title: Title, notes: list[Note]) -> None:
        self.request, self.title = request, title
        quoted = {said[1:-1].strip() for said in re.findall(QUOTED, request)}
        self.names = named = ({note.shown for note in notes} | quoted) & {*place.paths}
        """The properties that are named."""
        self.note_starts = {note.start for note in notes}
        self.name_starts = {note.start for note in notes if note.shown in place.paths}
        self.fitting = place.fitting(named)
        """Kind of values -> the place that they belong to where they are said without a name."""
        self.items = place.fitting_items(named)
        """The same of values in the items of a list."""
        self.told = values_in(request, notes, place)
        self.in_order = in_order(request, self.told, notes, place, named)
        """Where values belong that have several places: the first is that of the first place."""
        self.values = [value for value in self.told if self._belongs(value)]
        self.values = sorted([*self.values, *(value for value in self.in_order if value.kind == SPAN)])
        of_items = any(value.kind in self.items for value in self.told)
        self.numbers = Numbers(request, place, named, [*notes, *self.told], of_items)
        needed = [name for name in place.needed_texts if name not in named]
        called = [name for name in place.called if name not in named] if not place.needed_texts else []
        self.called = called[0] if len(called) == 1 else None
        """What a thing is called where no text is needed: the first text in quotes or with a capital is said of it."""
        self.needed = needed[0] if len(needed) == 1 else None
        self.two_needed = needed if len(needed) == 2 else None
        """Two properties that two names are said of of which one leads to the other."""
        """The property that the first text without a name is said of."""
        self.counted = place.counted if place.counted and not named & {place.counted.name, *place.counted[1:]} else None
        """The list that what is counted is said of where no name of it is."""
        self.within = [(Said(place), 0)]
        """The objects whose brackets are open, and where they opened."""
        self.named: tuple[Said, str] | None = None
        self.name_at = 0
        """Where the property was named."""
        self.start = min([self._begins(), *self.note_starts])
        """Where what is said of the property, or of none, begins."""
        self.inside: list[Note] = []
        """The notes in it."""
        self.doubtful: list[tuple[Said, str]] = []
        """What a preposition named and nothing was said of then."""
        self.left: list[Note] = []
        self.led: list[tuple[str, str]] = []
        """Texts without a name, and what stands before each of them: "at", "for"."""
        self.rest: list[str] = []
        """What has a value and is said of no property."""

    def _begins(self) -> int:
        """Where the words that ask end: behind "remind me to", and behind a verb where what is made or meant follows and
        the verb is no part of a text that may say what is done ("open an issue", not "pay rent" of a task)."""
        start = asks_to(self.request)
        if verb := verb_at(self.request, start):
            word = re.compile(WORD).match(self.request, verb.end())
            is_title = word is not None and self.title.is_of_title(lowered(word[0]))
            is_worded = bool(self.needed) and last_word(str(self.needed)) in WORDED
            small = {*prepositions(), *said_around()["of"]}
            is_name = verb["next"].isupper() or (word is not None and lowered(word[0]) in small)
            if is_title or verb["next"].isdigit() or (is_name and not is_worded):
                return verb.end("verb")
        return start

    def name(self, note: Note) -> bool:
        """A property is named; False where there is none of that name."""
        if note.shown not in self.within[0][0].place.paths:
            return False
        if self.named is None or not self._is_value(note):
            found = self._place_of(note.shown)
            if found is None:
                return False
            place, speak_of = found
            is_small = lowered(self.request[note.start : note.end]) in prepositions()
            before = None if is_small else self._value_before(place, note)
            start, words = before or (note.start, None)
            self.end(start)
            said = speak_of()
            said.words.setdefault(note.shown, []).extend([words] if words else [])
            self.named, self.start = None if words else (said, note.shown), note.end
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
            place = said.place.parts[name]
            start = self._end_of_value(place, at)
            words = self._words(self.start, start)
            self.rest += [found[1] for found in UNKNOWN.finditer(words)]
            words = UNKNOWN.sub("", words).rstrip(" ({")
            value = value_in(words, listed=place.is_list)
            if place.is_number:
                unit = unit_of(name, place.remarks)
                alone = NUMBER_ALONE.fullmatch(value)
                value = measured(value, unit, "number" not in place.types) or (
                    plain(alone["number"]) if alone else value
                )
            if not (value and place.parts and self._said_below(said, name, start)):
                said.words[name].append(value)
                self.rest += [f"value of {name}"] * _is_unlisted(value, place)
            if not value and lowered(self.request[self.name_at : self.start]) in said_around()["at"]:
                self.doubtful.append((said, name))
        self._without_name(start, at)
        self.named, self.inside, self.start = None, [], at

    def open(self, at: int) -> None:
        """Brackets open: another object, where what was named last has properties."""
        outer = self.within[-1][0]
        inner = outer.inside() if len(self.within) < DEEPEST else outer
        if inner is not outer:
            if self.request[self.start] in ")}":
                self._name_next(inner, at)
            self.end(at)
        self.within.append((inner, at))

    def close(self, at: int) -> None:
        """Brackets close, and what was said in them of a property ends."""
        if self.within[-1][1] <= self.start:
            self.end(at)
        self.within = self.within[:-1] or self.within

    def _end_of_value(self, place: Place, at: int) -> int:
        """Where what is said of a property ends before `at`: where a value stands by itself that belongs to another
        place.

        Also behind a value that is told by its form, is in quotes or has no comma in it, and before what is counted.
        """
        if self.named and lowered(self.request[self.name_at : self.start]) in said_before(self.named[1]):
            at = self.start + len(part_of(self.request[self.start : at]))
        own = next((one for one in between(self.told, self.start, at) if one.kind in place.kinds), None)
        if own and own.kind[0] != "listed":
            at = own.end
        if place.is_text and (quoted := QUOTATION.match(self.request, self.start, at)):
            at = quoted.end()
        words = WORDS if place.is_listed and not place.is_list else VALUES
        said = words.search(self.request, self.start, at) if place.is_short else None
        values = [*self.inside, *between(self.told, self.start, at)] if place.is_short else []
        first = min([value.end for value in values] + ([said.end()] if said else []), default=at)
        for sign in SIGN.finditer(self.request, self.start, at):
            within = (note.start <= sign.start() < note.end for note in self.inside)
            other = place.is_list and place.is_listed and self._says_number(sign.end(), at)
            other = other or (place.is_text and self.numbers.tells(sign.end(), at))
            if (first <= sign.start() or other or self._counts(sign.end(), at)) and not any(within):
                at = sign.start()
                break
        for value in between(self.values, self.start + 1, at):
            if value.kind not in place.kinds and (end := self._end_before(place, value)) is not None:
                return end
        return at

    def _end_before(self, place: Place, value: Value) -> int | None:
        """Where what is said of a property ends, if it does so before a value that belongs to another place."""
        before = self.request[max(self.start, value.start - FAR) : value.start]
        if value.kind == SPAN or (place.is_number and number_last().search(before)):
            return value.start
        begins = part_begins(before)
        first = value.start - len(before) + begins.start() if begins else self.start
        by_itself = value.kind in (DATE, CLOCK, MOMENT)
        is_told = by_itself or part_ends(self.request, value.end) or self._beside(value)
        if is_told or number_follows(self.request, value.end):
            small = by_itself or place.is_short or (value.kind in self.fitting and begins and begins["at"])
            if begins and (begins["sign"] or (small and first > self.start)):
                return first
        is_word = value.kind == DATE and not DIGIT.search(self.request, value.start, value.end)
        if is_word and self.request[self.start : value.start].strip() and part_ends(self.request, value.end):
            return value.start  # "to Ghent tomorrow"
        return None

    def _without_name(self, start: int, end: int) -> None:
        """What is said here has no name: values that fit one place, the text that the schema needs, and the rest."""
        at, pieces, taken = start, [], set()
        for value in sorted([*between(self.values, start, end), *between(self.numbers.alone, start, end)]):
            if value.start < at or end < value.end:
                continue
            if value.kind == NUMBER:
                if found := self.numbers.place_of(value, at, end, self._parts):
                    pieces.append((at, found.start))
                    at = found.end
                    self._put_at(found.to, found.words)
                    taken |= {*self._parts(self.request[found.start : found.end])}
                continue
            way, item = self.fitting.get(value.kind), self.items.get(value.kind)
            ordered = self.in_order.pop(value, [])
            if not (way or item or ordered):
                continue
            pieces.append((at, value.start))
            words, at = self._words(value.start, value.end), value.end
            for each, day in ordered:
                self._put(each, day or words)
            if way:
                self.fitting = {kind: other for kind, other in self.fitting.items() if other != way}
            if way or item:
                self._put_at(way or item, words)
        said = [self._words(*span) for span in [*pieces, (at, end)]]
        is_quoted = any(re.fullmatch(QUOTED, part) for piece in said for part in self._parts(piece))
        for piece in said:
            if self.two_needed and len(self.within) == 1 and (two := from_to(piece)):
                for name, words in zip(self.two_needed, (two["first"], two["second"]), strict=True):
                    self._put((name,), words)
                self.two_needed = None
                piece = piece[: two.start()] + piece[two.end() :]
            parts = self._parts(piece)
            if self.counted and len(self.within) == 1:
                taken |= {part for part in parts if self.within[0][0].put_counts(self.counted, counts_in(part))}
                parts = [part for part in parts if part not in taken]
            texts = [part for part in parts if self._is_text(part)] if self.needed and len(self.within) == 1 else []
            texts = [part for part in texts if not is_quoted or re.fullmatch(QUOTED, part)]
            if self.called and len(self.within) == 1:
                texts = [part for part in parts if re.fullmatch(QUOTED, part) or part[0].isupper()]
            if texts:
                self._put((str(self.needed or self.called),), self._counted_text(texts[0]))
                self.needed = self.called = None
                taken.add(texts[0])
                parts.remove(texts[0])
            self.rest += [part for part in parts if re.search(UNNAMED, part)]
            self.led += [led for led in led_parts_of(piece) if led[0] in parts and len(self.within) == 1]
        self.rest += self._unread(start, end, taken)

    def _counted_text(self, text: str) -> str:
        """The text that the schema needs, without a number before it that is the schema's only one and says how many
        there are: "3 packs of batteries"."""
        counts = counts_in(text) if self.numbers.only and words_of(self.numbers.only[-1]) in COUNTS else []
        if len(counts) != 1:
            return text
        self._put(self.numbers.only, counts[0][0])
        self.numbers.take(self.numbers.only)
        return counts[0][1]

    def _unread(self, start: int, end: int, taken: set[str]) -> Iterator[str]:
        """The parts here between two signs, or a sign and the end, in which rules read nothing: "coupon spring".

        `taken` is what was read without being told by what it is.
        """
        if self.within[0][0].place.is_open:
            return
        told = sorted([note.start for note in self.inside] + [value.start for value in between(self.told, start, end)])
        signs = [sign.span() for sign in SIGN.finditer(self.request, start, end)]
        ends = [sign[0] for sign in signs[1:]] + [end] * (end == len(self.request))
        for (_, begin), stop in zip(signs, ends, strict=False):
            part = self.request[begin:stop].strip(" .!?")
            is_read = bisect_left(told, begin) < bisect_left(told, stop) or not taken.isdisjoint(self._parts(part))
            if not is_read and not BRACKET.search(part) and not re.search(UNNAMED, part) and self._says_something(part):
                yield part

    def _parts(self, piece: str) -> list[str]:
        """The parts of a piece of the request without what the schema is called."""
        return [part for part in map(self.title.without, parts_of(piece)) if part]

    def _says_something(self, part: str) -> bool:
        """Whether a part has two words or more besides those that ask, what the schema is called and small ones."""
        return len(re.findall(WORD, " ".join(self._parts(part)))) > 1 and lowered(part) not in said_around()["none"]

    def put_led(self) -> None:
        """A text behind what people say before it is said of the one property for which they say that and of which
        nothing is said yet: "at the corner shop" of a `merchant`."""
        root = self.within[0][0]
        for part, before in self.led:
            texts = [name for name in root.place.texts if name not in root.parts and before in said_before(name)]
            is_free = self._is_text(part) and not re.search(rf"\[|{UNNAMED}", part)
            if len(texts) == 1 and is_free and not any(part in said for said in self.rest):
                self._put((texts[0],), part)

    def off_topic(self) -> str:
        """The request, where nothing of it is said of any property."""
        said = self.request.strip(" .!?")
        is_told = self.within[0][0].place.is_open or BRACKET.search(said)
        return said if not is_told and self._says_something(said) else ""

    def _is_text(self, part: str) -> bool:
        """Whether a part may be a text that the schema needs, and is not said of an unknown name: `form "m"`."""
        return re.search(WORD, part) is not None and not re.fullmatch(rf"{WORD}\s*[:=\s]\s*(?:{QUOTED})", part)

    def _put_at(self, to: Way | Item, words: str) -> None:
        if isinstance(to, Item):
            self._put_item(to, words)
        else:
            self._put(to, words)

    def _put(self, way: Way, words: str) -> None:
        """The value of the property at the end of a way from the root."""
        self.within[0][0].holder(way).words.setdefault(way[-1], []).append(words)

    def _put_item(self, item: Item, words: str) -> None:
        """A value of the last item of a list, or of a next one where that has such a value already."""
        holder, name = self.within[0][0].holder(item.to), item.to[-1]
        if not item.below:
            holder.words.setdefault(name, []).append(words)
            return
        last = holder.parts[name][-1].holder(item.below)
        if last.words.get(item.below[-1]) and not item.are_many:
            holder.parts[name].append(Said(holder.place.parts[name]))
            last = holder.parts[name][-1].holder(item.below)
        last.words.setdefault(item.below[-1], []).append(words)

    def _belongs(self, value: Value) -> bool:
        """Whether a value belongs somewhere without a name."""
        return value.kind in self.fitting or value in self.in_order or self._is_of_item(value)

    def _is_of_item(self, value: Value) -> bool:
        """Whether a value is one of a list's items, and no small word that only looks like it: "on" in "on monday"."""
        is_small = lowered(self.request[value.start : value.end]) in _small_words()
        return value.kind in self.items and (not is_small or self._beside(value))

    def _beside(self, value: Value) -> bool:
        """Whether another value of the same list's items stands right before or behind this one."""
        if value.kind not in self.items:
            return False
        at = bisect_left(self.told, value)
        return any(
            other.kind in self.items
            and self.items[other.kind].to == self.items[value.kind].to
            and _nothing_between().fullmatch(self.request, min(value.end, other.end), max(value.start, other.start))
            for other in self.told[max(0, at - 1) : at + 2]
        )

    def _said_below(self, said: Said, name: str, end: int) -> bool:
        """What is said behind the name of an object, or of a list of them, is said of its properties: "customer Ada,
        email a@b.c"; False where that cannot be told.

        What is told by what it is stands where it fits, and what is left is the one text that the object needs, or else
        has, and that is not named.
        """
        place, last = said.place.parts[name], said.parts[name][-1]
        of_object, whole = place.items if place.is_list else place, value_in(self._words(self.start, end), listed=False)
        counted = said.place.counted
        if counted and counted.name == name and said.put_counts(counted, counts_in(whole)):
            return True
        if not place.is_list and self._number_below(last, end):
            return True
        left = self._put_below(last, of_object.fitting(()), end)
        parts = [part for words in left for part in parts_of(words)] if len(left) > 1 else [whole]
        open_texts = [text for text, below in of_object.parts.items() if below.is_text and text not in self.names]
        needed = [text for text in open_texts if text in of_object.needed] or open_texts
        texts = [part for part in parts if self._is_text(part)]
        if len(needed) == len(texts) == 1 and not (place.is_list and value_in(texts[0], listed=True) != texts[0]):
            last.holder((needed[0],)).words[needed[0]] = texts
            parts.remove(texts[0])
        elif len(left) == 1:
            return False
        self.rest += [part for part in parts if re.search(UNNAMED, part)]
        return True

    def _number_below(self, said: Said, end: int) -> bool:
        """Whether all that is said to `end` is a number of this object, which it has then: "weight under 5"."""
        numbers = [*between(self.numbers.alone, self.start, end)] if end - self.start < FAR else []
        places = self.numbers.below(said.place, self.names)
        found = places.place_of(numbers[0], self.start, end, self._parts) if len(numbers) == 1 else None
        if not found or value_in(self.request[self.start : found.start] + self.request[found.end : end], listed=False):
            return False
        said.holder(found.to).words[found.to[-1]] = [found.words]
        return True

    def _name_next(self, item: Said, at: int) -> None:
        """What stands between two pairs of brackets is the one text that the second object needs: "and Leo (child)"."""
        needed = [text for text in item.place.items.needed_texts if text not in self.names]
        words = re.sub(rf"^[\s,;&+]*(?:{any_of('and')})\s", "", self._words(self.start + 1, at), flags=re.IGNORECASE)
        parts = [part for part in parts_of(words) if self._is_text(part)]
        if len(needed) == len(parts) == 1:
            item.holder((needed[0],)).words[needed[0]] = parts
            self.start = at

    def _put_below(self, said: Said, fitting: dict[Kind, Way], end: int) -> list[str]:
        """What is said from the start to `end` stands where it fits in this object; returns what is left around it."""
        at, left = self.start, []
        for value in between(self.told, at, end) if fitting else ():
            way = fitting.get(value.kind)
            if way and at <= value.start and value.end <= end and not said.holder(way).words.get(way[-1]):
                said.holder(way).words[way[-1]] = [self._words(value.start, value.end)]
                left.append(self._words(at, value.start))
                at = value.end
        return [*left, self._words(at, end)]

    def _counts(self, start: int, end: int) -> bool:
        """Whether the part of the request that begins here is counted."""
        part = TO_SIGN.match(self.request, start, end) if self.counted else None
        return part is not None and bool(counts_in(part[0]))

    def _says_number(self, start: int, end: int) -> bool:
        """Whether the part of the request that begins here has a number by itself in it."""
        part = TO_SIGN.match(self.request, start, end)
        return part is not None and any(True for _ in between(self.numbers.alone, start, part.end()))

    def _words(self, start: int, end: int) -> str:
        """A part of the request with the notes in it."""
        first, last = (bisect_right(self.inside, at, key=attrgetter("end")) for at in (start, end))
        within = self.inside[first:last]
        notes = (Note(note.start - start, note.end - start, note.shown) for note in within)
        return with_notes(self.request[start:end], notes)

    def _value_before(self, place: Place, note: Note) -> tuple[int, str] | None:
        """Where a value begins that stands right before its property's name, and the value: "30 minutes", "express
        delivery".

        What is true or false is told by its name alone: "online", "not online".
        """
        before = self.request[self.start : note.start]
        rest = lowered(self.request[note.end : note.end + FAR])
        is_alone = not rest.lstrip().startswith((":", "=")) or HEADED.match(rest)
        if place.is_truth and is_alone and not truth_next().match(rest):
            no = denied(before)
            return (self.start + no.start(), "false") if no else (note.start, "true")
        listed = [
            said.start
            for said in self.inside
            if said.end == note.start - 1 and said.shown in place.values and not self._is_said(said)
        ]
        follows = NUMBER_NEXT.match(self.request, note.end)
        waits = self.named is not None and self.named[0].place.parts[self.named[1]].is_number
        if follows and follows.end("number") in self.name_starts and not waits:  # "3 sets 10 reps"
            follows = None
        if place.is_number and not listed and (not follows or part_begins(follows["words"])):
            number = number_last().search(self.request, self.start, note.start)
            if number is None and (no := denied(before)):  # "no children"
                return self.start + no.start(), "0"
            return (number.start(), plain(number["number"])) if number else None
        return (listed[0], self._words(listed[0], note.start).strip()) if listed else None

    def _is_said(self, value: Note) -> bool:
        """Whether a value is all that is said of the property named last: "from EUR to JPY"."""
        waits = self.named is not None and value.shown in self.named[0].place.parts[self.named[1]].values
        return waits and not self.request[self.start : value.start].strip()

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

    def _place_of(self, name: str) -> tuple[Place, Callable[[], Said]] | None:
        """The place of a property, and what makes the request speak of it there.

        It is that of the innermost object spoken of which has such a property, the one named last in it included.
        """
        for outer, _ in reversed(self.within):
            if name in outer.place.parts:
                return outer.place.parts[name], partial(outer.name, name)
            if outer.last and name in outer.place.parts[outer.last].parts:
                return outer.place.parts[outer.last].parts[name], partial(outer.name_below, outer.last, name)
        whole = self.within[0][0]
        way = whole.place.paths.get(name)
        return (whole.place.at(way), partial(whole.name_along, way)) if way else None


def _without_small_words(notes: list[Note], place: Place, request: str) -> Iterator[Note]:
    """These notes, without small words right behind a name that are the name of another property for the same values:
    "to" of "cc to ada@mail.org"."""
    kinds = lambda note: (
        place.at(way).kinds | place.at(way).items.kinds if (way := place.paths.get(note.shown)) else set()
    )
    last: Note | None = None
    for note in sorted(notes):
        is_small = lowered(request[note.start : note.end]) in prepositions()
        if (
            last
            and is_small
            and kinds(note)
            and kinds(last) == kinds(note)
            and not request[last.end : note.start].strip()
        ):
            last = last._replace(end=note.end)
            continue
        if last:
            yield last
        last = note
    if last:
        yield last


def outline(request: str, schema: str, notes: Iterable[Note]) -> tuple[str, list[Note]]:
    """What a request says of which property of a schema (compact JSON), and those of its notes that name no property.

    "" where it names none, and for schemas of the shipped form. `notes` are those of time and of
    `linking.spellings_said`; a name in quotes, spelled as in the schema, counts too. A name belongs to the object in
    whose brackets it stands, or to the one named before it, or where there is one place of that name alone.
    """
    place = _root_of(schema)
    if not place.parts:
        return "", list(notes)
    title = Title(place)
    notes = title.outside(request, (note._replace(shown=_one_day(note.shown)) for note in notes))
    within = [range(value.start + 1, value.end) for value in of_patterns(request, place.patterns)]
    notes = [note for note in notes if not any(note.end - 1 in part for part in within)]  # "docs" in "blue/docs"
    told = values_in(request, notes, place)
    small = [note for note in notes if note.shown in place.paths and _is_small(request, note)]
    idle = {note for note in small if not _takes(place.at(place.paths[note.shown] or ()), request, note.end, told)}
    notes = [note for note in notes if note not in idle]
    notes = list(_without_small_words(notes, place, request))
    reader = _Reader(request, place, title, notes)
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
    reader.put_led()
    named = reader.within[0][0].written()
    rest = " / ".join(reader.rest) if named else "" if notes else reader.off_topic()
    return "; ".join(filter(None, (named, rest and f"{MISSING}: {rest}"))), reader.left
