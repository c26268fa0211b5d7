"""A real Ollama server of the tests' and benchmarks' own: on a free loopback port, with its own models."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / "tools/build_ollama.sh"
BINARY = Path(subprocess.run([BUILD, "--where"], capture_output=True, text=True, check=True).stdout.strip())
MISSING = f"no Ollama server at {BINARY}; tools/build_ollama.sh makes it"
BASE = "assets/embedded_base"


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process; `folder` holds its models and its log."""

    def __init__(self, folder: Path, parallel: int = 1) -> None:
        self.folder, self.parallel, self.port = folder, parallel, free_port()
        self.host = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        from ollama import Client

        from pipeline.server import is_there

        env = os.environ | {
            "OLLAMA_HOST": self.host,
            "OLLAMA_MODELS": str(self.folder / "models"),
            "OLLAMA_NUM_PARALLEL": str(self.parallel),
            "HOME": str(self.folder),
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen([BINARY, "serve"], env=env, stdout=log, stderr=log)
        for _ in range(200):
            if is_there(Client(host=self.host)):
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        self.process.wait(20)

    def kill(self) -> None:
        """Kill the process and the runners that it started."""
        import psutil

        family = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
        for member in family:
            member.kill()
        self.process.wait(20)

    def make_base(self, name: str, context: int = 4096) -> None:
        """Make the shipped base a model of this server."""
        from pipeline.paths import EMBEDDED_BASE
        from pipeline.students.served import ServedStudent

        ServedStudent(self.host, name, context, 120).create(EMBEDDED_BASE)
