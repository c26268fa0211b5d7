"""A student asked one request, and many."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from tests_support import config_for, make_adapter, rows_of

import ask
from pipeline.errors import UserError
from pipeline.paths import EMBEDDED_BASE
from pipeline.requests.own_examples import read_examples

DAY = "2024-03-17"


@pytest.fixture(scope="module")
def asked(tmp_path_factory, data) -> SimpleNamespace:
    """Arguments of `ask.py` for the shipped base, which answers most requests, and three requests of one schema."""
    folder = tmp_path_factory.mktemp("ask")
    config = config_for(folder, str(EMBEDDED_BASE), evaluation={"max_new_tokens": 120, "batch_rows": 2})
    make_adapter(str(EMBEDDED_BASE), folder / "adapter", size=0.0001)
    schema_row = next(r for r in rows_of(data / "out/d_02_final_schemas.jsonl") if r["split"] == "train")
    rows = [r for r in rows_of(data / "out/d_03_dataset.jsonl") if r["schema_id"] == schema_row["schema_id"]]
    queries = [row["query"] for row in rows if row["kind"] == "program"][:3]
    schema = folder / f"{schema_row['schema_id']}.json"
    schema.write_text(json.dumps(schema_row["schema"]), encoding="utf-8")
    args = ["--config", str(config), "--adapter", str(folder / "adapter"), "--schema", str(schema), "--date", DAY]
    return SimpleNamespace(args=args, queries=queries, schema_row=schema_row)


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def test_lines_give_what_single_requests_give_and_are_examples_as_they_stand(asked, tmp_path, monkeypatch, capsys):
    singles, statuses = [], []
    for query in asked.queries:
        statuses.append(ask.main([*asked.args, query]))
        singles.append(json.loads(capsys.readouterr().out))
    assert 0 in statuses
    piped(monkeypatch, "\n\n".join(asked.queries).encode())
    assert ask.main([*asked.args, "--lines"]) == (1 if 1 in statuses else 0)
    lines = capsys.readouterr().out
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["answer"] for row in rows] == singles
    assert [row["query"] for row in rows] == asked.queries
    assert ["problem" in row for row in rows] == [status == 1 for status in statuses]
    good = tmp_path / "answers.jsonl"
    good.write_text("".join(json.dumps(row) + "\n" for row in rows if "problem" not in row), encoding="utf-8")
    found = read_examples(good, [asked.schema_row], ["en"], DAY)
    assert len(found[asked.schema_row["schema_id"]]) == statuses.count(0) + statuses.count(3)


def test_an_answer_that_is_cut_off_has_its_problem_beside_it(asked, tmp_path, monkeypatch, capsys):
    config = config_for(tmp_path, str(EMBEDDED_BASE), evaluation={"max_new_tokens": 3})
    piped(monkeypatch, asked.queries[0].encode())
    assert ask.main([*asked.args, "--config", str(config), "--lines"]) == 1
    row = json.loads(capsys.readouterr().out)
    assert row["answer"] is None
    assert "it was cut off at 3 tokens" in row["problem"]


class Terminal:
    """Somebody who types a request after having read the answer to the one before."""

    def __init__(self, requests: list[str], capsys: pytest.CaptureFixture) -> None:
        self.requests, self.capsys, self.read = requests, capsys, []

    def isatty(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        for request in self.requests:
            yield request + "\n"
            self.read.append(self.capsys.readouterr().out)


def test_what_is_typed_is_answered_before_more_is_read(asked, monkeypatch, capsys):
    terminal = Terminal([asked.queries[0], "", asked.queries[1]], capsys)
    monkeypatch.setattr(sys, "stdin", terminal)
    ask.main([*asked.args, "--lines"])
    first, nothing, second = terminal.read
    assert nothing == ""
    assert [json.loads(text)["query"] for text in (first, second)] == asked.queries[:2]


@pytest.mark.parametrize(
    ("args", "content", "said"),
    [
        (["--lines"], b"\n  \n", "no requests"),
        (["--lines", "paid ones"], b"unpaid ones", "give no request"),
        (["--lines"], b"caf\xe9", "not UTF-8"),
        ([], b"caf\xe9", "not UTF-8"),
        ([], b" ", "the request is empty"),
        (["--date", "tomorrow", "paid ones"], b"", "YYYY-MM-DD"),
    ],
)
def test_a_request_that_cannot_be_read_is_a_sentence_before_a_model_is_loaded(asked, monkeypatch, args, content, said):
    monkeypatch.setattr(ask, "Student", lambda *_: pytest.fail("a model was loaded"))
    piped(monkeypatch, content)
    with pytest.raises(UserError, match=said):
        ask.main([*asked.args, *args])
