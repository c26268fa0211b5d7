"""Benchmarks run as they stand: small here, their figures worth nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT
from tests_support import copied, ok

SMALL = {
    "dpo": "--steps 2 --rows 2 --prefix 60 --suffix 20 --labels 8",
    "generate": "--schemas 1 --rows 2 --tokens 4",
    "intervals": "--simulations 8",
    "sft": "--steps 2 --rows 2 --prefix 60 --suffix 20 --labels 8",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_ends_with_one_json_object_and_both_sides_agree(name):
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *SMALL[name].split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["name"] == name
    assert result.get("max_difference", 0.0) < 1e-3
    assert result.get("answers_equal") == result.get("answers")


@pytest.mark.slow
def test_a_student_is_asked_for_what_its_schemas_cannot_express(data, tmp_path):
    ok("train_student.py", "--config", str(copied(data, tmp_path)), "--max-steps", "1")
    command = [sys.executable, str(ROOT / "benchmarks/unsayable.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    kinds = json.loads(done.stdout.splitlines()[-1])["kinds"]
    assert "compared, field behind the number" in kinds
    assert all(found["right"] <= found["refused"] <= found["rows"] for found in kinds.values())
