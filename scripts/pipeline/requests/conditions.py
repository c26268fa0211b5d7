"""How a request says the conditions of a schema of the shipped form: which field an operator is of, and which one a
value is of whose field is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from pipeline.requests.glossary import Named
from pipeline.requests.phrases import COMPARING, LIMITS, NUMBER_BEFORE, SPACES, VALUE, Phrases, comparing, limiting
from pipeline.requests.reading import WORD, an_article, any_of, said_around, said_for_operators
from pipeline.schemas.dsl import canonical_names

COUNTED = re.compile(rf"{NUMBER_BEFORE}(?:{WORD}\s+)?$")
"""A number and what it counts, before an operator ("200 minutes or less")."""
JOINT = re.compile(r"[\s,/&+]*(?:(?<=\s)\w{1,3}\s+)?")
"""What stands between two values of a list: signs, a short word ("or", "et")."""
RANGE = re.compile(r"\d(?:[\d.,]*\d)?(?:\s*-\s*|(?:\s+[^\s\d,;]+){1,2}\s+)\d")
"""Two numbers or days, with a word and maybe a unit between them, as behind "between"."""
WORD_LAST = re.compile(rf"{WORD}$")


@cache
def article() -> re.Pattern[str]:
    """Nothing but spaces, or an article between them."""
    return re.compile(rf"\s*(?:(?<!\w){an_article()})?")


@cache
def excepting() -> re.Pattern[str]:
    """What says that a value behind it is not meant."""
    said = "|".join(map(re.escape, {*said_for_operators()["not_equals"], *said_around()["without"]}))
    by = rf"(?:(?:[^\W\d_]*(?:{any_of('done')})\s+)?(?:{any_of('at', 'to')})\s+)?"  # "not made by an agency"
    return re.compile(rf"(?<!\w)(?P<said>{said})\s+{by}(?:{an_article()})?$")


@cache
def alternative() -> re.Pattern[str]:
    """What joins values of which each is meant."""
    return re.compile(rf"[\s,/&+]*(?:(?<=\s)(?:{any_of('and', 'or')})\s+)?")


@cache
def _colon() -> re.Pattern[str]:
    """What stands between a field and its value where no operator is said."""
    return re.compile(rf"\s*(?:[:=]\s*|(?:{any_of('of')})(?:(?<=')|\s+))?")


@cache
def _verb_last(*kinds: str) -> re.Pattern[str]:
    """That a text ends with what was done, or is done (the kinds); the group `name` where that is a name: "the sold"."""
    name = rf"(?<!\w)(?:{any_of('of', 'the')})(?:(?<=')|\s+)"
    return re.compile(rf"(?:^|\s)(?P<name>{name})?[^\W\d_]*(?:{any_of(*kinds)})\s+$")


@cache
def _parted() -> re.Pattern[str]:
    """What keeps a condition from the name behind it: a sign, or "and" right before that."""
    return re.compile(rf"[,;>]\s|\s(?:{any_of('and')})\s+(?:{an_article()})?$")


# ---- operators


def asked(found: Phrases, index: int) -> int | None:
    """Where the field stands that the phrase at this index is an operator of, or None where it is none.

    A field takes the first operator behind it; a second one may stand before the next field, with its value and no sign
    between ("at least 3 items"). Both stand in the operator's step.
    """
    phrase, (before, after) = found[index].phrase, found.beside_in_step(index)
    if before is not None and phrase in (own := found[before].owner).operators:
        return None if _says_more(own, found, index) or lacks_range(own.operators[phrase], found, index) else before
    free = before is None or found[index - 1].phrase in found[before].owner.operators
    free = free or not found.field_waits(index, found[index].start)
    if free and after is not None and phrase in (own := found[after].owner).operators:
        joins = index > 0 and found[index - 1].phrase in own.values and is_listed_with(own, found, index - 1, 1)
        if joins or is_said_next(own.operators, found, index) or lacks_range(own.operators[phrase], found, index):
            return None
        between = found.text[found[index].end : found[after].start]
        value = re.search(VALUE, between)
        said = own.is_date or (own.is_number if value[0].isdigit() else own.is_text) if value else False
        said = said or any(one.phrase in own.values for one in found[index + 1 : after])
        return after if said and not _parted().search(between) else None
    return None


def asking(found: Phrases, index: int) -> list[int]:
    """Where the operators stand that are of the field at this index."""
    before, after = found.beside(index)
    around = range(0 if before is None else before + 1, len(found) if after is None else after)
    return [at for at in around if found[at].owner is None and asked(found, at) == index]


def counts(found: Phrases, index: int) -> int | None:
    """Where the number begins that stands before the field at this index and is all that is said of it ("4 rooms"),
    maybe with a limit behind ("4 rooms at most"), or None."""
    number = found.numbers_before.get(found[index].start)
    is_compared = number is None or number in found.compared or value_follows(found, index)
    return None if is_compared or (asking(found, index) and limit_behind(found, index) is None) else number


def limit_behind(found: Phrases, index: int) -> int | None:
    """Where the operator of the field at this index stands that limits its number from behind, with nothing else
    between them: "20 kg or less", "price: 20 at most"."""
    one, at = found[index], asking(found, index)
    if len(at) != 1 or at[0] < index or canonical_names().get(one.owner.operators[found[at[0]].phrase]) not in LIMITS:
        return None
    is_before = one.start in found.numbers_before and found.adjoin(one, found[at[0]].start)
    follows = COUNTED.match(found.text[: found[at[0]].start], _colon().match(found.text, one.end).end())
    return at[0] if is_before or follows else None


def verb_before(found: Phrases, start: int, *kinds: str) -> bool:
    """Whether the words before this place are something that was done, or is done (the kinds), and no name: "sold",
    "weighing"."""
    verb = _verb_last(*kinds).search(found.before(start))
    return verb is not None and not verb["name"]


def counts_again(found: Phrases, index: int) -> bool:
    """Whether a number stands before the field at this index that the same field before it has: "delays over 30
    minutes"."""
    before, number = found.beside_in_step(index)[0], found.numbers_before.get(found[index].start)
    return before is not None and found[before].owner is found[index].owner and number is not None


def asked_by(said: str, operators: Iterable[str]) -> list[str]:
    """Those of the operators for which people say this."""
    return [name for name in operators if said in said_for_operators()[name]]


def _says_more(entry: Named, found: Phrases, index: int) -> bool:
    """Whether what stands behind "is" at this index says what its field lacks: "is 20 or less", "is more than 20", "is
    red or blue"."""
    one, value = found[index], found.next(index)
    if entry.operators[one.phrase] != entry.aliases.get("equals"):
        return False
    start = SPACES.match(found.text, one.end).end()
    if limit := limiting().match(found.text, start):
        return entry.lacks(*asked_by(limit["said"], LIMITS))
    if (compared := comparing().match(found.text, start)) and compared.end() in found.values:
        return entry.lacks(*asked_by(compared["said"], COMPARING))
    return bool(value and value.phrase in entry.values) and lacks_list(entry, found, index + 1)


def is_said_next(operators: dict[str, str], found: Phrases, index: int) -> bool:
    """Whether another of these operators follows at once: "is" says nothing in "is more than"."""
    other = found.next(index)
    return other is not None and other.phrase in operators and found.adjoin(found[index], other.start)


def asked_alone(found: Phrases, index: int) -> Named | None:
    """The one field that has the operator at this index, where its value stands beside it and no other words before it
    that could be a field: "weak hives, under 20", "20 or less", of dates "sold before 3 may".

    Or the one that has the operator of those in whose names the word before it stands: "age of queen above 3".
    """
    one = found[index]
    start, value = one.start, SPACES.match(found.text, one.end).end()
    entries = [entry for entry in found.glossary.named if one.phrase in entry.operators]
    entries = [entry for entry in entries if not lacks_range(entry.operators[one.phrase], found, index)]
    if value not in found.values:
        counted = COUNTED.search(found.before(start))
        start = value = start - len(counted[0]) if counted else start
        entries = [entry for entry in entries if canonical_names().get(entry.operators[one.phrase]) in LIMITS]
    entries = [entry for entry in entries if fits(entry, found, value)]
    word = WORD_LAST.search(found.before(found.end_before(start)))
    names = found.glossary.words.get(word[0], ()) if word else ()
    called = [entry for entry in entries if entry.name in names]
    if (len(called) != 1 and len(entries) != 1) or found.field_waits(index, start):
        return None
    if len(called) == 1:
        return called[0]
    is_done = entries[0].is_date and verb_before(found, start, "done", "doing")
    is_alone = is_done or found.adjoin(found.last(index), start) or found.nothing_else_before(start)
    return entries[0] if is_alone else None


def lacks_range(operator: str, found: Phrases, index: int) -> bool:
    """Whether one value alone stands behind the phrase at this index, said for the operator of a range: "de" of "de
    5"."""
    value = SPACES.match(found.text, found[index].end).end()
    is_one = value in found.values and not RANGE.match(found.text, value)
    return is_one and canonical_names().get(operator) == "between"


def fits(entry: Named, found: Phrases, place: int) -> bool:
    """Whether the field can have the value that begins at this place: a day, a number, what is quoted."""
    if place in found.days:
        return entry.is_date
    return place in found.values and (entry.is_number if found.text[place].isdigit() else entry.is_text)


# ---- values


def field_left_out(found: Phrases, index: int) -> Named | None:
    """The one field that has the value at this index, where the step does not say it beside it, and the field before
    waits for none."""
    phrase = found[index].phrase
    entries = [entry for entry in found.glossary.named if phrase in entry.values or phrase in entry.truths]
    if len(entries) != 1 or phrase not in entries[0].values:
        return None
    beside = (found[at].owner for at in found.beside_in_step(index) if at is not None)
    is_said = any(owner is entries[0] for owner in beside) or found.field_waits(index, found[index].start)
    return None if is_said else entries[0]


def value_follows(found: Phrases, index: int) -> str:
    """The canonical operator of a field behind which its value stands and no operator ("price: 20"), or ""."""
    one, value = found[index], found.next(index)
    at = _colon().match(found.text, one.end).end()
    if value is not None and value.start == at and value.phrase in one.owner.values:
        return "in" if is_listed_with(one.owner, found, index + 1, 1) else "equals"
    if not fits(one.owner, found, at) or RANGE.match(found.text, at):
        return ""
    return "on" if at in found.days else "equals"


def values_before(found: Phrases, index: int) -> list[int]:
    """Where the values stand right before their field at this index, of which nothing else is said: "weak strength",
    "weak or old strength"."""
    own, at = found[index].owner, index - 1
    if at < 0 or found[at].phrase not in own.values or not found.adjoin(found[at], found[index].start):
        return []
    values = [at]
    while is_listed_with(own, found, values[0], -1):
        values.insert(0, values[0] - (1 if found[values[0] - 1].phrase in own.values else 2))
    is_more = value_follows(found, index) or asking(found, index)
    is_more = is_more or found.field_waits(values[0], found[values[0]].start)
    return [] if is_more or not own.whole_of(len(values) > 1) else values


def is_listed_with(entry: Named, found: Phrases, index: int, step: int) -> bool:
    """Whether the value at this index and the one before (`step` -1) or behind it (1) are items of a list."""
    at = index + step
    if 0 <= at < len(found) and found[at].owner is None and found[at].phrase not in entry.values:  # "or"
        at += step
    if not 0 <= at < len(found) or found[at].phrase not in entry.values:
        return False
    first, second = sorted((found[index], found[at]))
    between = found.text[first.end : second.start]
    operator = entry.operators.get(between.strip(" ,"))
    of_lists = operator is not None and canonical_names().get(operator, "in") in ("in", "not_in")
    return of_lists or JOINT.fullmatch(between) is not None


def lacks_list(entry: Named, found: Phrases, index: int) -> bool:
    """Whether another value of its field stands behind the value at this index, joined as one that is meant, too, and
    the field takes one."""
    following = (one for one in found[index + 1 : index + 3] if one.phrase in entry.values)
    second = next(following, None) if entry.lacks("in") else None
    return second is not None and alternative().fullmatch(found.text, found[index].end, second.start) is not None
