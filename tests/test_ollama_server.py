"""Both ends against a real Ollama server: the student goes in as safetensors, and serves as a teacher."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ollama
import pytest
from conftest import ROOT, run_script
from ollama_support import BASE, BINARY, MISSING, Server
from tests_support import config_for, make_adapter, ok, refused, rows_of

from pipeline.students.served import ServedStudent

pytestmark = [
    pytest.mark.ollama,
    pytest.mark.skipif(not BINARY.exists(), reason=MISSING),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("ollama"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def run(tmp_path_factory, server) -> SimpleNamespace:
    """A root with a dataset and an adapter with small random weights on the shipped base, whose choices are clear."""
    folder = tmp_path_factory.mktemp("run")
    teacher = {"kind": "embedded", "host": server.host, "timeout": 300, "retries": 1, "num_ctx": 4096, "think": None}
    config = str(config_for(folder, BASE, teacher=teacher, evaluation={"max_new_tokens": 24, "judge": False}))
    for name in ("generate_domain_specs.py", "build_schemas.py", "generate_dataset.py", "build_training_corpus.py"):
        ok(name, "--config", config)
    adapter = folder / "out/student_runs/embedded/checkpoint-final"
    adapter.parent.mkdir(parents=True)
    make_adapter(BASE, adapter)
    return SimpleNamespace(folder=folder, config=config, adapter=adapter, out=folder / "out")


@pytest.fixture(scope="module")
def exported(run) -> dict[str, Any]:
    """The report of the adapter's export."""
    out = ok("export_student.py", "--config", run.config, "--ollama-name", "tiny-student")
    assert "blessed as tiny-student" in out
    return json.loads((run.adapter.parent / "export/export_report.json").read_text())


def test_an_export_is_blessed_by_equal_prompts_and_answers(run, exported):
    served = exported["served"]
    assert exported["blessed"] is True
    assert served["rows"] == 4
    assert served["prompt_tokens_differ"] == 0
    assert served["parted"] == 0
    assert exported["largest_logit_difference"]["merge"] < 1e-3
    assert exported["largest_logit_difference"]["rounding"] > 0
    assert "    Today: sunday 2024-03-17\n" in (run.adapter.parent / "export/README.md").read_text(encoding="utf-8")
    assert "up to date" in ok("export_student.py", "--config", run.config, "--ollama-name", "tiny-student")


def test_the_modelfile_makes_the_same_model_by_hand(run, exported, server):
    folder = run.adapter.parent / "export"
    env = os.environ | {"OLLAMA_HOST": server.host, "HOME": str(server.folder)}
    made = subprocess.run([BINARY, "create", "by-hand", "-f", "Modelfile"], cwd=folder, env=env, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert made.returncode == 0, made.stderr[-1000:]
    from ollama import Client

    messages = [{"role": "system", "content": "one"}, {"role": "user", "content": "two three"}]
    answers = {
        name: Client(host=server.host).chat(name, messages, options={"num_predict": 12})
        for name in ("by-hand", "tiny-student")
    }
    assert answers["by-hand"].message.content == answers["tiny-student"].message.content
    assert answers["by-hand"].prompt_eval_count == answers["tiny-student"].prompt_eval_count


def test_the_served_template_is_the_tokenizers_with_system_and_earlier_turns(exported, server):
    from ollama import Client

    from pipeline.students.student import load_tokenizer

    tokenizer = load_tokenizer(BASE)
    chats = [
        [{"role": "user", "content": "a b c"}],
        [{"role": "system", "content": "rules"}, {"role": "user", "content": "a"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c d"}],
    ]
    for messages in chats:
        expected = len(tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"])
        answer = Client(host=server.host).chat("tiny-student", messages, options={"num_predict": 1})
        assert answer.prompt_eval_count == expected


def test_other_answers_than_the_adapters_are_refused_with_the_reason(run, exported, tmp_path, monkeypatch):
    """The served model is made of another adapter: what answers is not what was trained."""
    import export_student

    other = tmp_path / "other"
    make_adapter(BASE, other, seed=6, size=0.4)
    merge = export_student.merge
    monkeypatch.setattr(export_student, "merge", lambda options, adapter, *rest: merge(options, other, *rest))
    with pytest.raises(export_student.UserError, match="greedy answers part"):
        export_student.main(["--config", run.config, "--ollama-name", "wrong", "--force"])
    assert json.loads((run.adapter.parent / "export/export_report.json").read_text())["blessed"] is True


@pytest.mark.slow
def test_a_served_student_is_evaluated_like_an_adapter(run, exported):
    ok("evaluate_student.py", "--config", run.config, "--ollama", "tiny-student", "--splits", "validation")
    ok("evaluate_student.py", "--config", run.config, "--model", "sft", "--splits", "validation")
    folder = run.adapter.parent / "eval"
    served = rows_of(folder / "ollama-tiny-student/evaluation_results.jsonl")
    local = rows_of(folder / "sft/evaluation_results.jsonl")
    texts = lambda rows, mode: [row["text"] for row in rows if row["mode"] == mode]
    equal = sum(a == b for a, b in zip(texts(served, "free"), texts(local, "free"), strict=True))
    assert equal >= len(texts(served, "free")) - 1


def test_ask_answers_on_stdout_and_by_status(run, exported, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(rows_of(run.out / "d_02_final_schemas.jsonl")[0]["schema"]), encoding="utf-8")
    config = json.loads(Path(run.config).read_text(encoding="utf-8"))
    config["evaluation"]["max_new_tokens"] = 6  # too few for any answer
    short = tmp_path / "short.json"
    short.write_text(json.dumps(config), encoding="utf-8")
    common = ["--config", str(short), "--schema", str(schema), "--date", "2024-03-17"]
    for how in (["--ollama", "tiny-student"], ["--adapter", str(run.adapter)]):
        free = run_script("ask.py", *common, *how, "--no-constrained", "anything last month")
        assert free.returncode == 1, free.stderr
        assert "asked: anything last month [2024-02-01 2024-02-29]\n" in free.stderr
        assert "does not satisfy" in free.stderr or "not JSON" in free.stderr
        assert len(free.stdout.splitlines()) == 1
    assert "no model nobody" in refused("ask.py", *common, "--ollama", "nobody", "anything")


@pytest.mark.slow
def test_the_student_as_teacher_is_validated_retried_cached_and_counted(run, exported, tmp_path, server):
    shutil.copytree(run.out, tmp_path / "out")
    schemas = tmp_path / "out/d_02_final_schemas.jsonl"
    schemas.write_text(schemas.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")
    args = ["--config", run.config, "--output-root", str(tmp_path / "out"), "--teacher-kind", "ollama"]
    args += ["--teacher-model", "tiny-student", "--max-samples", "1", "--teacher-num-predict", "48"]
    args += ["--teacher-think", "low"]  # the server would refuse it to a model that does not think
    result = run_script("generate_dataset.py", *args, timeout=500)
    assert "Traceback" not in result.stderr, result.stderr[-2000:]
    assert (tmp_path / "out/teacher_cache.sqlite").exists()
    meta = json.loads((tmp_path / "out/d_03_dataset.jsonl.meta.json").read_text())
    assert meta["counts"]["teacher"]["calls"] > 0
    held = [model.model for model in ollama.Client(host=server.host).ps().models]
    assert "tiny-student:latest" not in held  # the student needs the memory next
    again = run_script("generate_dataset.py", *args, "--force", timeout=500)
    assert again.returncode == result.returncode
    cost = json.loads((tmp_path / "out/d_03_dataset.jsonl.meta.json").read_text())["counts"]["teacher"]
    assert cost["calls"] == 0
    assert cost["cache_hits"] > 0


def test_a_sentencepiece_base_as_the_real_gemma_has_is_served_with_its_own_tokens(run, tmp_path, server):
    """Token counts and the five best first tokens, in the templates of one turn, of text that splits in odd ways."""
    import math

    import torch
    from conftest import TINY
    from ollama import Client
    from sentencepiece_support import make_sentencepiece_base
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = tmp_path / "base"
    base.mkdir()
    make_sentencepiece_base(base, TINY)
    shutil.copytree(run.out, tmp_path / "out")
    adapter = tmp_path / "out/student_runs/embedded/checkpoint-final"
    shutil.rmtree(adapter)
    make_adapter(str(base), adapter)
    args = ["--config", run.config, "--output-root", str(tmp_path / "out"), "--base-model", str(base)]
    ok("export_student.py", *args, "--ollama-host", "http://127.0.0.1:9")
    folder = adapter.parent / "export"
    assert (folder / "tokenizer.model").exists()
    ServedStudent(server.host, "sentencepiece", 4096, 60).create(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [
        "paid orders above 100",
        '{"a":[1,2]}\n\nRequest: \u00e9t\u00e9 2024-03-17',
        "two  spaces, \U0001f600 and\n a line",
    ]
    for text in texts:
        messages = [{"role": "user", "content": text}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        assert ids.count(tokenizer.bos_token_id) == 1
        # eight tokens: the server holds the first one's log-probabilities back until its bytes make a character
        answer = Client(host=server.host, timeout=300).chat(
            "sentencepiece", messages, logprobs=True, top_logprobs=5, options={"num_predict": 8, "temperature": 0}
        )
        assert answer.prompt_eval_count == len(ids)
        with torch.inference_mode():
            expected = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        best = sorted(expected.tolist(), reverse=True)[:5]
        served = [entry.logprob for entry in answer.logprobs[0].top_logprobs]
        assert all(math.isclose(a, b, abs_tol=0.05) for a, b in zip(best, served, strict=True)), (best, served)


def test_the_memory_that_a_model_takes_is_read_from_the_server(exported, server):
    """Keys and values of 8 layers, 2 heads, 64 wide, in 2 bytes: 4 KiB a token."""
    from ollama import Client

    from pipeline.server import memory_of

    said = memory_of(Client(host=server.host), "tiny-student", 2**20, 100)
    assert "at most 400.0 GiB for 100 calls" in said
    assert memory_of(Client(host=server.host), "nobody", 2**20, 100) is None


def test_a_server_that_is_gone_stops_the_preflight_at_once(run):
    said = refused("check_setup.py", "--config", str(ROOT / "config/defaults.json"), "--ollama-host", "http://127.0.0.1:9",
                   "--base-model", "assets/embedded_base")  # fmt: skip
    assert "ollama serve" in said
