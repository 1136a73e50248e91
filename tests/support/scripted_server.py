"""A server on loopback that answers as a test tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Status, headers, body; a body that is no text is sent as JSON.
Reply = tuple[int, Mapping[str, str], Any]


class ScriptedServer:
    """Answers every GET with what `reply` says."""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = outer.reply(self.path, self.headers)
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def reply(self, path: str, headers: Mapping[str, str]) -> Reply:
        raise NotImplementedError

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
