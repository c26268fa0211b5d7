"""Stages on a device with a memory of its own, as a GPU is one, and in bf16, as on a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import own_memory
import pytest
from conftest import ROOT
from tests_support import copied, ok, rows_of, write_pairs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler to make the device with"),
]
STAGES = ("train_student.py", "evaluate_student.py", "build_alignment_pairs.py", "train_alignment.py")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return own_memory.build(tmp_path_factory.mktemp("device"))


def python(*args: str) -> str:
    """What a process that ends well says, warnings left out."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "scripts"), str(ROOT / "tests")))}
    made = subprocess.run([sys.executable, *args], capture_output=True, text=True, timeout=500, check=False, env=env)
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
    return made.stdout


def through_all_stages(data: Path, folder: Path, run) -> Path:
    """The run's folder after SFT, evaluation, pairs and DPO, each by `run(stage, *args)`."""
    config = copied(data, folder)
    root = folder / "out/student_runs/embedded"
    for stage in STAGES:
        if stage == "train_alignment.py":
            write_pairs(folder / "out")
        run(stage, "--config", str(config), "--max-steps", "3", "--force")
    return root


@pytest.fixture(scope="module")
def on_cpu(data, tmp_path_factory) -> Path:
    return through_all_stages(data, tmp_path_factory.mktemp("cpu"), ok)


MIXED = """
import sys, own_memory, torch
own_memory.add_device(sys.argv[1])
here, there = torch.ones(3, 4, device="gpu"), torch.ones(3, 4)
print((here @ here.T).cpu().sum().item(), here[torch.tensor([1])].device, (here * torch.tensor(2.0)).sum().item())
for mixed in ("here + there", "here.copy_(there)", "here.masked_fill_(there > 0, 1)", "torch.cat([here, there])"):
    try:
        eval(mixed)
        print("let through")
    except RuntimeError:
        print("refused")
"""


def test_the_device_refuses_what_a_gpu_refuses(library):
    """Copies, indices and single numbers may come from the CPU."""
    told = python("-c", MIXED, str(library)).split("\n")
    assert told[:6] == ["36.0 gpu:0 24.0", "refused", "let through", "refused", "refused", ""]


@pytest.mark.parametrize(("dtype", "near", "alike"), [("float32", 1e-3, 0.9), ("bfloat16", 0.02, 0.0)])
def test_every_stage_of_a_student_runs_on_it_and_finds_what_the_cpu_finds(
    data, library, on_cpu, tmp_path, dtype, near, alike
):
    harness = str(ROOT / "tests/own_memory.py")
    run = lambda stage, *args: python(harness, str(library), dtype, str(ROOT / "scripts" / stage), *args)
    found = through_all_stages(data, tmp_path, run)
    for metrics in ("training_metrics.jsonl", "alignment/alignment_metrics.jsonl"):
        for ours, theirs in zip(rows_of(found / metrics), rows_of(on_cpu / metrics), strict=True):
            losses = [key for key in theirs if "loss" in key or key.startswith("logps")]
            assert [ours[key] for key in losses] == pytest.approx([theirs[key] for key in losses], rel=near, abs=near)
    first = rows_of(found / "alignment/alignment_metrics.jsonl")[0]
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-4)
    answers, others = (rows_of(path / "eval/sft/evaluation_results.jsonl") for path in (found, on_cpu))
    same = [ours["text"] == theirs["text"] for ours, theirs in zip(answers, others, strict=True)]
    assert sum(same) >= alike * len(same)
