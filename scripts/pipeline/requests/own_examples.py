"""A user's own requests with their answers: trained on and shown to the teacher, or held out and measured."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from pipeline.artifacts import content_id
from pipeline.errors import UserError
from pipeline.schemas.asts import SchemaJudges
from pipeline.schemas.dsl import is_refusal
from pipeline.schemas.key_order import KeyOrder

KEYS = ("schema", "query", "answer", "language", "current_date", "held_out")


def read_examples(
    path: Path, schemas: list[dict[str, Any]], languages: list[str], default_date: str
) -> dict[str, list[dict[str, Any]]]:
    """schema_id -> d_03 rows from a JSONL of {schema, query, answer, language?, current_date?, held_out?}.

    `schema` is the name of a schema of your own, or a schema_id of d_02. What is `held_out` is of the split `own`; all
    else is trained on, and its schema must be. Raises UserError naming file, line, and what is wrong.
    """
    if not path.is_file():
        raise UserError(f"--examples {path} is no file; give a JSONL of objects with {', '.join(KEYS[:3])}")
    known = {row["domain"]: row for row in schemas if "variant" not in row and "fields" not in row}
    known |= {row["schema_id"]: row for row in schemas}
    judges = SchemaJudges()
    found: dict[str, list[dict[str, Any]]] = {}
    splits: dict[tuple[str, str], str] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"--examples {path} is not UTF-8: {error}; convert it with iconv") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            example = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path} line {number} is not JSON: {error}; mend that line") from None
        if problem := _problem(example, known, languages):
            raise UserError(f"{path} line {number}: {problem}")
        row = known[example["schema"]]
        if wrong := judges.of(row).error(example["answer"]):
            raise UserError(f"{path} line {number}: the answer does not satisfy {example['schema']}: {wrong[1]}")
        split = "own" if example.get("held_out") else "train"
        if splits.setdefault((row["schema_id"], example["query"].casefold()), split) != split:
            raise UserError(f"{path} line {number}: the same request is trained on and held out; drop one of the two")
        language = example.get("language", languages[0])
        day = example.get("current_date", default_date)
        found.setdefault(row["schema_id"], []).append(
            {
                "row_id": content_id(row["schema_id"], language, example["query"], day),
                "schema_id": row["schema_id"],
                "language": language,
                "query": example["query"],
                "current_date": day,
                "ast": KeyOrder(row["schema"]).ordered(example["answer"]),
                "kind": "refusal" if is_refusal(example["answer"]) else "program",
                "is_valid": True,
                "error_type": None,
                "teacher": "own example",
                "attempts": 0,
                "split": split,
            }
        )
    return found


def _problem(example: Any, known: dict[str, dict[str, Any]], languages: list[str]) -> str | None:
    """What is wrong with an example before its answer is looked at, or None."""
    if not isinstance(example, dict) or not {"schema", "query", "answer"} <= set(example) <= set(KEYS):
        return f"an example is an object with {', '.join(KEYS[:3])}, and {', '.join(KEYS[3:])} where they differ"
    if not isinstance(example["query"], str) or not example["query"].strip():
        return "the query is empty"
    if example["schema"] not in known:
        names = ", ".join(list(known)[:8])
        return f"there is no schema {example['schema']!r}; some that are there: {names}"
    if not isinstance(example.get("held_out", False), bool):
        return f"held_out is {example['held_out']!r}; write true or false"
    if not example.get("held_out") and (split := known[example["schema"]]["split"]) != "train":
        return f'schema {example["schema"]!r} is not trained on (split {split}); measure on it with "held_out": true'
    if example.get("language", languages[0]) not in languages:
        return f"the language {example['language']!r} is not one of {', '.join(languages)}"
    try:
        date.fromisoformat(example.get("current_date", "2024-01-01"))
    except (TypeError, ValueError):
        return f"current_date is {example['current_date']!r}; write it as YYYY-MM-DD"
    return None
