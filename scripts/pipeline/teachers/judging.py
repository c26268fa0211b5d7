"""The judge, judged: planted right and wrong ASTs give the error rates of a teacher's verdicts.

Right ones are written in another order, wrong ones differ in one field, operator, value or date and still satisfy the
schema. A rate that used verdicts is shown beside these, and corrected for them (Rogan and Gladen 1978).
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from pipeline.errors import UserError
from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.dsl import is_refusal, steps_of
from pipeline.schemas.json_schemas import children
from pipeline.server import side_by_side
from pipeline.statistics import rate
from pipeline.teachers.teacher import CallLost, Teacher

Verdict = Callable[[dict[str, Any], dict[str, Any], Any, int], bool | None]
"""(schema row, dataset row, AST, how many times it was asked before) -> whether the judge accepts."""


def spellings(schema: Any) -> list[Any]:
    """All constants and enum values of a schema."""
    found: list[Any] = []
    open_parts = [schema, *(schema.get("$defs", {}).values() if isinstance(schema, dict) else ())]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            found += [*part.get("enum", []), *([part["const"]] if "const" in part else [])]
            open_parts += [below for _, below in children(part)]
    return found


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """(path, scalar) of a JSON value."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key))
    else:
        yield path, value


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy with the part at a path replaced."""
    result = copy.deepcopy(value)
    holder = result
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = new
    return result


def others(value: Any, known: list[Any]) -> list[Any]:
    """Values that could stand in a scalar's place."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value * 2 + 3]
    if value is None:
        return []
    found = [item for item in known if isinstance(item, str) and item != value]
    try:
        found.append((date.fromisoformat(value) + timedelta(days=1)).isoformat())
    except ValueError:
        found.append(f"{value} x")
    return found


def wrong(schema: Any, judge: SchemaJudge, ast: Any, rng: random.Random) -> Any:
    """An AST that differs in one place, satisfies the schema and means something else; None where none is found."""
    places = list(leaves(ast))
    rng.shuffle(places)
    known = spellings(schema)
    for path, value in places:
        candidates = others(value, known) if path else []
        rng.shuffle(candidates)
        for candidate in candidates:
            made = replaced(ast, path, candidate)
            if judge.is_valid(made) and not judge.same(made, ast):
                return made
    return None


def right(judge: SchemaJudge, ast: Any) -> Any:
    """An AST that means the same and is written differently; None where there is no other way."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    made = turned(ast)
    for step in steps_of(made):
        step["conditions"].reverse()
        step["name"] = f"the {step['name']}"
    return made if judge.same(made, ast) and judge.is_valid(made) else None


class Verdicts:
    """A teacher's verdicts for as long as it answers: a lost call leaves its verdict out, and a server that is gone is
    not asked again. `trouble` says what was lost last; the way out that an error names is that of a stage that
    stops."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.gone = False
        self.trouble: str | None = None

    def __call__(self, schema_row: dict[str, Any], row: dict[str, Any], ast: Any, sample: int = 0) -> bool | None:
        if self.gone:
            return None
        try:
            return self.teacher.judge(schema_row, row["query"], row["current_date"], ast, sample)
        except UserError as error:
            self.gone = not isinstance(error, CallLost)
            self.trouble = str(error).partition(";")[0]
            return None


def calibrate(
    verdict: Verdict, schemas: dict[str, dict[str, Any]], rows: list[dict[str, Any]], count: int, seed: int, calls: int
) -> dict[str, Any]:
    """The judge's error on planted ASTs of at most `count` programs, in all and by language; `calls` at a time.

    {"rows", "no_verdict", "false_accept": rate, "false_reject": rate, "repeat_agreement": share, "languages":
    {language: {"false_accept", "false_reject"}}}; rates are over verdicts that were given.
    """
    programs = [row for row in rows if not is_refusal(row["ast"])]
    picked = [programs[index * len(programs) // count] for index in range(count)] if len(programs) > count else programs
    planted: list[tuple[dict[str, Any], bool, Any]] = []
    for row in picked:
        schema_row = schemas[row["schema_id"]]
        judge = SchemaJudge(schema_row["schema"])
        rng = random.Random(f"{seed}-{row['row_id']}")
        made = right(judge, row["ast"]), wrong(schema_row["schema"], judge, row["ast"], rng)
        planted += [(row, is_right, ast) for is_right, ast in zip((True, False), made, strict=True) if ast is not None]

    def twice(item: tuple[dict[str, Any], bool, Any]) -> tuple[bool | None, bool | None]:
        row, _, ast = item
        said = verdict(schemas[row["schema_id"]], row, ast, 0)
        return said, None if said is None else verdict(schemas[row["schema_id"]], row, ast, 1)

    accepted: dict[bool, list[tuple[str, str, bool]]] = {True: [], False: []}
    repeats, missing = [], 0
    for (row, is_right, _), (said, again) in zip(planted, side_by_side(twice, planted, calls), strict=True):
        if said is None:
            missing += 1
            continue
        repeats += [again == said] if again is not None else []
        accepted[is_right].append((row["schema_id"], row["language"], said))

    def errors(language: str | None) -> dict[str, Any]:
        mine = lambda is_right: [v for v in accepted[is_right] if language in (None, v[1])]
        return {
            "false_accept": rate((schema, said) for schema, _, said in mine(False)),
            "false_reject": rate((schema, not said) for schema, _, said in mine(True)),
        }

    return {
        "rows": len(picked),
        "no_verdict": missing,
        **errors(None),
        "repeat_agreement": sum(repeats) / len(repeats) if repeats else None,
        "languages": {language: errors(language) for language in sorted({row["language"] for row in picked})},
    }


def corrected(results: list[dict[str, Any]], judge: dict[str, Any]) -> float | None:
    """semantic_pass with the verdicts' share of right answers corrected for the judge's error; None where it cannot
    be."""
    false_accept, false_reject = judge["false_accept"]["rate"], judge["false_reject"]["rate"]
    asked = [r for r in results if r["teacher_verdict"] is not None]
    if not results or false_accept is None or false_reject is None or false_accept + false_reject >= 1:
        return None
    sure = sum(r["semantic_match"] for r in results)
    if not asked:
        return sure / len(results)
    said = sum(r["teacher_verdict"] for r in asked) / len(asked)
    true = min(1.0, max(0.0, (said - false_accept) / (1 - false_accept - false_reject)))
    return (sure + true * len(asked)) / len(results)
