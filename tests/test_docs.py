"""Docs and code say the same."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest
from conftest import ROOT

from pipeline.config import flag_of, option_schema

DOCS = [ROOT / "README.md", ROOT / "AGENTS.md", *sorted((ROOT / "docs").glob("*.md"))]
TRACKED = subprocess.run(
    ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
).stdout.split()
OTHER_FLAGS = {
    "--config", "--force", "--help", "--base", "--from", "--until", "--preview", "--slow", "--install", "--output",
    "--seed", "--ollama", "--schema", "--lines", "--compile", "--model", "--device", "--steps", "--rows", "--simulations", "--start",
    "--every", "--sources", "--measure", "--from-stage", "--vary", "--mean-with",
    "--num-processes", "--num-machines", "--machine-rank", "--main-process-ip", "--multi-gpu", "--cpu",  # accelerate's
    "--parallel", "--repeats", "--together", "--models", "--against", "--micro-batch", "--tokens",
}  # fmt: skip


def known_flags() -> set[str]:
    flags = set(OTHER_FLAGS)
    for section, spec in option_schema()["properties"].items():
        for key, option in spec["properties"].items():
            flag = flag_of(section, key)
            flags.add(flag)
            if option.get("type") == "boolean":
                flags.add(flag.replace("--", "--no-", 1))
    return flags


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_every_flag_in_the_docs_exists(path):
    said = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*(?![\w-])", path.read_text(encoding="utf-8")))
    assert not said - known_flags()


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_every_file_named_in_the_docs_exists(path):
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:scripts|config|docs|tests|tools|benchmarks|assets)/[\w./-]*\w\.\w+", text))
    assert not [name for name in named if not (ROOT / name).exists()]


def test_code_and_docs_are_ascii():
    for name in TRACKED:
        path = ROOT / name
        if (
            path.suffix in (".py", ".sh", ".md", ".toml", ".json", ".jsonl")
            and "assets" not in path.parts
            and path.exists()
        ):
            assert path.read_bytes().isascii(), name


def test_no_file_but_the_lock_names_a_package_registry():
    hosts = ("py" + "pi.org", "python" + "hosted.org", "proxy.golang" + ".org", "npm" + "js.org")
    for name in TRACKED:
        path = ROOT / name
        if path.name != "uv.lock" and path.suffix in (".py", ".sh", ".md", ".toml", ".json", "") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not [host for host in hosts if host in text], name


def test_outputs_and_caches_stay_out_of_git():
    for path in ("outputs/offline/d_01_domain_specs.jsonl", "unsloth_compiled_cache/x.py", ".venv/x", ".uv/x"):
        result = subprocess.run(["git", "-C", str(ROOT), "check-ignore", path], capture_output=True, check=False)
        assert result.returncode == 0, path


def test_every_script_and_shared_room_is_on_the_map():
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    for path in (ROOT / "scripts").rglob("*.py"):
        assert path.name == "__init__.py" or f"`{path.name}`" in text, path.name


def test_a_package_imports_from_those_above_it_alone():
    """The order stands in `scripts/pipeline/__init__.py`."""
    shared = ROOT / "scripts" / "pipeline"
    line = next(line for line in (shared / "__init__.py").read_text(encoding="utf-8").splitlines() if " <- " in line)
    order = line.split(" <- ")
    assert {path.parent.name for path in shared.glob("*/__init__.py")} == set(order[1:])
    for path in shared.rglob("*.py"):
        above = order[: order.index(path.parent.name)] if path.parent != shared else []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline"):
                for package in set(order[1:]) & {*node.module.split("."), *(alias.name for alias in node.names)}:
                    assert package in above or package == path.parent.name, f"{path.name} imports {node.module}"
