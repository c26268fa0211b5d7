"""The language of the embedded teacher: says an AST of the shipped DSL in English or French, and parses it back.

Phrases stand in config/language.json. A sentence is [polite words] [time] frame(steps) [time] [polite words]; steps are
joined conditions; a condition is a template over a field's words and a value. Text values stand in quotes and are
never read. The parser tries what the phrase book can say, so that it is an oracle for this language and no other.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from pipeline.errors import UserError
from pipeline.paths import LANGUAGE, OPERATORS
from pipeline.requests.calendar import book, periods, read_day, weekday_names
from pipeline.requests.reading import NOTHING, one_edit_apart
from pipeline.schemas.dsl import operators, program, refusal_of
from pipeline.words import read_words

NUMBER = r"\d+(?:[.,]\d+)?"
QUOTED = r'"\d+"'


def phrase_book() -> dict[str, Any]:
    """config/language.json: language -> phrases."""
    return read_words(LANGUAGE)


def templates(language: str, canonical: str, field_type: str) -> list[str]:
    """The ways to say a condition; raises UserError where there are none."""
    said = phrase_book()[language]["conditions"].get(canonical, {})
    said = said.get(field_type) if isinstance(said, dict) else said
    if not said:
        raise UserError(
            f"{LANGUAGE}: {language}.conditions has no phrases for {canonical} of fields of type {field_type}, which "
            f"{OPERATORS} allows; add some, or take the operator or the type out there"
        )
    return said


def operator_phrases(language: str, canonical: str, field_type: str) -> list[str]:
    """What stands between a field and its value where this operator is said, without what an earlier operator means.

    Where that is taken it is what stands after the value, "or more" of "is 4 or more", or else between two of them,
    "or" of "is red or blue".
    """
    taken: set[str] = set()
    between = {name: phrase_book()[language][name].strip() for name in ("or", "nor")}
    for name, operator in operators().items():
        if field_type not in operator.types:
            continue
        said = [re.fullmatch(r"\{f\} ([^{}:]+) \{(.*)\}([^{}]*)", t) for t in templates(language, name, field_type)]
        later = [match and (match[3].strip() or between.get(match[2], "")) for match in said]
        keys = [after if match[1] in taken else match[1] for match, after in zip(said, later, strict=True) if match]
        phrases = [key for key in dict.fromkeys(keys) if key and key not in taken]
        if name == canonical:
            return phrases
        taken |= set(phrases)
    return []


def step_phrases(language: str) -> list[str]:
    """What stands between two steps, without commas."""
    return list(dict.fromkeys(between.strip(" ,") for _, between, _ in phrase_book()[language]["steps"]))


def say_date(day: date, form: str, language: str) -> str:
    """A date in one of the phrase book's forms."""
    month = book()["months"][language][day.month - 1]
    return form.format(
        iso=day.isoformat(), d=day.day, month=month, y=f"{day.year:04d}", dd=f"{day.day:02d}", mm=f"{day.month:02d}"
    )


@dataclass(frozen=True)
class Unsayable(Exception):
    """A program that the phrase book has no words for."""

    reason: str


def _regex_of_date(language: str) -> str:
    months = "|".join(map(re.escape, book()["months"][language]))
    return rf"\d{{4}}-\d\d-\d\d|\d\d/\d\d/\d{{4}}|\d{{1,2}} (?:{months}) \d{{4}}|(?:{months}) \d{{1,2}}, \d{{4}}"


class Speaker:
    """Sentences for one schema in one language.

    `fields` are a d_02 row's fields (name, type, words, operators, values). At most `phrasings` of the ways to say a
    condition with its field, to join conditions or steps and to name a period are said, the first of the phrase book;
    all are read.
    """

    def __init__(self, fields: list[dict[str, Any]], language: str, phrasings: int | None = None) -> None:
        self.phrasings = phrasings
        self.book = phrase_book()[language]
        self.language = language
        self.weekdays = dict(zip(book()["weekdays"][language], weekday_names(), strict=True))
        self.fields = {entry["name"]: entry for entry in fields}
        self.canonical = {
            (entry["name"], alias): name for entry in fields for name, alias in entry["operators"].items()
        }

    # ---- saying

    def _say_scalar(self, entry: dict[str, Any], value: Any, rng: random.Random) -> str:
        if "said" in entry:
            return entry["said"]
        kind = entry["type"]
        if kind in ("enum", "boolean"):
            for known in entry["values"]:
                if known["value"] == value and isinstance(known["value"], bool) == isinstance(value, bool):
                    return known["words"][self.language]
            raise Unsayable(f"{entry['name']} has no words for {value!r}")
        if kind == "text":
            return f'"{value}"'
        if kind == "date":
            return say_date(date.fromisoformat(value), rng.choice(self.book["dates"]), self.language)
        return str(value).replace(".", self.book["decimal"])

    def _ways_to_say(self, entry: dict[str, Any], canonical: str, value: Any) -> list[str]:
        """Templates for a condition: `phrasings` with its field, and those without it where nothing else can be
        meant."""
        ways = templates(self.language, canonical, entry["type"])
        with_field = [template for template in ways if "{f}" in template][: self.phrasings]
        without = [template for template in ways if "{f}" not in template]
        return with_field + without if not with_field or self._is_told(entry, canonical, value) else with_field

    def _is_told(self, entry: dict[str, Any], canonical: str, value: Any) -> bool:
        """Whether no other field has the operator or, where values have names, a value of the same name."""
        others = [other for other in self.fields.values() if other is not entry]
        if not entry.get("values"):
            return not any(canonical in other["operators"] for other in others)
        taken = {known["words"][self.language] for other in others for known in other.get("values", ())}
        values = value if isinstance(value, list) else [value]
        return taken.isdisjoint(k["words"][self.language] for k in entry["values"] if k["value"] in values)

    def _say_condition(self, entry: dict[str, Any], canonical: str, value: Any, rng: random.Random) -> str:
        template = rng.choice(self._ways_to_say(entry, canonical, value))
        words = {"f": entry["words"][self.language]}
        shape = operators()[canonical].shape
        if shape == "one":
            words["v"] = self._say_scalar(entry, value, rng)
        else:
            said = [self._say_scalar(entry, item, rng) for item in value]
            if shape == "range":
                words |= {"a": said[0], "b": said[1]}
            else:
                words |= {"or": self.book["or"].join(said), "nor": self.book["nor"].join(said)}
                words["comma"] = ", ".join(said)
        return template.format(**words)

    def say_condition(self, condition: dict[str, Any], rng: random.Random) -> str:
        """One condition of an AST."""
        entry = self.fields[condition["field"]]
        canonical = self.canonical[condition["field"], condition["operator"]]
        return self._say_condition(entry, canonical, condition["value"], rng)

    def say(self, ast: dict[str, Any], today: date, rng: random.Random) -> str:
        """A sentence for a program. Raises Unsayable."""
        steps = [[self.say_condition(c, rng) for c in step["conditions"]] for step in ast["steps"]]
        timeframe = None
        if "timeframe" in ast:
            timeframe = self.say_timeframe(ast["timeframe"], today, rng)
        return self.say_frame(steps, timeframe, rng)

    @staticmethod
    def of_one_value(entry: dict[str, Any]) -> list[str]:
        """The operators of a field that take one value: with another one, a value that is missing would not be all that
        is."""
        return [canonical for canonical in entry["operators"] if operators()[canonical].shape == "one"]

    def say_unknown(self, entry: dict[str, Any], canonical: str, value: Any, rng: random.Random) -> str:
        """A condition on a field, a value or an operator that the schema does not have; the field's words come
        first."""
        known = templates(self.language, canonical, entry["type"])
        leading = [t for t in known if t.startswith("{f} ")][: self.phrasings]
        shape = operators()[canonical].shape
        words = {"f": entry["words"][self.language]}
        said = [self._say_scalar(entry, item, rng) for item in (value if shape != "one" else [value])]
        words |= {"v": said[0], "a": said[0], "b": said[-1]}
        words |= {"or": self.book["or"].join(said), "nor": self.book["nor"].join(said), "comma": ", ".join(said)}
        return rng.choice(leading).format(**words)

    def say_frame(self, steps: list[list[str]], timeframe: str | None, rng: random.Random) -> str:
        """The whole sentence around said conditions."""
        joined = []
        for step in steps:
            joiner = rng.choice(self.book["joiners"][: self.phrasings])
            joined.append(joiner.join(step))
        if len(joined) > 1:
            before, between, after = rng.choice(self.book["steps"][: self.phrasings])
            body = before + between.join(joined) + after
        else:
            body = joined[0]
        early = timeframe is not None and rng.random() < 0.25
        if timeframe and not early:
            body = f"{body} {timeframe}"
        text = rng.choice(self.book["frames"]).format(s=body, what=rng.choice(self.book["what"]))
        if early:
            text = f"{timeframe}, {text}"
        draw = rng.random()
        if draw < 0.12:
            text = rng.choice(self.book["before"]) + text
        elif draw < 0.24 and not text.endswith("?"):
            text = text + rng.choice(self.book["after"])
        if rng.random() < 0.4:
            text = text[0].upper() + text[1:]
        return text

    def say_timeframe(self, timeframe: dict[str, str], today: date, rng: random.Random) -> str:
        """The words for a timeframe of an AST."""
        start, end = date.fromisoformat(timeframe["start"]), date.fromisoformat(timeframe["end"])
        phrases = self.book["timeframes"]
        named = [name for name, period in periods(today).items() if period == (start, end)]
        if named and rng.random() < 0.8:
            name = rng.choice(named)
            if name in weekday_names():
                day = book()["weekdays"][self.language][weekday_names().index(name)]
                return rng.choice(phrases["weekday"][: self.phrasings]).format(day=day)
            return rng.choice(phrases[name][: self.phrasings])
        form = rng.choice(self.book["dates"])
        if end == today and start != end:
            return rng.choice(phrases["since"][: self.phrasings]).format(d=say_date(start, form, self.language))
        said = {"d": say_date(start, form, self.language), "e": say_date(end, form, self.language)}
        return rng.choice(phrases["range"][: self.phrasings]).format(**said)

    def refusal_of(self, kind: str, entry: dict[str, Any] | None = None) -> dict[str, Any]:
        """The refusal for an unknown field, or an unknown value or operator of a field."""
        if kind == "field":
            return refusal_of(kind, self.fields)
        known = (v["value"] for v in entry["values"]) if kind == "value" else entry["operators"].values()
        return refusal_of(kind, known, entry["name"])

    # ---- reading

    @cached_property
    def _date(self) -> str:
        return _regex_of_date(self.language)

    def _scalar_regex(self, entry: dict[str, Any]) -> str:
        kind = entry["type"]
        if kind in ("enum", "boolean"):
            words = sorted((known["words"][self.language].lower() for known in entry["values"]), key=len, reverse=True)
            return "|".join(map(re.escape, words)) or NOTHING
        if kind == "text":
            return QUOTED
        return self._date if kind == "date" else NUMBER

    def _condition_regex(self, template: str, field: str, scalar: str) -> re.Pattern[str]:
        """A condition up to what joins it with the next one, or the end of the text: in "none of red, group, group size
        is 4" the list has one group."""
        one = f"(?:{scalar})"
        lists = {"or": self.book["or"], "nor": self.book["nor"], "comma": ", "}
        words = {"f": f"(?P<f>{field})", "v": f"(?P<v>{scalar})", "a": f"(?P<a>{scalar})", "b": f"(?P<b>{scalar})"}
        words |= {name: f"(?P<list>{one}(?:{re.escape(sep)}{one})+)" for name, sep in lists.items()}
        ends = "|".join(map(re.escape, self.book["joiners"]))
        return re.compile(rf"{_fill(template, words)}(?={ends}|\Z)")

    @cached_property
    def _known(self) -> list[tuple[dict[str, Any], str, str, re.Pattern[str]]]:
        """(field, canonical, template, regex) of every condition that the schema can express."""
        return [
            (entry, canonical, template, self._condition_regex(template, self._field_regex(entry), self._scalar_regex(entry)))
            for entry in self.fields.values()
            for canonical in entry["operators"]
            for template in templates(self.language, canonical, entry["type"])
            if "{f}" in template or self._is_told(entry, canonical, [])
        ]  # fmt: skip

    def _field_regex(self, entry: dict[str, Any]) -> str:
        return re.escape(entry["words"][self.language].lower())

    @cached_property
    def _unknown(self) -> list[tuple[str, dict[str, Any] | None, re.Pattern[str]]]:
        """(kind, field, regex) of conditions that it cannot express; group `x` is what is unknown."""
        found: list[tuple[str, dict[str, Any] | None, re.Pattern[str]]] = []
        words = r"[^\W\d_][^\",;:?&]*?"
        for entry in self.fields.values():
            field, scalar = self._field_regex(entry), self._scalar_regex(entry)
            for canonical, operator in operators().items():
                if entry["type"] in operator.types and canonical not in entry["operators"]:
                    for template in templates(self.language, canonical, entry["type"]):
                        if template.startswith("{f} "):
                            found.append(("operator", entry, self._condition_regex(template, field, scalar)))
            for canonical in self.of_one_value(entry) if entry["type"] == "enum" else ():
                for template in templates(self.language, canonical, "enum"):
                    if template.startswith("{f} "):
                        found.append(("value", entry, self._condition_regex(template, field, f"(?P<x>{words})")))
        anything = {"enum": words, "text": QUOTED, "integer": NUMBER, "number": NUMBER, "date": self._date}
        for canonical, operator in operators().items():
            for kind in operator.types:
                for template in templates(self.language, canonical, kind):
                    if template.startswith("{f} "):
                        found.append(
                            ("field", None, self._condition_regex(template, f"(?P<x>{words})", anything[kind]))
                        )
        return found

    def _read_scalar(self, entry: dict[str, Any], text: str, quoted: list[str]) -> Any:
        kind = entry["type"]
        if kind in ("enum", "boolean"):
            return next(k["value"] for k in entry["values"] if k["words"][self.language].lower() == text)
        if kind == "text":
            return quoted[int(text[1:-1])]
        if kind == "date":
            day = read_day(text)
            return day.isoformat() if day else None
        number = text.replace(",", ".")
        if "." not in number:
            return int(number)
        return None if kind == "integer" else float(number)

    def _read_condition(
        self, entry: dict[str, Any], canonical: str, template: str, match: re.Match[str], quoted: list[str]
    ) -> dict[str, Any] | None:
        groups = match.groupdict()
        if groups.get("list"):
            parts = re.findall(self._scalar_regex(entry), groups["list"])
            value: Any = [self._read_scalar(entry, part, quoted) for part in parts]
        elif operators()[canonical].shape == "range":
            value = [self._read_scalar(entry, groups[name], quoted) for name in ("a", "b")]
        else:
            value = self._read_scalar(entry, groups["v"], quoted)
        if value is None or (isinstance(value, list) and None in value):
            return None
        return {"field": entry["name"], "operator": entry["operators"][canonical], "value": value}

    def _read_conditions(self, text: str, position: int, quoted: list[str]) -> Iterator[list[dict[str, Any]]]:
        """Every way to read text[position:] as joined conditions."""
        found = []
        for entry, canonical, template, regex in self._known:
            match = regex.match(text, position)
            if match and (read := self._read_condition(entry, canonical, template, match, quoted)):
                found.append((match.end(), read))
        for end, read in sorted(found, key=lambda pair: -pair[0]):
            if end == len(text):
                yield [read]
                continue
            for joiner in self.book["joiners"]:
                if text.startswith(joiner, end):
                    for rest in self._read_conditions(text, end + len(joiner), quoted):
                        yield [read, *rest]

    def _read_steps(self, text: str, quoted: list[str]) -> list[list[dict[str, Any]]] | None:
        whole = next(self._read_conditions(text, 0, quoted), None)
        if whole:
            return [whole]
        for before, between, _ in self.book["steps"]:
            if text.startswith(before) and between in text:
                parts = [next(self._read_conditions(p, 0, quoted), None) for p in text[len(before) :].split(between)]
                if all(parts):
                    return parts
        return None

    @cached_property
    def _timeframes(self) -> list[tuple[str, re.Pattern[str]]]:
        found = []
        for name, phrases in self.book["timeframes"].items():
            for phrase in phrases:
                words = {"d": f"(?P<d>{self._date})", "e": f"(?P<e>{self._date})"}
                words["day"] = "(?P<day>" + "|".join(self.weekdays) + ")"
                found.append((name, re.compile(_fill(phrase, words))))
        return found

    def _read_timeframe(self, text: str, today: date) -> dict[str, str] | None:
        for name, regex in self._timeframes:
            match = regex.fullmatch(text)
            if not match:
                continue
            groups = match.groupdict()
            if name == "weekday":
                start, end = periods(today)[self.weekdays[groups["day"]]]
            elif name in ("since", "range"):
                first = read_day(groups["d"])
                last = read_day(groups["e"]) if name == "range" else today
                if first is None or last is None:
                    continue
                start, end = first, last
            else:
                start, end = periods(today)[name]
            return {"start": start.isoformat(), "end": end.isoformat()}
        return None

    @cached_property
    def _frames(self) -> list[re.Pattern[str]]:
        what = "(?:" + "|".join(map(re.escape, self.book["what"])) + ")"
        frames = sorted(self.book["frames"], key=len, reverse=True)
        return [re.compile(_fill(frame, {"s": "(?P<s>.*)", "what": what})) for frame in frames]

    def _bodies(self, text: str, today: date) -> Iterator[tuple[str, dict[str, str] | None]]:
        """(conditions, timeframe) for every way to take polite words, the frame and the time off a sentence."""
        starts = {text, *(text[len(w) :] for w in self.book["before"] if text.startswith(w))}
        cores = {(s, None) for s in starts} | {
            (s[: -len(w)], None) for s in starts for w in self.book["after"] if s.endswith(w)
        }
        for core, _ in sorted(cores, key=lambda pair: len(pair[0])):
            openings: list[tuple[str, dict[str, str] | None]] = [(core, None)]
            for cut in [m.start() for m in re.finditer(", ", core)]:
                if timeframe := self._read_timeframe(core[:cut], today):
                    openings.append((core[cut + 2 :], timeframe))
            for rest, early in reversed(openings):
                for frame in self._frames:
                    match = frame.fullmatch(rest)
                    if not match:
                        continue
                    body = match["s"]
                    if early is None:
                        for cut in [m.start() for m in re.finditer(" ", body)]:
                            if late := self._read_timeframe(body[cut + 1 :], today):
                                yield body[:cut], late
                    yield body, early

    def read(self, query: str, today: date) -> dict[str, Any] | None:
        """The AST (a program or a refusal) of a sentence of this language, or None where it is none."""
        quoted: list[str] = []

        def mask(match: re.Match[str]) -> str:
            quoted.append(match[1])
            return f'"{len(quoted) - 1}"'

        text = self._mend_typos(re.sub(r'"([^"]*)"', mask, query).lower())
        bodies = list(self._bodies(text, today))
        for body, timeframe in bodies:
            steps = self._read_steps(body, quoted)
            if steps:
                return program(steps, (timeframe["start"], timeframe["end"]) if timeframe else None)
        return self._read_refusal([body for body, _ in bodies], quoted)

    def _read_refusal(self, bodies: list[str], quoted: list[str]) -> dict[str, Any] | None:
        """The refusal of a sentence with exactly one condition that the schema cannot express."""
        best: tuple[tuple[int, int], dict[str, Any]] | None = None
        for body in bodies:
            for steps in self._split_steps(body):
                for kind, entry, said, _ in self._one_unknown(steps, quoted):
                    rank = (("operator", "value", "field").index(kind), len(said))
                    if best is None or rank < best[0]:
                        best = rank, self.refusal_of(kind, entry)
        return best[1] if best else None

    def _split_steps(self, body: str) -> Iterator[list[str]]:
        yield [body]
        for before, between, _ in self.book["steps"]:
            if body.startswith(before) and between in body:
                yield body[len(before) :].split(between)

    def _one_unknown(
        self, steps: list[str], quoted: list[str]
    ) -> Iterator[tuple[str, dict[str, Any] | None, str, str]]:
        unread = [s for s in steps if not next(self._read_conditions(s, 0, quoted), None)]
        if len(unread) != 1:
            return
        for kind, entry, regex in self._unknown:
            for match in self._placed(regex, unread[0], quoted):
                said = match.groupdict().get("x") or ""
                if kind != "field" or said not in self._said_fields:
                    yield kind, entry, said, match[0]

    @cached_property
    def _said_fields(self) -> set[str]:
        return {entry["words"][self.language].lower() for entry in self.fields.values()}

    def _placed(self, regex: re.Pattern[str], text: str, quoted: list[str]) -> Iterator[re.Match[str]]:
        """Matches of an unknown condition whose surroundings are known conditions."""
        for joiner in self.book["joiners"]:
            starts = [0, *(m.end() for m in re.finditer(re.escape(joiner), text))]
            ends = [len(text), *(m.start() for m in re.finditer(re.escape(joiner), text))]
            for start in starts:
                for end in ends:
                    match = regex.fullmatch(text, start, end) if start < end else None
                    if not match:
                        continue
                    before = text[: start - len(joiner)] if start else ""
                    after = text[end + len(joiner) :] if end < len(text) else ""
                    if all(not part or next(self._read_conditions(part, 0, quoted), None) for part in (before, after)):
                        yield match

    @cached_property
    def _lexicon(self) -> set[str]:
        said = [self.book, book()["months"][self.language]]
        words = re.findall(r"[^\W\d_]+", json.dumps(said, ensure_ascii=False).lower())
        for entry in self.fields.values():
            said = [
                entry["words"][self.language],
                *(known["words"][self.language] for known in entry.get("values", [])),
            ]
            words += re.findall(r"[^\W\d_]+", " ".join(said).lower())
        return set(words)

    def _mend_typos(self, text: str) -> str:
        def mend(match: re.Match[str]) -> str:
            word = match[0]
            if len(word) < 5 or word in self._lexicon:
                return word
            near = [known for known in self._lexicon if one_edit_apart(word, known)]
            return near[0] if len(near) == 1 else word

        return re.sub(r"[^\W\d_]+", mend, text)


def make_typo(text: str, rng: random.Random) -> str:
    """One typing mistake in a word of five letters or more outside quotes and digits."""
    places = [m for m in re.finditer(r'"[^"]*"|[^\W\d_]{5,}', text) if not m[0].startswith('"')]
    if not places:
        return text
    match = rng.choice(places)
    word, at = match[0], rng.randint(1, len(match[0]) - 2)
    change = rng.choice(("drop", "double", "swap"))
    if change == "drop":
        word = word[:at] + word[at + 1 :]
    elif change == "double":
        word = word[:at] + word[at] + word[at:]
    else:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return text[: match.start()] + word + text[match.end() :]


def _fill(template: str, patterns: dict[str, str]) -> str:
    """A template as a regex: literals escaped, slots replaced by patterns."""
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(patterns[part] if index % 2 else re.escape(part) for index, part in enumerate(parts))
