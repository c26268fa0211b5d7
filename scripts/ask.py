"""Ask a student one question: the AST as JSON on stdout, everything else on stderr.

In   a JSON Schema (FILE, or - for stdin where the request is an argument), a request (argument, or stdin)
Out  stdout: the answer; stderr: the request with the days, spellings and names that rules found for it; exit status 0
     for a program, 1 for an answer that does not satisfy the schema, 3 for a refusal, 2 where something is missing

    uv run python scripts/ask.py --schema schema.json "paid invoices above 100 since march"
    uv run python scripts/ask.py --schema schema.json --ollama my-student "factures payees" | jq .steps
    echo "paid invoices" | uv run python scripts/ask.py --config config/offline.json --schema schema.json --constrained
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.config import complete_sections, parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout

INVALID, REFUSED = 1, 3


def read_schema(path: str) -> dict[str, Any]:
    """The answer schema of a file, as students are trained on it: a schema of your own is closed and may be refused.

    A d_02 row counts as its schema. Raises UserError where it is none.
    """
    from pipeline.dsl import can_refuse, with_refusal
    from pipeline.json_schemas import closed_schema, read_document

    if path == "-":
        try:
            value = json.load(sys.stdin)
        except ValueError as error:
            raise UserError(f"stdin is not a JSON Schema: {error}") from None
    elif not Path(path).is_file():
        raise UserError(f"{path} is no file; give a JSON Schema with --schema")
    else:
        value = read_document(Path(path))
    schema = value["schema"] if isinstance(value, dict) and "schema_id" in value else value
    closed = closed_schema(path, schema)
    return schema if can_refuse(schema) else with_refusal(closed)


def read_request(text: str | None, schema_path: str) -> str:
    """The request of the argument or of stdin."""
    if text is None and (schema_path == "-" or sys.stdin.isatty()):
        raise UserError("no request was given; write it after the options, or pipe it in")
    request = (sys.stdin.read() if text is None else text).strip()
    if not request:
        raise UserError("the request is empty; write what to ask for")
    return request


def answer(options: SimpleNamespace, schema: dict[str, Any], request: str) -> str:
    """The text of the student's answer."""
    row = {"query": request, "current_date": options.date}
    schema_row = {"schema_id": "asked", "schema": schema}
    evaluation = complete_sections(Path(options.config))["evaluation"]
    if options.ollama:
        from pipeline.served import ServedAnswerer, ServedStudent

        student = ServedStudent(
            options.teacher.host, options.ollama, options.student.max_seq_length, options.teacher.timeout
        )
        answerer: Any = ServedAnswerer(student, evaluation["max_new_tokens"])
    else:
        answerer = local_answerer(options, evaluation["max_new_tokens"])
    made = answerer.answers([schema_row], [row], constrained=[options.constrained])[0]
    if answerer.unenforced:
        print("the schema cannot be enforced while decoding; the answer is free and validated after", file=sys.stderr)
    if not made["ended"]:
        print(f"the answer was cut off at {evaluation['max_new_tokens']} tokens", file=sys.stderr)
    return made["text"]


def local_answerer(options: SimpleNamespace, max_new_tokens: int) -> Any:
    """The adapter on its base in this process."""
    from pipeline.evaluation import Answerer
    from pipeline.student import Renderer, check_adapter, kept_adapter, load_answering, load_tokenizer, place

    adapter = Path(options.adapter) if options.adapter else kept_adapter(Layout(options.run))
    check_adapter(adapter, options.student.base_model)
    placement = place(options.student)
    print(f"{adapter} on {options.student.base_model}, {placement.say()}", file=sys.stderr)
    model = load_answering(options.student, placement, adapter)
    return Answerer(model, Renderer(load_tokenizer(options.student.base_model)), max_new_tokens)


def main(argv: list[str] | None = None) -> int:
    extra = argparse.ArgumentParser(add_help=False)
    extra.add_argument("request", nargs="?", help="the request (default: stdin)")
    extra.add_argument("--schema", required=True, metavar="FILE", help="JSON Schema of the answer, or - for stdin")
    which = extra.add_mutually_exclusive_group()
    which.add_argument("--ollama", metavar="NAME", help="ask this model of the Ollama server")
    which.add_argument("--adapter", metavar="DIR", help="ask this adapter (default: the run's result)")
    extra.add_argument("--date", default=date.today().isoformat(), help="current date, YYYY-MM-DD (default: today)")
    extra.add_argument(
        "--constrained", action=argparse.BooleanOptionalAction, default=True, help="keep the answer to the schema"
    )
    options = parse_options(argv, __doc__, ("run", "teacher", "student"), extra)
    try:
        today = date.fromisoformat(options.date)
    except ValueError:
        raise UserError(f"--date is {options.date!r}; write it as YYYY-MM-DD") from None
    schema = read_schema(options.schema)
    from pipeline.asts import SchemaJudge, parse_answer
    from pipeline.prompts import with_links

    request = read_request(options.request, options.schema)
    if (asked := with_links(schema, request, today)) != request:
        print(f"asked: {asked}", file=sys.stderr)
    text = answer(options, schema, request)
    print(text)
    try:
        ast = parse_answer(text)
    except ValueError as error:
        print(f"the answer is not JSON: {error}", file=sys.stderr)
        return INVALID
    if problem := SchemaJudge(schema).error(ast):
        print(f"the answer does not satisfy the schema: {problem[1]}", file=sys.stderr)
        return INVALID
    return REFUSED if isinstance(ast, dict) and set(ast) == {"refusal"} else 0


if __name__ == "__main__":
    errors.run(main)
