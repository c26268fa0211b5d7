"""What Unsloth changes in transformers, peft and TRL leaves the student and its training as they are.

No GPU is needed: what it compiles is compiled for the CPU, only its own kernels do not run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from tests_support import copied, ok, rows_of, write_pairs

COMPILER = shutil.which("c++") is not None
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(find_spec("unsloth") is None, reason="Unsloth is installed on Linux only"),
]


@pytest.fixture(scope="module")
def caches(tmp_path_factory) -> Path:
    """Where Unsloth writes what it makes at its import, and torch what it compiles, once for all."""
    return tmp_path_factory.mktemp("unsloth")


def under_unsloth(folder: Path, *args: str) -> str:
    """What `unsloth_on_cpu.py` prints with these arguments, its caches in `folder`."""
    own = {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT / "scripts"), "CI": "1"}  # where CI is set torch is stricter
    if not COMPILER:
        own["TORCHDYNAMO_DISABLE"] = "1"
    command = [sys.executable, str(ROOT / "tests" / "unsloth_on_cpu.py"), *args]
    made = subprocess.run(
        command, capture_output=True, text=True, timeout=500, check=False, cwd=folder, env=os.environ | own
    )
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
    return made.stdout


def test_losses_gradients_and_answers_under_unsloth_are_those_of_transformers(tiny_base, caches, tmp_path):
    from unsloth_on_cpu import measured

    from pipeline.students.student import Placement, load_student

    under_unsloth(caches, "measure", str(tiny_base), str(tmp_path))
    theirs = torch.load(tmp_path / "measured.pt")
    student = SimpleNamespace(base_model=str(tiny_base))
    ours = measured(
        load_student(student, Placement("transformers", "cpu", "float32"), tmp_path / "adapter", trainable=True)
    )
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-6)
    assert theirs["gradients"].keys() == ours["gradients"].keys()
    flat = lambda found: torch.cat([found["gradients"][name].flatten() for name in sorted(ours["gradients"])])
    assert (flat(theirs) - flat(ours)).norm() < 1e-5 * flat(ours).norm()
    assert theirs["answers"] == ours["answers"]


@pytest.mark.parametrize(
    ("stage", "metrics", "options"),
    [
        ("train_student.py", "training_metrics.jsonl", ()),
        ("train_student.py", "training_metrics.jsonl", ("--no-shared-prefix",)),
        ("train_alignment.py", "alignment/alignment_metrics.jsonl", ()),
    ],
    ids=["sft", "sft of separate rows", "dpo"],
)
def test_a_training_stage_under_unsloth_makes_the_same_updates(data, caches, tmp_path, stage, metrics, options):
    logged = []
    for name in ("plain", "unsloth"):
        folder = tmp_path / name
        config = copied(data, folder)
        sections = json.loads(config.read_text())
        sections["training"]["lora_rank"] = 128  # optimisers of 8 bits round large matrices only
        config.write_text(json.dumps(sections))
        args = ("--config", str(config), "--max-steps", "5", "--force", *options)
        if stage == "train_alignment.py":
            ok("train_student.py", *args)
            write_pairs(folder / "out")
        if name == "plain":
            ok(stage, *args)
        else:
            under_unsloth(caches, str(ROOT / "scripts" / stage), *args)
            assert any(caches.glob("torchinductor_*/**/*.so")) == COMPILER
        logged.append(rows_of(folder / "out/student_runs/embedded" / metrics))
    for plain, other in zip(*logged, strict=True):
        both = plain.keys() & other.keys()  # of separate rows TRL logs entropy and accuracy, too
        assert both >= {"step"} | plain.keys() & {"loss", "grad_norm", "learning_rate", "eval_loss", "train_loss"}
        assert {key: other[key] for key in both} == pytest.approx({key: plain[key] for key in both}, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", ["sft", "dpo"])
def test_both_sides_of_a_benchmark_agree_under_unsloth(caches, name):
    small = ["--steps", "3", "--rows", "2", "--prefix", "60", "--suffix", "20", "--labels", "8", "--backend", "unsloth"]
    script = str(ROOT / "benchmarks" / f"{name}.py")
    printed = [under_unsloth(caches, script, "--side", side, *small) for side in ("baseline", "ours")]
    baseline, ours = (json.loads(lines.splitlines()[-1])["losses"] for lines in printed)
    assert ours == pytest.approx(baseline, rel=1e-5)
