"""What Unsloth changes in transformers and peft leaves the student as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT

pytestmark = pytest.mark.skipif(find_spec("unsloth") is None, reason="Unsloth is installed on Linux only")


@pytest.mark.slow
def test_losses_gradients_and_answers_under_unsloth_are_those_of_transformers(tiny_base, tmp_path):
    """Without its kernels: no GPU is needed."""
    from unsloth_on_cpu import measured

    from pipeline.student import Placement, load_student

    uncompiled = {"TORCHDYNAMO_DISABLE": "1", "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, str(ROOT / "tests" / "unsloth_on_cpu.py"), str(tiny_base), str(tmp_path)]
    made = subprocess.run(
        command, capture_output=True, text=True, timeout=500, check=False, cwd=tmp_path, env=os.environ | uncompiled
    )
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
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
