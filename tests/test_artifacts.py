"""Artifacts are complete or absent, replaced ones are kept, one run at a time works in a root."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from pipeline.artifacts import Stage, content_id, locked, read_jsonl, write_jsonl
from pipeline.errors import UserError


def test_a_row_written_is_the_row_read(tmp_path):
    rows = [{"a": 1, "text": "d\u00e9j\u00e0 \u4f60\n"}, {"b": [1.5, None]}]
    assert write_jsonl(tmp_path / "x.jsonl", rows) == 2
    assert list(read_jsonl(tmp_path / "x.jsonl", "x")) == rows


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.jsonl"
    write_jsonl(path, [{"old": 1}])

    def rows():
        yield {"new": 1}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_jsonl(path, rows())
    assert list(read_jsonl(path, "x")) == [{"old": 1}]


@pytest.mark.parametrize("line", ["{", "[1]", '"text"', "\x00"])
def test_a_broken_line_is_named_with_file_and_number(tmp_path, line):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.jsonl line 2.*make\.py"):
        list(read_jsonl(path, "make.py"))


def test_a_missing_file_names_the_stage_that_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"make\.py makes it"):
        list(read_jsonl(tmp_path / "none.jsonl", "make.py"))


def make_stage(root, options):
    source = root / "source.txt"
    if not source.exists():
        source.write_text("1", encoding="utf-8")
    return Stage("demo", 1, root, [root / "out.jsonl"], options, [source])


def finish(root, options, rows):
    stage = make_stage(root, options)
    stage.set_aside()
    write_jsonl(root / "out.jsonl", rows)
    stage.finish({}, "made")


def test_a_stage_is_up_to_date_until_options_inputs_or_outputs_change(tmp_path, capsys):
    assert not make_stage(tmp_path, {"x": 1}).up_to_date()
    finish(tmp_path, {"x": 1}, [{"a": 1}])
    assert make_stage(tmp_path, {"x": 1}).up_to_date()
    assert "up to date" in capsys.readouterr().out
    assert not make_stage(tmp_path, {"x": 2}).up_to_date()
    (tmp_path / "out.jsonl").write_text("{}\n", encoding="utf-8")
    assert not make_stage(tmp_path, {"x": 1}).up_to_date()
    finish(tmp_path, {"x": 1}, [{"a": 1}])
    (tmp_path / "source.txt").write_text("2", encoding="utf-8")
    assert not make_stage(tmp_path, {"x": 1}).up_to_date()


def test_what_other_options_replace_is_kept_and_the_place_is_said(tmp_path, capsys):
    finish(tmp_path, {"x": 1}, [{"first": 1}])
    finish(tmp_path, {"x": 2}, [{"second": 1}])
    (kept,) = tmp_path.glob("replaced/*/out.jsonl")
    assert list(read_jsonl(kept, "x")) == [{"first": 1}]
    assert str(kept.parent) in capsys.readouterr().out
    finish(tmp_path, {"x": 1}, [{"first": 2}])
    finish(tmp_path, {"x": 2}, [{"second": 2}])
    assert len(list(tmp_path.glob("replaced/*/out.jsonl"))) == 3


def test_a_missing_input_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="is missing"):
        Stage("demo", 1, tmp_path, [tmp_path / "out"], {}, [tmp_path / "nothing"])


def test_a_second_run_in_a_root_stops_and_names_the_first(tmp_path):
    code = (
        "import sys, time; sys.path.insert(0, 'scripts')\n"
        "from pathlib import Path; from pipeline.artifacts import locked\n"
        f"with locked(Path({str(tmp_path)!r}), 'first'): print('in', flush=True); time.sleep(60)"
    )
    env = {k: v for k, v in os.environ.items() if k != "DATASET_GENERATOR_CHAIN"}
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    assert first.stdout.readline() == "in\n"
    with pytest.raises(UserError, match=rf"process {first.pid} \(first\)"), locked(tmp_path, "second"):
        pass
    first.kill()
    first.wait()
    with locked(tmp_path, "third"):
        assert json.loads((tmp_path / ".run.json").read_text())["stage"] == "third"


def test_ids_do_not_depend_on_the_order_of_keys():
    assert content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})
    assert content_id({"a": 1}) != content_id({"a": 2})
