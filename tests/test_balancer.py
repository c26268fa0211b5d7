"""Several Ollama servers behind a real nginx, with the configuration that docs/SCALING.md shows."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from ollama_support import BASE, BINARY, MISSING, Server, free_port
from tests_support import config_for, ok

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

pytestmark = [
    pytest.mark.ollama,
    pytest.mark.slow,
    pytest.mark.skipif(not BINARY.exists(), reason=MISSING),
    pytest.mark.skipif(not Path(NGINX).exists(), reason="nginx is not here; apt-get install nginx-light"),
]


def shown_configuration(servers: list[Server], port: int, folder: Path) -> str:
    """The configuration of docs/SCALING.md with these addresses, in the foreground and with files in `folder`."""
    text = (ROOT / "docs/SCALING.md").read_text(encoding="utf-8")
    shown = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)[1]
    for server in servers:
        shown = re.sub(r"10\.0\.0\.\d+:11434", f"127.0.0.1:{server.port}", shown, count=1)
    shown = shown.replace("127.0.0.1:11400", f"127.0.0.1:{port}")
    files = "".join(
        f"  {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    shown = shown.replace("http {\n", f"http {{\n  access_log {folder}/access.log;\n{files}", 1)
    return f"daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n{shown}"


@pytest.fixture
def balanced(tmp_path) -> Iterator[tuple[str, list[Server]]]:
    """(address of the balancer, the two servers behind it, each with the model `teacher`)."""
    servers = []
    for number in range(2):
        (tmp_path / f"server{number}").mkdir()
        servers.append(Server(tmp_path / f"server{number}"))
        servers[-1].make_base("teacher")
    folder, port = tmp_path / "nginx", free_port()
    folder.mkdir()
    (folder / "nginx.conf").write_text(shown_configuration(servers, port, folder), encoding="utf-8")
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    yield f"http://127.0.0.1:{port}", servers
    process.terminate()
    process.wait(20)
    for server in servers:
        if server.process.poll() is None:
            server.stop()


def cached(path: Path) -> int:
    """Calls whose answers the cache has."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM calls").fetchone()[0]
    except sqlite3.Error:
        return 0


def test_a_server_that_dies_behind_the_balancer_loses_nothing(balanced, tmp_path):
    host, servers = balanced
    teacher = {"timeout": 120, "num_ctx": 4096, "num_predict": 32, "think": None, "concurrency": 2, "retries": 6}
    config = str(config_for(tmp_path, BASE, teacher=teacher))
    for name in ("generate_domain_specs.py", "build_schemas.py"):
        ok(name, "--config", config)
    schemas = tmp_path / "out/d_02_final_schemas.jsonl"
    first = schemas.read_text(encoding="utf-8").splitlines(keepends=True)[:3]
    schemas.write_text("".join(first), encoding="utf-8")
    args = [sys.executable, "scripts/generate_dataset.py", "--config", config, "--teacher-kind", "ollama"]
    args += ["--teacher-model", "teacher", "--attempts", "1", "--max-samples", "1", "--ollama-host"]
    stage = subprocess.Popen(
        [*args, host], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )  # fmt: skip
    cache = tmp_path / "out/teacher_cache.sqlite"
    deadline = time.monotonic() + 300
    while cached(cache) < 6 and stage.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    before = cached(cache)
    servers[0].kill()
    said = stage.communicate(timeout=500)[0]
    assert stage.returncode == 0, said[-2000:]
    assert before >= 6
    assert not (tmp_path / "out/d_03_open.jsonl").exists()
    counts = json.loads((tmp_path / "out/d_03_dataset.jsonl.meta.json").read_text())["counts"]
    assert counts["teacher"]["calls"] == cached(cache) > before
    by_server = [(server.folder / "server.log").read_text().count('POST     "/api/chat"') for server in servers]
    assert all(by_server), by_server
    # the surviving server alone finds every call of the second run answered
    again = subprocess.run([*args, servers[1].host, "--force"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr[-2000:]
    repeated = json.loads((tmp_path / "out/d_03_dataset.jsonl.meta.json").read_text())["counts"]
    assert repeated["teacher"]["calls"] == 0
    assert repeated["rejected"] == counts["rejected"]
