"""JSON Schemas of any shape in made-up words, and how a document says values that satisfy them.

What a user's own schema asks of a student: to write what is said in the schema's order and nesting, whatever the order
of the request. Names, values and the words between them are drawn anew for each document.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipeline.embedded_base.made_up_language import draw_day, draw_number, draw_text, known_words, say_day
from pipeline.requests.calendar import read_day
from pipeline.requests.linking import truths
from pipeline.requests.places import DATE, Place, listed
from pipeline.requests.reading import said_around
from pipeline.schemas.dsl import describe, described, refusal, suggestion_of, with_refusal
from pipeline.schemas.json_text import minify
from pipeline.schemas.names import STYLES, name_in_style, words_of
from pipeline.teachers.made_up_words import COMMON, Words

Say = Callable[[Words], tuple[str, Any]]
"""How a value is said, and the value, in words of one row."""
LINKS, ANDS = (11, 40), (12, 12)
"""Seed and number of the words that all documents have between a name and its value and between items.

Few of them are said: rules take such words of real languages away (`config/reading.json`), so that prompts hardly have
them."""
NEAR = (0, 1, 3, 7, 20, 31, 365, 730)
"""Days between two of a row whose dates are alike."""


def denied() -> list[str]:
    """What stands before the name of what is false. What is true may be said by its name alone."""
    return [word for word in said_around()["without"] if word not in truths()]


@dataclass
class Part:
    """A subschema, and how its values are said."""

    schema: dict[str, Any]
    say: Say


class AnySchema:
    """The schema of one document and the manner in which its values are said, both drawn once.

    `depth` is how deep objects stand in objects and lists, `most` how many properties an object has.
    """

    def __init__(self, rng: random.Random, words: Words, depth: int, most: int) -> None:
        self.rng, self.words = rng, words
        self.style, self.value_style = rng.choice(STYLES), rng.choice(STYLES)
        word = lambda known: rng.choice(known_words(words.pieces, *known))
        link = lambda: f" {word(LINKS)} "
        self.links = tuple(rng.choice((" ", " ", ": ", " = ", " : ", link())) for _ in range(rng.randint(2, 6)))
        self.ands = tuple(rng.choice((" & ", ", ", ", ", " + ", f" {word(ANDS)} ")) for _ in range(2))
        self.brackets = rng.choice(("()", "()", "()", "()", "()", "{}"))
        self.between = rng.choice((", ", ", ", ", ", ", ", " ; ", " "))
        self.signs = self.between.strip() in (",", ";")
        """Whether a sign ends what is said of a property."""
        self.shared = words.word() if rng.random() < 0.5 else None
        """A word that several names have, as "start time" and "end time"."""
        self.remarks, self.listing = rng.random() < 0.25, rng.random() < 0.4
        """Whether descriptions have words that mean nothing, and whether they list other words for names and values."""
        self.said_for: dict[str, list[str]] = {}
        """Name of a property -> what people say for it."""
        self.day: date | None = None
        """What the dates of a row are near to."""
        self.definitions: dict[str, Any] = {}
        self.referred: list[Part] = []
        self.names: list[str] = []
        self.root = self._object(depth, most)
        self.fitting = Place([self.root.schema], self.definitions).fitting(())
        """Kind of values that are told without a name -> the place that they belong to."""
        self.title = words.phrase() if rng.random() < 0.85 else f"{words.word()} {words_of(rng.choice(self.names))}"
        filler = lambda: rng.choice(("", f"{words.word()} ", f"{words.word()} {words.word()} "))
        ends = (": ", ", ", f" {words.word()} ")
        self.frames = ("", *(f"{filler()}{self.title}{rng.choice(ends)}" for _ in range(4)))
        definitions = {"$defs": self.definitions} if self.definitions else {}
        self.schema = with_refusal({"title": self.title} | self.root.schema | definitions)

    # ---- the schema

    def _part(self, depth: int, most: int) -> Part:
        draw = self.rng.random()
        if depth > 0 and draw < 0.16:
            return self._named(self._object(depth - 1, min(most, 3)))
        if draw < 0.4:
            return self._list(depth, most)
        kinds = (self._text, self._text, self._text, self._enum, self._enum, self._number, self._number)
        return self.rng.choice((*kinds, self._truth, self._date, self._code))()

    def _named(self, part: Part) -> Part:
        """The part by itself, or under a name that a reference stands for; now and then one that has a name already."""
        if self.referred and self.rng.random() < 0.4:
            return self.rng.choice(self.referred)
        if self.rng.random() < 0.6:
            return part
        name = next(word for word in iter(self.words.word, "") if word.isascii())  # it stands in an address
        self.definitions[name] = part.schema
        self.referred.append(Part({"$ref": f"#/$defs/{name}"}, part.say))
        return self.referred[-1]

    def _described(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        rng = self.rng
        if self.listing and rng.random() < 0.4:
            phrases = [self.words.phrase(0.03) for _ in range(rng.choice((1, 1, 2)))]
            self.said_for[name] = phrases
            return schema | describe(dict.fromkeys(phrases, name) | described(schema))
        if self.remarks and "description" not in schema and rng.random() < 0.5:
            return schema | {"description": " ".join(self.words.word() for _ in range(rng.randint(2, 6)))}
        return schema

    def _object(self, depth: int, most: int) -> Part:
        rng = self.rng
        parts = {
            name_in_style(self._name(), self.style): self._part(depth, most)
            for _ in range(rng.randint(1 if most < 4 else 2, most))
        }
        self.names += parts
        needed = [name for name in parts if rng.random() < 0.5]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: self._described(name, part.schema) for name, part in parts.items()},
        }
        schema |= {"required": needed} if needed else {}
        return Part(schema | {"additionalProperties": False}, lambda words: self._say_object(words, parts, needed))

    def _name(self) -> str:
        if self.shared is None or self.rng.random() < 0.5:
            return self.words.phrase()
        return " ".join(self.rng.choice(((self.words.word(), self.shared), (self.shared, self.words.word()))))

    def _list(self, depth: int, most: int) -> Part:
        rng = self.rng
        if depth > 0 and rng.random() < 0.75:
            item = self._named(self._object(depth - 1, min(most, 3)))
        else:
            item = rng.choice((self._text, self._text, self._enum, self._number))()
        bounds = rng.choice(
            ({}, {"minItems": 1}, {"minItems": 1, "maxItems": rng.randint(4, 9)}, {"uniqueItems": True})
        )
        return Part({"type": "array", "items": item.schema} | bounds, lambda words: self._say_list(words, item))

    def _text(self) -> Part:
        rng, words = self.rng, self.words
        shown = [words.phrase() for _ in range(2)] if rng.random() < 0.25 else []
        schema: dict[str, Any] = {"type": "string"} | rng.choice(
            ({}, {}, {"minLength": 1}, {"maxLength": rng.choice((40, 80, 200))})
        )

        def say(mine: Words) -> tuple[str, Any]:
            if shown and rng.random() < 0.3:
                return self._said_text(rng.choice(shown))
            if rng.random() < 0.02:  # so that not all names in a request are said as names
                return self._said_text(words_of(rng.choice(self.names)))
            if rng.random() < 0.75:
                text = mine.phrase(0.05)
                return self._said_text(text.title() if rng.random() < 0.25 else text)
            value = draw_text(rng, mine)
            return minify(value), value

        return Part(schema | ({"examples": shown} if shown else {}), say)

    def _said_text(self, value: str) -> tuple[str, str]:
        return (value if self.rng.random() < 0.5 else minify(value)), value

    def _enum(self) -> Part:
        rng = self.rng
        values = [name_in_style(self.words.phrase(), self.value_style) for _ in range(rng.choice((2, 3, 3, 4, 5)))]
        schema: dict[str, Any] = {"enum": values} if rng.random() < 0.6 else {"type": "string", "enum": values}
        if rng.random() < 0.2:
            schema["default"] = rng.choice(values)
        hints = (
            {self.words.phrase(0.03): rng.choice(values) for _ in range(2)}
            if self.listing and rng.random() < 0.4
            else {}
        )

        def say(_: Words) -> tuple[str, Any]:
            value = rng.choice(values)
            ways = [said for said, of in hints.items() if of == value] * 3
            return rng.choice((words_of(value), words_of(value), minify(value), *ways)), value

        return Part(schema | describe(hints), say)

    def _number(self) -> Part:
        rng = self.rng
        kind = rng.choice(("integer", "integer", "number"))
        bounds = rng.choice(({}, {"minimum": 0}, {"minimum": 0, "maximum": 10 ** rng.randint(5, 6)}, {"default": 10}))

        def say(_: Words) -> tuple[str, Any]:
            value = draw_number(rng, kind)[1]
            return minify(value), value

        return Part({"type": kind} | bounds, say)

    def _truth(self) -> Part:
        def say(_: Words) -> tuple[str, Any]:
            value = self.rng.random() < 0.5
            linked = [word for word, truth in truths().items() if truth == minify(value)]
            alone = "" if value else self.rng.choice(denied())
            return self.rng.choice((minify(value), *([alone] * 2 if self.signs else ()), *linked, *linked)), value

        return Part({"type": "boolean"}, say)

    def _date(self) -> Part:
        def say(_: Words) -> tuple[str, Any]:
            day = self._day()
            return say_day(self.rng, day), day.isoformat()

        return Part({"type": "string", "format": "date"}, say)

    def _day(self) -> date:
        return (
            self.day + self.rng.choice((-1, 1)) * timedelta(self.rng.choice(NEAR)) if self.day else draw_day(self.rng)
        )

    def _code(self) -> Part:
        """Strings of a form: times, points in time, addresses, numbers with a prefix."""
        rng = self.rng
        clock = lambda: f"{rng.randrange(24):02d}:{rng.randrange(60):02d}"
        letters = lambda most: "".join(rng.choice(COMMON) for _ in range(rng.randint(2, most)))
        kind = rng.choice(("time", "moment", "email", "code", "uri"))
        schema = {
            "time": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
            "moment": {"type": "string", "format": "date-time"},
            "email": {"type": "string", "format": "email"},
            "code": {"type": "string", "pattern": "^[a-z]{2,3}-[0-9]+$"},
            "uri": {"type": "string", "format": "uri"},
        }[kind]

        def say(_: Words) -> tuple[str, Any]:
            value = {
                "time": clock,
                "moment": lambda: f"{self._day()}T{clock()}:{rng.choice(('00', '00', clock()[3:]))}Z",
                "email": lambda: f"{letters(7)}@{letters(9)}.{rng.choice(('com', 'org', 'net'))}",
                "code": lambda: f"{letters(3)}-{rng.randrange(1000)}",
                "uri": lambda: f"https://{letters(9)}.{rng.choice(('com', 'org', 'net'))}/{letters(7)}",
            }[kind]()
            return (minify(value) if rng.random() < 0.8 else value), value

        return Part(schema, say)

    # ---- saying

    def _say_object(self, words: Words, parts: dict[str, Part], needed: list[str]) -> tuple[str, dict[str, Any]]:
        rng = self.rng
        wanted = [name for name in parts if name in needed or rng.random() < 0.5] or [rng.choice(list(parts))]
        said, value = {}, {}
        for name in wanted:
            text, value[name] = parts[name].say(words)
            called = rng.choice(self.said_for.get(name, ()) or (words_of(name),))
            if rng.random() < 0.1:
                called = minify(name)
            if self._is_told(name, text, value[name]) and rng.random() < 0.3:
                said[name] = text
            elif isinstance(value[name], bool) and text in ("", *denied()):
                said[name] = f"{text} {called}".lstrip()
            else:
                said[name] = f"{called}{rng.choice(self.links)}{self._whole(text, value[name])}"
        order = list(said.values())
        if rng.random() < 0.85:
            rng.shuffle(order)
        return self.between.join(order), value

    def _is_told(self, name: str, said: str, value: Any) -> bool:
        """Whether a value of the root may be said without its property's name."""
        if not self.signs or not isinstance(value, str) or said.startswith('"'):
            return False
        return any(self.fitting.get(kind) == (name,) for kind in (listed(value), DATE if read_day(said) else ()))

    def _say_list(self, words: Words, item: Part) -> tuple[str, list[Any]]:
        pairs = {
            minify(value): (said, value)
            for said, value in (item.say(words) for _ in range(self.rng.choice((1, 1, 2, 2, 3, 3, 4))))
        }
        said = [self._whole(text, value) for text, value in pairs.values()]
        joint, last = (self.rng.choice(self.ands) for _ in range(2))
        text = last.join(filter(None, (joint.join(said[:-1]), said[-1])))
        return text, [value for _, value in pairs.values()]

    def _whole(self, text: str, value: Any) -> str:
        return f"{self.brackets[0]}{text}{self.brackets[1]}" if isinstance(value, dict) else text

    def request(self, words: Words, refused: float) -> tuple[str, dict[str, Any]]:
        """A request and its answer; a share `refused` names a property that the schema does not have."""
        rng = self.rng
        self.day = draw_day(rng) if rng.random() < 0.5 else None
        if rng.random() < 0.4:
            words.pool = tuple(words.word() for _ in range(rng.randint(4, 9)))
        text, value = self.root.say(words)
        if rng.random() < refused:
            name = words.word()
            extra = f"{name} {minify(words.phrase())}"
            text = self.between.join((extra, text) if rng.random() < 0.3 else (text, extra))
            value = refusal(f"field {name}", suggestion_of(self.root.schema["properties"]))
        text = rng.choice(self.frames) + text
        return (text[0].upper() + text[1:] if rng.random() < 0.3 else text), value
