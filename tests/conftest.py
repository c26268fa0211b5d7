"""Fixtures: a real tiny Gemma 3 with random weights, and a small pipeline run in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # each worker, and what it starts, has its share of cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))
settings.register_profile("untimed", deadline=None)  # a busy machine breaks no property
settings.load_profile("untimed")

TINY = {
    "seed": 1,
    "vocab_size": 2048,
    "tokenizer_documents": 600,
    "model": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 6,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "sliding_window": 48,
        "max_position_embeddings": 4096,
    },
}


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gemma 3 of 0.1 M parameters with random weights, its sliding windows far shorter than prompts."""
    import torch
    from transformers import AutoTokenizer

    from pipeline.embedded_base import tiny_gemma

    folder = tmp_path_factory.mktemp("tiny_base")
    tiny_gemma.train_tokenizer(TINY, folder)
    model = tiny_gemma.build_model(TINY, AutoTokenizer.from_pretrained(folder), seed=3)
    with torch.no_grad():  # sharper than the usual initialisation, so that greedy answers vary
        for parameter in model.parameters():
            parameter.mul_(4.0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_student(tiny_base: Path) -> Any:
    """(model in float32, Renderer) of the tiny base."""
    import torch
    from transformers import AutoModelForCausalLM

    from pipeline.students.student import Renderer, load_tokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32).eval()
    return SimpleNamespace(model=model, renderer=Renderer(load_tokenizer(str(tiny_base))))


@pytest.fixture(scope="session")
def schema_rows() -> list[dict[str, Any]]:
    """d_02 rows of the shipped domains, forty of them."""
    from tests_support import domain_specs

    from build_schemas import build
    from pipeline.config import DEFAULTS, complete_sections

    sections = complete_sections(DEFAULTS)
    options = SimpleNamespace(**sections["schemas"] | {"train_schemas": 30, "test_schemas": 4, "align_schemas": 3})
    options.validation_schemas, options.new_word_schemas = 3, 6
    return build(domain_specs(), options, SimpleNamespace(**sections["run"]))


@pytest.fixture(scope="session")
def data(tmp_path_factory, tiny_base) -> Path:
    """A root with d_01 to d_04."""
    from tests_support import config_for, ok

    folder = tmp_path_factory.mktemp("data")
    config = str(config_for(folder, tiny_base))
    for name in ("generate_domain_specs.py", "build_schemas.py", "generate_dataset.py", "build_training_corpus.py"):
        ok(name, "--config", config)
    return folder


def run_script(
    name: str, *args: str, env: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess:
    """Run a stage as its own process."""
    clean = {k: v for k, v in os.environ.items() if k not in ("LLM_MODEL", "OLLAMA_HOST", "DATASET_GENERATOR_CHAIN")}
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / name), *args],
        capture_output=True, text=True, timeout=timeout, env=clean | (env or {}), cwd=ROOT, check=False,
    )  # fmt: skip
