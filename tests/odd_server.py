"""A real HTTP server that speaks like Ollama and behaves as oddly as a test asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pipeline.schemas.json_text import minify


class Server:
    """An Ollama-like server; `replies` are answered in order, the last one again and again, with the
    request as `asked`. `unloaded` are the models that it was told to take out of memory."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.unloaded: list[str] = []
        self.capabilities: list[str] | None = None
        self.replies: list[Callable[[BaseHTTPRequestHandler], None]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                models = [{"model": "tiny:latest", "name": "tiny:latest", "digest": "abc"}]
                self.send(200, json.dumps({"models": models}).encode())

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                request = json.loads(self.rfile.read(length))
                if self.path == "/api/generate" and request["keep_alive"] == 0:
                    owner.unloaded.append(request["model"])
                    self.send(200, b'{"response": "", "done": true, "done_reason": "unload"}')
                    return
                if self.path == "/api/show":
                    self.send(200, json.dumps({"capabilities": owner.capabilities, "model_info": {}}).encode())
                    return
                owner.requests.append(request)
                self.asked = request
                reply = owner.replies.pop(0) if len(owner.replies) > 1 else owner.replies[0]
                reply(self)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self.http.shutdown()
        self.http.server_close()


def says(content: Any, done_reason: str = "stop") -> Callable[[Any], None]:
    text = content if isinstance(content, str) else minify(content)
    body = {
        "model": "tiny",
        "message": {"role": "assistant", "content": text},
        "done": True,
        "done_reason": done_reason,
    }
    return lambda handler: handler.send(200, json.dumps(body | {"prompt_eval_count": 7, "eval_count": 3}).encode())


def fails(status: int) -> Callable[[Any], None]:
    return lambda handler: handler.send(status, b'{"error": "busy"}')


def drops(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.close()
