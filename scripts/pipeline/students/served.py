"""A student on an Ollama server: made there from safetensors, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.requests.prompts import render_prompt
from pipeline.schemas.rewrite import to_format
from pipeline.server import model_digest, no_server, side_by_side
from pipeline.students.student import END_OF_TURN

TEMPLATE = (
    '{{ $system := "" }}{{ range .Messages }}'
    '{{ if eq .Role "system" }}{{ $system = printf "%s\\n\\n" .Content }}'
    '{{ else }}<start_of_turn>{{ if eq .Role "assistant" }}model{{ else }}user{{ end }}\n'
    '{{ $system }}{{ .Content }}<end_of_turn>\n{{ $system = "" }}{{ end }}{{ end }}<start_of_turn>model\n'
)
"""Gemma's chat template in Go: a system message stands before the first turn; the server adds the BOS."""

SERVED_FILES = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip


def parameters(context: int) -> dict[str, Any]:
    """Options that a served student answers with: greedy, its turn's end, a context of `context` tokens."""
    return {"temperature": 0, "stop": [END_OF_TURN], "num_ctx": context}


def modelfile(context: int) -> str:
    """The Modelfile beside exported weights: `ollama create NAME` in that folder makes what `ServedStudent` makes."""
    lines = ["FROM .", f'TEMPLATE """{TEMPLATE}"""']
    for key, value in parameters(context).items():
        lines.append(f"PARAMETER {key} {json.dumps(value[0] if isinstance(value, list) else value)}")
    return "\n".join(lines) + "\n"


class ServedStudent:
    """A model on an Ollama server, asked with the student's prompt. Raises UserError where the server is not there."""

    def __init__(self, host: str, name: str, context: int, timeout: float, concurrency: int = 1) -> None:
        from ollama import Client

        self.host, self.name, self.context, self.concurrency = host, name, context, concurrency
        self.client = Client(host=host, timeout=timeout)

    def digest(self) -> str:
        """The model's digest. Raises UserError where server or model is not there."""
        return model_digest(self.client, self.host, self.name)

    def create(self, folder: Path) -> None:
        """Make the model on the server from an exported folder (safetensors, tokenizer)."""
        from ollama import ResponseError

        files = {
            path.name: self.client.create_blob(path)
            for path in sorted(folder.iterdir())
            if path.name in SERVED_FILES or path.suffix == ".safetensors"
        }
        try:
            self.client.create(self.name, files=files, template=TEMPLATE, parameters=parameters(self.context))
        except ResponseError as error:
            raise UserError(f"the server at {self.host} could not make {self.name} of {folder}: {error}") from None

    def ask(self, messages: list[dict[str, str]], max_new_tokens: int, schema: Any = None) -> dict[str, Any]:
        """{"text", "tokens", "ended", "prompt_tokens"} of one greedy answer; `schema` constrains it on the server."""
        import httpx
        from ollama import ResponseError

        options = {"num_ctx": self.context, "num_predict": max_new_tokens, "temperature": 0, "seed": 0}
        try:
            response = self.client.chat(
                self.name, messages, options=options, keep_alive="10m", format=to_format(schema) if schema else None
            )
        except ResponseError as error:
            if error.status_code == 404:
                self.digest()
            raise UserError(f"the server at {self.host} refused a request to {self.name}: {error}") from None
        except (ConnectionError, httpx.HTTPError) as error:
            raise no_server(self.host, error) from None
        return {
            "text": response.message.content or "",
            "tokens": response.eval_count or 0,
            "ended": response.done_reason != "length",
            "prompt_tokens": response.prompt_eval_count or 0,
        }


class ServedAnswerer:
    """What `evaluation.Answerer` does, by a served student."""

    unenforced: frozenset[str] = frozenset()

    def __init__(self, student: ServedStudent, max_new_tokens: int) -> None:
        self.student, self.max_new_tokens = student, max_new_tokens

    def answers(
        self,
        schema_rows: list[dict[str, Any]],
        rows: list[dict[str, Any]],
        *,
        constrained: Sequence[bool] | None = None,
    ) -> list[dict[str, Any]]:
        """{"text", "tokens", "ended", "prompt_tokens", "enforced"} for rows, each with its schema row."""

        def work(job: tuple[dict[str, Any], dict[str, Any], bool]) -> dict[str, Any]:
            schema_row, row, bound = job
            messages = render_prompt(schema_row["schema"], row["query"], row["current_date"])
            made = self.student.ask(messages, self.max_new_tokens, schema_row["schema"] if bound else None)
            return made | {"enforced": bound}

        jobs = list(zip(schema_rows, rows, constrained or [False] * len(rows), strict=True))
        return list(side_by_side(work, jobs, self.student.concurrency))

    def each(self, calls: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """`answers(**call)` of each call, in their order."""
        return (self.answers(**call) for call in calls)
