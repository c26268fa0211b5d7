"""`tools/setup.sh`, sourced by shells in a project of its own, where uv is a script that says when it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

UV = """#!/bin/sh
[ "$1" = sync ] || exit 0
mkdir busy || echo clash >> clashes
sleep 1
mkdir -p .venv/bin
[ -e .venv/bin/python ] || ln -s PYTHON .venv/bin/python
rmdir busy
echo synced >> syncs
[ ! -e fails ]
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/setup.sh", tmp_path / "tools/setup.sh")
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / name).touch()
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text(UV.replace("PYTHON", sys.executable), encoding="utf-8")
    uv.chmod(0o755)
    return tmp_path


def start(project) -> subprocess.Popen:
    path = f"{project / 'bin'}:{os.environ['PATH']}"
    command = ["bash", "-c", 'set -euo pipefail; source tools/setup.sh; "$python" -c "print(7)"']
    return subprocess.Popen(
        command, cwd=project, env=os.environ | {"PATH": path}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_runners_started_side_by_side_set_up_once(project):
    runners = [start(project) for _ in range(3)]
    said = [runner.communicate(timeout=60) for runner in runners]
    assert [out for out, _ in said] == ["7\n"] * 3
    assert (project / "syncs").read_text(encoding="utf-8") == "synced\n"
    assert not (project / "clashes").exists()
    assert sum("waiting for that of process" in err for _, err in said) == 2
    out, err = start(project).communicate(timeout=60)
    assert (out, err) == ("7\n", "")


def test_the_turn_of_a_killed_set_up_counts_for_nothing(project):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (project / ".setup.turn").symlink_to(str(gone.pid))
    out, err = start(project).communicate(timeout=60)
    assert out == "7\n"
    assert "waiting" not in err
    assert not (project / ".setup.turn").is_symlink()


def test_a_set_up_that_fails_leaves_the_turn_to_the_next(project):
    (project / "fails").touch()
    runner = start(project)
    assert "the environment could not be made" in runner.communicate(timeout=60)[1]
    assert runner.returncode == 2
    (project / "fails").unlink()
    out, err = start(project).communicate(timeout=60)
    assert out == "7\n"
    assert "waiting" not in err


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(project):
    project.chmod(0o500)
    runner = start(project)
    assert f"cannot write {project}/.setup.turn" in runner.communicate(timeout=60)[1]
    assert runner.returncode == 2
    project.chmod(0o700)
