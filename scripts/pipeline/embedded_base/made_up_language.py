"""A made-up language: the words of the embedded base's documents and how each document says conditions with them.

No word of it is drawn from a shipped domain, nor from the embedded teacher's phrase book; dates have the names of
months. What the base is to learn is to find a phrase in the schema's descriptions wherever it stands in a request, so
nearly all about requests differs from document to document: a `Manner` is drawn for each.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

from pipeline.requests.calendar import annotated, book, periods, written_span
from pipeline.requests.lacking import MISSING
from pipeline.schemas.dsl import SchemaField, operators, operators_for, refusal, suggestion_of
from pipeline.schemas.names import STYLES, name_in_style
from pipeline.teachers.made_up_words import LETTERS, NUCLEI, ONSETS, Words

SYMBOLS = {
    "equals": ("=", "=="), "not_equals": ("!=", "<>"), "contains": ("~", "*"), "starts_with": ("^", "|="),
    "in": ("=", "=="), "not_in": ("!=", "<>"), "greater": (">",), "at_least": (">=", "=>"), "less": ("<",),
    "at_most": ("<=", "=<"), "between": ("..", "="), "on": ("=", "@"), "before": ("<",), "after": (">",),
}  # fmt: skip


class Way(NamedTuple):
    """How an operator is said around a value; `key` is what a description calls it by."""

    before: str
    after: str
    key: str


@dataclass
class Field:
    """A field of a schema, what its values are called, and how each of its operators is said."""

    spec: SchemaField
    value_phrases: dict[str, tuple[str, ...]]
    ways: dict[str, list[Way]]


_glue = Words(random.Random(8), varied=False)
GLUE = tuple(_glue.word() for _ in range(16))
"""Words that mean nothing: a request may have them anywhere inside a condition."""


@cache
def separators(pieces: tuple[str, ...]) -> tuple[str, ...]:
    """What stands between steps where the schema does not say: three signs, and words alone or after a comma.

    Words that a document draws for itself join conditions of one step, so these have to be known. Two words are learned
    as themselves, and after SFT others were told from them hardly better than by chance; many are learned as a kind of
    word.
    """
    known = known_words(pieces, 9, 48, ("dwo", "tsa"))
    return (" > ", " ; ", " -> ", *(f"{before}{word} " for word in known for before in (" ", ", ")))


@cache
def known_words(pieces: tuple[str, ...], seed: int, count: int, first: tuple[str, ...] = ("ubi",)) -> tuple[str, ...]:
    """Words of all `pieces` (`Words.pieces`) that every document has, a fifth of them two together; `first` alone
    without pieces.

    What no prompt shows has to be known: a word of a document's own in such a place is noise.
    """
    rng, known = random.Random(seed), list(first)
    while pieces and len(known) < count:
        word = "".join(rng.choices(pieces, k=2))
        if 3 <= len(word) <= 7:  # function words are short
            known.append(f"{rng.choice(known)} {word}" if rng.random() < 0.2 else word)
    return tuple(known)


def draw_number(rng: random.Random, kind: str) -> tuple[str, Any]:
    """How an integer or a number is said, and the number."""
    integer = rng.randrange(10 ** rng.randint(1, 5))
    if kind == "integer" or rng.random() < 0.4:
        return str(integer), integer
    value = round(integer / rng.choice((1, 10, 100)) + rng.randrange(100) / 100, rng.choice((1, 2)))
    text = str(value)
    return (text.replace(".", ",") if rng.random() < 0.4 else text), value


def draw_day(rng: random.Random) -> date:
    """A day of the twenties."""
    return date(2020, 1, 1) + timedelta(days=rng.randrange(3650))


def say_day(rng: random.Random, day: date) -> str:
    """A date as ISO, as `03/04/2024` (day first), or with the month's name before or after the day."""
    form = rng.random()
    if form < 0.35:
        return day.isoformat()
    if form < 0.5:
        return f"{day.day:02d}/{day.month:02d}/{day.year}"
    month = book()["months"][rng.choice(("en", "fr"))][day.month - 1]
    return f"{month} {day.day}, {day.year}" if form < 0.65 else f"{day.day} {month} {day.year}"


def draw_text(rng: random.Random, words: Words) -> str:
    """What stands in quotes: words, a word that repeats its parts, or words with signs and digits between them.

    Parts that repeat ask for more than to go on as after the last token.
    """
    draw = rng.random()
    if draw < 0.6:
        return words.phrase(0.05)
    if draw < 0.8:
        parts = [rng.choice(ONSETS) + rng.choice(NUCLEI) for _ in range(rng.randint(2, 3))]
        return " ".join("".join(rng.choices(parts, k=rng.randint(2, 4))) for _ in range(rng.choice((1, 1, 2))))
    other = words.word() if rng.random() < 0.6 else str(rng.randrange(1000))
    return words.word() + rng.choice((" & ", "-", "'", " ", ", ", "/", " + ")) + other


def draw_period_name(rng: random.Random, words: Words) -> str:
    """What a period is called: a phrase, now and then about a number ("last 7 days")."""
    return words.phrase() if rng.random() < 0.75 else f"{words.word()} {rng.randint(2, 90)} {words.word()}"


class Manner:
    """How one document says things, drawn once for it: operators, lists, ranges, time spans, what joins conditions.

    Phrases of operators share words, as "is", "is not" and "is ... or more" do, and most are the same for all fields.
    Where all is `listed` the schema has whatever is said for its operators, as the shipped ones do: what it does not
    have is missing. Elsewhere operators may be said by their names or by signs, and lists with the copula alone.
    """

    def __init__(self, rng: random.Random, words: Words, *, listed: bool = False) -> None:
        self.rng, self.words, self.listed = rng, words, listed
        self.style, self.made_up_aliases = rng.choice(STYLES), rng.random() < 0.35
        self.copula, self.few = words.word(), tuple(words.word() for _ in range(4))
        self.particle, self.clitic = words.word()[:3], rng.choice(LETTERS)
        word = lambda: f" {words.word()} "
        self.between_items = (rng.choice((" / ", ", ", " | ")), word())
        self.nor = word() if listed else self.between_items[1]
        self.between_ends = rng.choice((" .. ", " - ", word(), word()))
        self.short = rng.choice((0.0, 0.5, 0.8)) if listed and not self.made_up_aliases else 0.0
        """How often the field of a condition is left out, where rules tell it."""
        self.left_out: list[str] = []
        """How the links of the conditions begin whose fields have been left out."""
        self.joiners = (rng.choice((" & ", ", ", " + ")), " " if self.short and rng.random() < 0.5 else word())
        self.between_steps, self.step_phrases = self._between_steps()
        self.of_names = (words.word(), words.word()), (words.word(0.15), words.word(0.15))
        said = lambda *forms: rng.choice(forms).format(w=words.word(), v=words.word(), d="{d}", e="{e}", n="{n}")
        self.since = said("@ {d} >", "{w} {d}", "{w} {d}", "{w} {d} {v}")
        self.range = said("@ {d} > {e}", "{d} - {e}", "{w} {d} {v} {e}", "{w} {d} {v} {e}")
        self.named = said("@ {n}", "{n}", "{n}", "{w} {n}", "{w} {n} {v}")
        self._taken: set[str] = set()
        self._ways: dict[str, list[Way]] = {}
        self._aliases: dict[str, str] = {}

    def _between_steps(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What stands between steps, and what the schema says of it: mostly the document's own words and all of
        them."""
        rng = self.rng
        if rng.random() < 0.15:
            return tuple(rng.sample(separators(Words.pieces), 2)), ()
        phrases = [
            rng.choice((self.words.word, self.words.word, self.words.phrase))() for _ in range(rng.choice((1, 2, 2, 3)))
        ]
        phrases += [rng.choice((">", ";", "->"))] * (rng.random() < 0.3)
        said = tuple(rng.choice((" ", ", ")) + f"{phrase} " for phrase in phrases)
        rng.shuffle(phrases)
        return said, tuple(phrases)

    # ---- operators

    def _way(self) -> Way:
        rng = self.rng
        while True:
            few = " ".join(rng.sample(self.few, rng.choice((1, 1, 2))))
            draw = rng.random()
            if self.listed and draw < 0.04:
                before, after = self.particle, ""
            elif draw < 0.2:
                before, after = self.copula, ""
            elif draw < 0.45:
                before, after = f"{self.copula} {few}", ""
            elif draw < 0.8:
                before, after = rng.choice((few, self.words.phrase(0.1))), ""
            else:
                before, after = rng.choice(("", self.copula, self.copula)), rng.choice((few, self.words.phrase(0.1)))
            if before and not after:
                before = self._with_particles(before)
            key = after or before
            if key not in self._taken:
                self._taken.add(key)
                return Way(before, after, key)

    def _with_particles(self, phrase: str) -> str:
        """The phrase as it is, or with what many phrases of a language have: "n'est pas", "au-dessus de"."""
        draw = self.rng.random()
        if draw < 0.12:
            return f"{self.clitic}'{phrase}"
        if draw < 0.3:
            return f"{phrase} {self.particle}"
        if draw < 0.36:
            return f"{phrase}-{self.words.word()} {self.particle}"
        return f"{self.particle} {phrase}" if draw < 0.42 else phrase

    def ways(self, canonical: str) -> list[Way]:
        """How the operator is said in this document; now and then how a single field says it."""
        drawn = self._ways.get(canonical, [])
        if not drawn or self.rng.random() < 0.2:
            drawn = [self._way() for _ in range(self.rng.choice((1, 1, 2, 2, 4)))]
            if (
                self.listed
                and canonical in ("equals", "on")
                and self.copula not in self._taken
                and self.rng.random() < 0.6
            ):
                self._taken.add(self.copula)
                drawn[0] = Way(self.copula, "", self.copula)
            self._ways.setdefault(canonical, drawn)
        return drawn

    def _alias(self, canonical: str) -> str:
        known = operators()[canonical].aliases
        if canonical not in self._aliases:
            self._aliases[canonical] = self.words.word() if self.made_up_aliases else self.rng.choice(known)
        return self._aliases[canonical]

    # ---- fields

    def _alike(self, accents: float, of_others: tuple[str, ...]) -> str:
        """A phrase that now and then has a word that others have, as "rental date" and "rental days"."""
        if self.rng.random() < 0.6:
            return self.words.phrase(accents)
        parts = [self.rng.choice(of_others), self.words.word(accents)]
        return " ".join(parts if self.rng.random() < 0.6 else parts[::-1])

    def field(self, kind: str | None = None) -> Field:
        """A field of this type or any with names, phrases and operators."""
        rng, words = self.rng, self.words
        kind = kind or rng.choice(("enum", "enum", "enum", "text", "integer", "number", "boolean", "boolean", "date"))
        phrase, other = self._alike(0.0, self.of_names[0]), self._alike(0.15, self.of_names[1])
        name = name_in_style(phrase if rng.random() < 0.8 else words.phrase(), self.style)
        phrases = (phrase, other) if rng.random() < 0.75 else (phrase,)
        values: tuple[str, ...] = ()
        hints: dict[str, str] = {}
        value_phrases: dict[str, tuple[str, ...]] = {}
        if kind == "enum":
            value_style = rng.choice(STYLES)
            alike = rng.random() < 0.3
            of_values = (words.word(),), (words.word(0.15),)
            for _ in range(rng.choice((2, 2, 3, 3, 4, 5))):
                said = self._alike(0.0, of_values[0]) if alike else words.phrase()
                said_other = self._alike(0.15, of_values[1]) if alike else words.phrase(0.15)
                value = name_in_style(said, value_style)
                values += (value,)
                if said != value:
                    hints[said] = value
                if rng.random() < 0.7:
                    hints[said_other] = value
                    value_phrases[value] = (said, said_other, value)
                else:
                    value_phrases[value] = (said, value)
        elif kind == "boolean" and rng.random() < 0.8:
            for said_yes, said_no in (self._yes_and_no(phrase), self._yes_and_no(other)):
                hints |= {said_yes: "true", said_no: "false"}
                for value, said in (("true", said_yes), ("false", said_no)):
                    value_phrases[value] = (*value_phrases.get(value, ()), said)
        possible = operators_for(kind)
        chosen = rng.sample(possible, rng.randint(1, min(4, len(possible))))
        chosen.sort(key=lambda operator: list(operators()).index(operator.name))
        aliases: dict[str, str] = {}
        for operator in chosen:
            alias = self._alias(operator.name)
            if alias not in aliases.values():
                aliases[operator.name] = alias
        ways, operator_hints = {}, {}
        for canonical, alias in aliases.items():
            ways[canonical] = self.ways(canonical) if self.listed or rng.random() < 0.9 else []
            operator_hints |= {way.key: alias for way in ways[canonical]}
            if self.listed and canonical == "in":
                operator_hints[self.between_items[1].strip()] = alias
            elif not self.listed and (not ways[canonical] or rng.random() < 0.1):
                signs = (alias,) if self.made_up_aliases else (alias, *SYMBOLS[canonical])
                ways[canonical] = [*ways[canonical], *(Way(sign, "", sign) for sign in signs)]
        spec = SchemaField(name, kind, aliases, phrases, values, hints, operator_hints)
        return Field(spec, value_phrases, ways)

    def listed_field(self) -> Field:
        """A field of three values or more that can be asked for as a list."""
        while True:
            entry = self.field("enum")
            if len(entry.spec.values) > 2 and any(operators()[name].shape == "list" for name in entry.spec.operators):
                return entry

    def _yes_and_no(self, phrase: str) -> tuple[str, str]:
        """What the two truth values are called; they may share words with each other and with their field."""
        first, second = self.words.word(), self.words.word()
        draw = self.rng.random()
        if draw < 0.3:
            return f"{first} {phrase}", f"{second} {phrase}"
        if draw < 0.6:
            pair = (first, f"{second} {first}")
            return pair if self.rng.random() < 0.5 else pair[::-1]
        return first, second

    # ---- conditions

    def _say_value(self, words: Words, entry: Field) -> tuple[str, Any]:
        rng, kind = self.rng, entry.spec.type
        if kind == "enum":
            value = rng.choice(entry.spec.values)
            return rng.choice(entry.value_phrases[value]), value
        if kind == "boolean":
            value = rng.choice(("true", "false"))
            return rng.choice(entry.value_phrases.get(value, (value,))), value == "true"
        if kind == "text":
            value = draw_text(rng, words)
            return f'"{value}"', value
        if kind == "date":
            day = draw_day(rng)
            return annotated(say_day(rng, day), day), day.isoformat()
        return draw_number(rng, kind)

    def _say(self, words: Words, entry: Field, canonical: str) -> tuple[str, Any, list[str]]:
        """How a value of this operator is said, the value, and its parts as they are said."""
        shape = operators()[canonical].shape
        if shape == "one":
            said, value = self._say_value(words, entry)
            return said, value, [said]
        if shape == "list":
            count = min(self.rng.choice((2, 2, 3, 4)), len(entry.spec.values))
            drawn = {i: self.rng.choice(entry.value_phrases[i]) for i in self.rng.sample(entry.spec.values, count)}
            between = self.rng.choice(self.between_items if canonical == "in" else (self.between_items[0], self.nor))
            return between.join(drawn.values()), list(drawn), list(drawn.values())
        low, high = sorted((draw_number(self.rng, entry.spec.type) for _ in range(2)), key=lambda pair: pair[1])
        return low[0] + self.between_ends + high[0], [low[1], high[1]], [low[0], high[0]]

    def _place(self, phrase: str, way: Way, said: str) -> str:
        rng = self.rng
        if rng.random() < 0.2:
            phrase = f"{rng.choice(GLUE)} {phrase}"
        form = rng.random()
        if form < (0.94 if self.listed else 0.86):
            parts = (phrase, way.before, said, way.after)
        elif self.listed:
            parts = (way.before, said, way.after, phrase)
        elif form < 0.93:
            parts = (way.before, phrase, said, way.after)
        else:
            parts = (said, way.before, way.after, phrase)
        return " ".join(filter(None, parts))

    def condition(self, words: Words, entry: Field) -> tuple[str, dict[str, Any], dict[str, str]]:
        """How a condition on the field is said, the condition, and what was looked up for it: phrase -> spelling.

        A truth value with phrases of its own may stand for the whole condition, as in "not paid"; a list may be said
        with the copula alone, as in "is red or blue". Where the field is left out that is noted in `left_out`.
        """
        rng, spec = self.rng, entry.spec
        shapes = {name: operators()[name].shape for name in spec.operators}
        canonical = rng.choices(list(shapes), [1 if shape == "one" else 2 for shape in shapes.values()])[0]
        said, value, parts = self._say(words, entry, canonical)
        condition = {"field": spec.name, "operator": spec.operators[canonical], "value": value}
        if said in spec.hints and spec.type == "boolean" and rng.random() < 0.75:
            return said, condition, {said: spec.hints[said]}
        if rng.random() < self.short and (short := self._without_field(entry, canonical, said, value)):
            self.left_out.append(f"[{spec.name} {spec.operators[canonical]}")
            return short, condition, {part: spec.hints[part] for part in parts if part in spec.hints}
        way, said = self._said_of_list(rng.choice(entry.ways[canonical]), canonical, said, parts)
        phrase = rng.choice(spec.phrases)
        looked_up = {phrase: spec.name}
        if way.key in spec.operator_hints:
            looked_up[way.key] = spec.operators[canonical]
        looked_up |= {part: spec.hints[part] for part in parts if part in spec.hints}
        return self._place(phrase, way, said), condition, looked_up

    def _without_field(self, entry: Field, canonical: str, said: str, value: Any) -> str | None:
        """The condition without its field: what is listed, what is true by its name, or a value behind its operator.

        None where it cannot be said so. Words that mean nothing stand before or behind it now and then.
        """
        rng, spec = self.rng, entry.spec
        way = rng.choice(entry.ways[canonical])
        if canonical == "in" or (canonical == "equals" and spec.type == "enum"):
            text = said
        elif spec.type == "boolean":
            text = rng.choice(spec.phrases) if value else ""
        else:
            text = f"{way.before} {said}" if operators()[canonical].shape == "one" and not way.after else ""
        filler = (
            " ".join(self.words.more().word() for _ in range(rng.choice((1, 1, 2, 3)))) if rng.random() < 0.3 else ""
        )
        parts = (filler, text) if rng.random() < 0.5 else (text, filler)
        return " ".join(filter(None, parts)) if text else None

    def _said_of_list(self, way: Way, canonical: str, said: str, parts: list[str]) -> tuple[Way, str]:
        """The way and the values, now and then of a list that the copula alone stands before."""
        if canonical != "in" or len(parts) == 1 or self.rng.random() >= (0.4 if self.listed else 0.25):
            return way, said
        if not self.listed:
            return Way(self.copula, "", ""), said
        between = self.between_items[1]
        return Way(self.copula, "", between.strip()), between.join(parts)

    def refused(self, words: Words, fields: list[Field]) -> tuple[str, dict[str, Any], dict[str, str]]:
        """A condition that a schema of these fields cannot express, the refusal, and what was looked up for it.

        What is missing is a field, a value or an operator; it stands for `MISSING` among what was looked up.
        """
        rng = self.rng
        enums = [entry for entry in fields if entry.spec.type == "enum"]
        entry = rng.choice(fields)
        missing = [o.name for o in operators_for(entry.spec.type) if o.name not in entry.spec.operators]
        draw = rng.random()
        if enums and draw < 0.3:
            entry, said = rng.choice(enums), words.phrase()
            phrase, way = rng.choice(entry.spec.phrases), self._known_way(entry)
            looked_up = {phrase: entry.spec.name}
            if way.key in entry.spec.operator_hints:
                looked_up[way.key] = entry.spec.operator_hints[way.key]
            answer = self._refusal("value", said, entry.spec.values, entry)
            return self._place(phrase, way, said), answer, looked_up | {said: MISSING}
        if missing and draw < (0.75 if self.listed else 0.65):
            canonical = rng.choice(missing) if self.listed else missing[0]
            phrase = rng.choice(entry.spec.phrases)
            said, _, parts = self._say(words, entry, canonical)
            ways = self.ways(canonical)
            if self.listed:  # words behind a value bear no mark where they are missing
                ways = [way for way in ways if not way.after] or ways
            way, said = self._said_of_list(rng.choice(ways), canonical, said, parts)
            answer = self._refusal("operator", phrase, entry.spec.operators.values(), entry)
            return self._place(phrase, way, said), answer, {phrase: entry.spec.name, way.key: MISSING}
        unknown = self.field()
        phrase = rng.choice(unknown.spec.phrases)
        said, _ = self._say_value(words, unknown)
        condition = self._place(phrase, self._known_way(rng.choice((entry, unknown))), said)
        answer = self._refusal("field", phrase, (entry.spec.name for entry in fields))
        return condition, answer, {phrase: MISSING}

    def _refusal(self, kind: str, said: str, known: Iterable[Any], entry: Field | None = None) -> dict[str, Any]:
        """A refusal in words of its own, not the shipped one's: it names the field, or quotes what no schema lists.

        To quote it teaches to find it. What refusals say is the task's, and SFT teaches that.
        """
        named = entry.spec.name if entry and self.listed else said
        return refusal(f"{kind} {named}", suggestion_of(known))

    def _known_way(self, entry: Field) -> Way:
        return self.rng.choice(self.rng.choice(list(entry.ways.values())))

    # ---- requests

    def join(self, said: list[str]) -> str:
        """Conditions of one step."""
        return self.rng.choice(self.joiners).join(said)

    def timeframe(self, words: Words, today: date) -> tuple[str, tuple[str, str]]:
        """How a time span is said, with its days behind it as in a prompt, and its two days.

        It is called by a name, or by one date up to today or two.
        """
        rng = self.rng
        draw = rng.random()
        if draw < 0.6:
            start, end = rng.choice(list(periods(today).values()))
            said = self.named.format(n=f"{draw_period_name(rng, words)} {written_span(start, end)}")
        elif draw < 0.75:
            start, end = today - timedelta(days=rng.randrange(1, 900)), today
            said = f"{self.since.format(d=say_day(rng, start))} {written_span(start, end)}"
        else:
            start = draw_day(rng)
            end = start + timedelta(days=rng.randrange(1, 400))
            said = f"{self.range.format(d=say_day(rng, start), e=say_day(rng, end))} {written_span(start, end)}"
        return said, (start.isoformat(), end.isoformat())

    def request(self, words: Words, body: str, timeframe: str | None) -> str:
        """The whole request: the time span before or after, words that mean nothing around, a capital now and then."""
        rng = self.rng
        early = timeframe is not None and rng.random() < 0.3
        if timeframe and not early:
            body = f"{body} {timeframe}"
        if rng.random() < 0.5:
            body = (
                " ".join(words.word() for _ in range(rng.randint(1, 5)))
                + rng.choice((" ", " ", " ", ", ", ": "))
                + body
            )
        if early:
            body = f"{timeframe}{rng.choice((', ', ' '))}{body}"
        if rng.random() < 0.25:
            body += rng.choice((" ", ", ")) + words.phrase()
        if rng.random() < 0.25:
            body += rng.choice(("?", " ?", "!", "."))
        return body[0].upper() + body[1:] if rng.random() < 0.4 else body
