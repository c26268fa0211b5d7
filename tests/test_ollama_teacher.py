"""The Ollama teacher against a real HTTP server with every odd behaviour of one."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT
from odd_server import Server, drops, fails, says
from tests_support import copied, dataset_options, domain_specs, make_schemas, rows_of

from pipeline.config import DEFAULTS, complete_sections
from pipeline.errors import UserError
from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.json_text import minify
from pipeline.server import is_here
from pipeline.teachers.ollama_teacher import OllamaTeacher
from pipeline.teachers.teacher import CallLost, Query

GOOD = {"refusal": {"reason": "r", "suggestion": "s"}}


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    made = Server()
    yield made
    made.http.shutdown()


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    return make_schemas(1, 3)[0]


def teacher_of(server: Server, folder: Any, **changes: Any) -> OllamaTeacher:
    sections = complete_sections(DEFAULTS)
    options = sections["teacher"] | {"host": server.host, "model": "tiny", "timeout": 2, "retries": 2} | changes
    return OllamaTeacher(SimpleNamespace(**options), SimpleNamespace(**sections["run"] | {"output_root": str(folder)}))


def test_a_request_carries_schema_context_limits_and_thinking(server, row, tmp_path):
    server.replies = [says(GOOD)]
    assert json.loads(teacher_of(server, tmp_path).answer(row, Query("q", "en", "2024-03-17"))) == GOOD
    (request,) = server.requests
    assert request["options"]["num_ctx"] == 16384
    assert request["options"]["num_predict"] == 4096
    assert request["think"] == "low"
    assert "const" not in json.dumps(request["format"])
    assert "x-set" not in json.dumps(request["format"])


@pytest.mark.parametrize(
    ("capabilities", "told"), [(["completion"], False), (["completion", "thinking"], True), (None, True)]
)
def test_a_model_that_does_not_think_is_not_told_how_long(server, row, tmp_path, capabilities, told):
    server.replies, server.capabilities = [says(GOOD)], capabilities
    teacher_of(server, tmp_path).answer(row, Query("q", "en", "2024-03-17"))
    assert ("think" in server.requests[0]) == told


def test_a_second_identical_call_is_answered_from_the_cache(server, row, tmp_path):
    server.replies = [says(GOOD)]
    query = Query("q", "en", "2024-03-17")
    for _ in range(2):
        teacher = teacher_of(server, tmp_path)
        teacher.answer(row, query)
    assert len(server.requests) == 1
    assert teacher.close()["cache_hits"] == 1
    teacher.answer(row, Query("another", "en", "2024-03-17"))
    assert len(server.requests) == 2


@pytest.mark.parametrize("trouble", [fails(503), fails(500), drops], ids=["queue full", "error", "dropped"])
def test_passing_trouble_is_retried(server, row, tmp_path, trouble):
    server.replies = [trouble, trouble, says(GOOD)]
    teacher = teacher_of(server, tmp_path)
    assert json.loads(teacher.answer(row, Query("q", "en", "2024-03-17"))) == GOOD
    assert teacher.close()["retried"] == 2


def test_a_call_that_fails_every_try_is_lost_and_says_so(server, row, tmp_path):
    server.replies = [fails(503)]
    with pytest.raises(CallLost, match=r"127\.0\.0\.1.*3 times"):
        teacher_of(server, tmp_path).answer(row, Query("q", "en", "2024-03-17"))


def test_a_server_that_is_gone_is_a_sentence_with_the_way_on(server, row, tmp_path):
    teacher = teacher_of(server, tmp_path)
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(UserError, match=r"does not answer any more.*run the same command") as raised:
        teacher.answer(row, Query("q", "en", "2024-03-17"))
    assert not isinstance(raised.value, CallLost)


def test_lost_calls_leave_their_schemas_open_and_the_next_start_asks_only_those(server, tmp_path, monkeypatch):
    """The first schema's calls fail until the trouble is over; the others are answered once and for all."""
    import generate_dataset

    schemas = make_schemas(3, 4)
    options = SimpleNamespace(dataset=dataset_options(rows_per_schema=2, seen_schemas=0, attempts=1))
    teacher = teacher_of(server, tmp_path, concurrency=1)
    options.run, options.teacher = teacher.run, teacher.options
    options.run.languages, options.run.max_samples = ["en"], None
    troubled = True
    of_first = lambda request: minify(schemas[0]["schema"]) in " ".join(m["content"] for m in request["messages"])

    def reply(handler: Any) -> None:
        request = server.requests[-1]
        if troubled and of_first(request):
            return fails(503)(handler)
        return says({"requests": ["one", "two"]} if "requests" in json.dumps(request["format"]) else GOOD)(handler)

    server.replies = [reply]
    _, _, still_open = generate_dataset.make_dataset(generate_dataset.planned(schemas, options), options, teacher)
    assert [entry["schema_id"] for entry in still_open] == [schemas[0]["schema_id"]]
    troubled, before = False, len(server.requests)
    rows, _, still_open = generate_dataset.make_dataset(generate_dataset.planned(schemas, options), options, teacher)
    assert not still_open
    assert {row["schema_id"] for row in rows} == {row["schema_id"] for row in schemas}
    assert teacher.cost["cache_hits"] > 0
    assert server.requests[before:]
    assert all(of_first(request) for request in server.requests[before:])


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (says("Sure! Here is the JSON."), "not_json"),
        (says("```json\n{}\n```"), "not_json"),
        (says({"steps": []}), "schema_violation"),
        (says(minify(GOOD) + " " * 400, "length"), "not_json"),
    ],
    ids=["prose", "fence", "ignores the format", "cut off"],
)
def test_an_unusable_answer_is_a_counted_rejection(server, row, tmp_path, reply, reason):
    from generate_dataset import answer_query

    server.replies = [reply]
    options = dataset_options(attempts=2)
    query = Query("q", "en", "2024-03-17")
    ast, _, _, rejected = answer_query(teacher_of(server, tmp_path), SchemaJudge(row["schema"]), row, query, options)
    assert ast is None
    assert {r[1] for r in rejected} == {reason}


def test_a_failed_answer_goes_back_with_the_validators_message(server, row, tmp_path):
    from generate_dataset import answer_query

    server.replies = [says({"steps": []}), says(GOOD)]
    teacher, query = teacher_of(server, tmp_path), Query("q", "en", "2024-03-17")
    ast, _, attempts, rejected = answer_query(teacher, SchemaJudge(row["schema"]), row, query, dataset_options())
    assert (ast, attempts, len(rejected)) == (GOOD, 2, 1)
    assert "was refused: at" in server.requests[1]["messages"][-1]["content"]


def test_domain_specs_are_proposed_side_by_side_and_a_faulty_one_is_written_again(server, tmp_path):
    import generate_domain_specs

    proposed = {spec["domain"]: spec for spec in domain_specs()[:3]}
    under_way, most = [], []

    def reply(handler: Any) -> None:
        under_way.append(handler)
        most.append(len(under_way))
        threading.Event().wait(0.1)
        under_way.remove(handler)
        messages = handler.asked["messages"]
        name = re.match(r"Domain (\w+):", messages[0]["content"])[1]
        fields = [{"values": []} | field for field in proposed[name]["fields"]]
        says({"fields": fields if len(messages) > 1 else fields + fields[:1]})(handler)

    server.replies = [reply]
    teacher = teacher_of(server, tmp_path, concurrency=3)
    options = SimpleNamespace(run=teacher.run, teacher=teacher.options)
    entries = [{key: spec[key] for key in ("domain", "description")} for spec in proposed.values()]
    made = generate_domain_specs.make_specs(options, entries)
    assert [row["domain"] for row in made] == list(proposed)
    assert [row["fields"] for row in made] == [spec["fields"] for spec in proposed.values()]
    assert max(most) == 3
    again = [request["messages"] for request in server.requests if len(request["messages"]) > 1]
    assert len(again) == 3
    assert all("without a name of its own" in messages[-1]["content"] for messages in again)


def test_the_forecast_counts_the_calls_ahead_and_makes_none_twice(server, tmp_path, capsys):
    import generate_dataset

    schemas = make_schemas(3, 4)
    options = SimpleNamespace(dataset=dataset_options(rows_per_schema=2, seen_schemas=0, attempts=1))
    teacher = teacher_of(server, tmp_path, concurrency=1)
    options.run, options.teacher = teacher.run, teacher.options
    options.run.languages = ["en"]
    asked = lambda handler: says({"requests": ["one", "two"]})(handler)
    server.replies = [
        lambda handler: (asked if "requests" in json.dumps(server.requests[-1]["format"]) else says(GOOD))(handler)
    ]
    generate_dataset.make_dataset(generate_dataset.planned(schemas, options), options, teacher)
    # three calls for requests and six answers, each 10 tokens
    assert "at least 9 calls, about 90 tokens and 0.0 hours" in capsys.readouterr().out
    said = [minify([request["messages"], request["options"]["seed"]]) for request in server.requests]
    assert len(said) == len(set(said))


def test_a_single_schemas_requests_are_asked_for_in_small_calls_and_answered_side_by_side(server, tmp_path, capsys):
    import generate_dataset

    teacher = teacher_of(server, tmp_path, concurrency=3)
    dataset = dataset_options(rows_per_schema=40, seen_schemas=0, attempts=1)
    options = SimpleNamespace(dataset=dataset, run=teacher.run, teacher=teacher.options)
    options.run.languages = ["en"]
    rng, asked, under_way, most = random.Random(0), [], [], []

    def reply(handler: Any) -> None:
        if wanted := handler.asked["format"].get("properties", {}).get("requests"):
            asked.append(wanted["minItems"])
            says({"requests": [f"{rng.getrandbits(64):x}" for _ in range(asked[-1])]})(handler)
            return
        under_way.append(handler)
        most.append(len(under_way))
        threading.Event().wait(0.05)
        under_way.remove(handler)
        says(GOOD)(handler)

    server.replies = [reply]
    rows, *_ = generate_dataset.make_dataset(generate_dataset.planned(make_schemas(1, 4), options), options, teacher)
    assert asked == [16, 16, 8]
    assert "at least 43 calls" in capsys.readouterr().out
    assert len(rows) == 40
    assert max(most) == 3


def test_rollouts_need_a_majority(server, row, tmp_path):
    from generate_dataset import answer_query

    field = row["fields"][0]
    other = {"steps": [{"name": "s", "conditions": []}]}
    server.replies = [says(GOOD), says(other), says(GOOD)]
    judge, query = SchemaJudge(row["schema"]), Query("q", "en", "2024-03-17")
    options = dataset_options(rollouts=2, attempts=1)
    ast, _, _, rejected = answer_query(teacher_of(server, tmp_path), judge, row, query, options)
    assert field["name"]
    assert ast is None
    assert [r[1] for r in rejected] == ["schema_violation", "no_majority"]


def test_a_missing_model_is_named_with_what_is_there(server, tmp_path):
    with pytest.raises(UserError, match=r"ollama pull big:1b.*tiny:latest"):
        teacher_of(server, tmp_path, model="big:1b")


def test_a_server_that_speaks_garbage_is_a_sentence(server, tmp_path, monkeypatch):
    handler = server.http.RequestHandlerClass
    monkeypatch.setattr(handler, "do_GET", lambda self: self.send(200, b"<html>"))
    with pytest.raises(UserError, match=r"127\.0\.0\.1"):
        teacher_of(server, tmp_path)


def test_queries_and_verdicts_are_read(server, row, tmp_path):
    server.replies = [says({"requests": ["one", " two ", ""]}), says({"correct": False}), says("perhaps")]
    teacher = teacher_of(server, tmp_path)
    assert [q.text for q in teacher.write_queries(row, "fr", "2024-03-17", 2, "s")] == ["one", "two"]
    assert teacher.judge(row, "q", "2024-03-17", GOOD) is False
    assert teacher.judge(row, "other", "2024-03-17", GOOD) is None


def test_a_second_verdict_is_asked_for_and_not_read_from_the_cache(server, row, tmp_path):
    server.replies = [says({"correct": True}), says({"correct": False})]
    teacher = teacher_of(server, tmp_path)
    assert [teacher.judge(row, "q", "2024-03-17", GOOD, sample) for sample in (0, 1, 0)] == [True, False, True]
    assert len(server.requests) == 2


def test_a_model_on_this_machine_leaves_its_memory_once_it_was_asked(server, row, tmp_path):
    server.replies = [says(GOOD)]
    for _ in range(2):  # the second time the cache answers
        teacher = teacher_of(server, tmp_path)
        teacher.answer(row, Query("q", "en", "2024-03-17"))
        teacher.close()
        assert server.unloaded == ["tiny"]


def dataset_stage(server: Server, data: Any, folder: Any, *args: str) -> list[str]:
    """The command of the dataset stage with this teacher, on a copy of a finished root."""
    flags = ["--config", str(copied(data, folder)), "--teacher-kind", "ollama", "--ollama-host", server.host]
    flags += ["--teacher-model", "tiny", "--teacher-concurrency", "3", "--force", *args]
    return [sys.executable, str(ROOT / "scripts/generate_dataset.py"), *flags]


HEEDS_CTRL_C = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)
"""A command as a terminal starts it: what a shell starts in the background ignores SIGINT, and so do its children."""


@pytest.mark.parametrize(
    ("trouble", "status", "said"),
    [(None, 130, "stopped; the same command goes on from here"), (fails(400), 2, "refused a request")],
    ids=["Ctrl-C", "an error"],
)
def test_a_stage_that_ends_early_does_not_wait_for_calls_under_way(server, data, tmp_path, trouble, status, said):
    """The server answers none of three calls before the stage has ended, or one of them, and with an error."""
    held, ended = threading.Semaphore(0), threading.Event()
    first = minify(rows_of(data / "out/d_02_final_schemas.jsonl")[0]["schema"])

    def reply(handler: Any) -> None:
        if trouble is not None and first in handler.asked["messages"][0]["content"]:
            assert held.acquire(timeout=120)
            assert held.acquire(timeout=120)
            trouble(handler)
            return
        held.release()
        ended.wait()
        drops(handler)

    server.replies = [reply]
    command = [sys.executable, "-c", HEEDS_CTRL_C, *dataset_stage(server, data, tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            if trouble is None:
                for _ in range(3):
                    assert held.acquire(timeout=120)
                process.send_signal(signal.SIGINT)
            _, lines = process.communicate(timeout=120)
        finally:
            process.kill()
            ended.set()
    assert process.returncode == status
    assert said in lines
    assert "Traceback" not in lines


def test_rows_that_a_teacher_does_not_give_are_counted(server, data, tmp_path):
    """It has two requests for a schema in a language, whatever it is asked for."""
    asked = lambda handler: "requests" in json.dumps(handler.asked["format"])
    server.replies = [lambda handler: says({"requests": ["one", "two"]} if asked(handler) else GOOD)(handler)]
    made = subprocess.run(
        dataset_stage(server, data, tmp_path, "--languages", "en"), capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    schemas = len(rows_of(tmp_path / "out/d_02_final_schemas.jsonl"))
    # six rows of each of six train schemas, two of them give two more; two of each of the others
    assert f"  {2 * schemas} rows in place of {6 * 6 + 2 * 2 + 2 * (schemas - 6)}: " in made.stdout


def test_a_preview_leaves_the_teacher_in_memory_for_the_next(server, data, tmp_path):
    asked = lambda handler: "requests" in json.dumps(handler.asked["format"])
    server.replies = [
        lambda handler: says({"requests": [f"a{len(server.requests)}"] * 6} if asked(handler) else GOOD)(handler)
    ]
    made = subprocess.run(
        dataset_stage(server, data, tmp_path, "--preview", "1"), capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert server.requests
    assert not server.unloaded


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("http://127.0.0.1:11434", True), ("localhost", True), ("http://localhost:11434", True), ("[::1]:11434", True),
        ("0.0.0.0:11434", True), ("", True), ("http://10.0.0.3:11434", False), ("gpu-box:11434", False),
        ("https://ollama.example/api", False),
    ],
)  # fmt: skip
def test_a_server_on_another_machine_is_told_from_one_on_this(host, here):
    assert is_here(host) == here


def test_the_forecast_leaves_out_the_time_that_a_model_is_loaded(server, tmp_path):
    import generate_dataset

    options = SimpleNamespace(dataset=dataset_options(attempts=1))
    teacher = teacher_of(server, tmp_path, concurrency=1)
    options.run, options.teacher = teacher.run, teacher.options
    text = minify({"requests": [f"request {number}" for number in range(99)]})
    body = {"model": "tiny", "message": {"role": "assistant", "content": text}, "done": True}

    def loaded_first(handler: Any) -> None:
        threading.Event().wait(0.4)
        handler.send(200, json.dumps(body | {"load_duration": 380_000_000}).encode())

    server.replies = [loaded_first]
    (schema,) = make_schemas(1, 4)
    said = generate_dataset.forecast(teacher, [(schema, [("train", 100_000)])], options)
    assert float(re.search(r"([0-9.]+) hours", said)[1]) < 5  # 0.4 s for each of 100,000 would be eleven


def test_requests_are_asked_for_in_a_style_with_examples_of_no_known_domain(server, row, tmp_path):
    server.replies = [says({"requests": ["a"]})] * 2
    teacher = teacher_of(server, tmp_path)
    for language, word in (("en", "lighthouse"), ("fr", "phare")):
        teacher.write_queries(row, language, "2024-03-17", 1, f"style-{language}")
        assert word in server.requests[-1]["messages"][0]["content"]
    known = [json.loads(line)["domain"] for line in (ROOT / "config/domains.jsonl").read_text().splitlines()]
    known += [json.loads(line)["domain"] for line in (ROOT / "tests/gold/schemas.jsonl").read_text().splitlines()]
    assert not any("lighthouse" in domain for domain in known)


def test_a_users_own_examples_are_shown_with_every_request(server, row, tmp_path):
    example = {"query": "like this", "current_date": "2024-01-02", "ast": {"steps": []}}
    server.replies = [says({"requests": ["a"]}), says({"steps": []})]
    teacher = teacher_of(server, tmp_path)
    mine = row | {"examples": [example]}
    (query, *_) = teacher.write_queries(mine, "en", "2024-01-02", 1, "s")
    teacher.answer(mine, query)
    asked, answered = (request["messages"] for request in server.requests[-2:])
    assert "like this" in asked[0]["content"]
    assert [message["role"] for message in answered] == ["system", "user", "assistant", "user"]
    assert answered[2]["content"] == '{"steps":[]}'
