"""The teacher: one interface, two kinds (embedded grammar, Ollama server), chosen by `teacher.kind`."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

from pipeline.artifacts import file_hash
from pipeline.errors import UserError
from pipeline.paths import LANGUAGE, REQUEST_STYLES, SCHEMA_LANGUAGE
from pipeline.requests.prompts import rules


class CallLost(UserError):
    """A call that failed every try although its server answers: the rest can go on without it."""


@dataclass
class Query:
    """A request. `expected` is the AST it was written from, where it was written from one."""

    text: str
    language: str
    current_date: str
    expected: dict[str, Any] | None = None


class Teacher(Protocol):
    """Who proposes domains, writes requests, answers them and judges answers."""

    name: str
    concurrency: int
    requests_per_call: int

    def propose_domain(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The spec of a domain (d_01 row without its id) from an entry of the domains file."""

    def write_queries(
        self, schema_row: dict[str, Any], language: str, current_date: str, count: int, seed: str
    ) -> list[Query]:
        """`count` requests, or somewhat more, for a schema; the same for the same arguments."""

    def answer(self, schema_row: dict[str, Any], query: Query, complaint: str | None, sample: int) -> str:
        """The text of an answer; `complaint` is what was wrong with the last one, `sample` numbers rollouts."""

    def judge(self, schema_row: dict[str, Any], query: str, current_date: str, ast: Any, sample: int) -> bool | None:
        """Whether the AST says what the request asks; None where the teacher cannot tell. `sample` numbers the times
        that it is asked."""

    def close(self) -> dict[str, Any]:
        """Release what is held; returns the cost (calls, tokens, seconds) of what was asked."""


EMBEDDED_VERSION = 11
"""Raised where the embedded teacher answers otherwise than before."""


def make_teacher(teacher: SimpleNamespace, run: SimpleNamespace, dataset: SimpleNamespace | None = None) -> Teacher:
    """The teacher of these options. `dataset` is needed where queries are written."""
    if teacher.kind == "embedded":
        from pipeline.teachers.embedded_teacher import EmbeddedTeacher

        return EmbeddedTeacher(dataset)
    from pipeline.teachers.ollama_teacher import OllamaTeacher

    return OllamaTeacher(teacher, run)


def teacher_facts(teacher: SimpleNamespace) -> dict[str, Any]:
    """What of the teacher's options and words decides its answers, for the record of a stage."""
    if teacher.kind == "embedded":
        facts = {"kind": "embedded", "version": EMBEDDED_VERSION}
        words = [LANGUAGE, SCHEMA_LANGUAGE]
    else:
        keys = ("kind", "model", "num_ctx", "num_predict", "think", "temperature", "requests_per_call")
        facts = {key: getattr(teacher, key) for key in keys}
        words = [REQUEST_STYLES]
    return facts | {"rules": rules(), "words": [file_hash(path) for path in words]}
