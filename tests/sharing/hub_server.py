"""The few answers of a hub that sending and fetching a folder need, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Repositories = dict[str, dict[str, bytes]]
"""The files of each repository, by name."""


@contextmanager
def hub() -> Iterator[tuple[str, Repositories]]:
    """Yield the address and the repositories of a hub."""
    repositories: Repositories = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            place = urlsplit(self.path).path
            if place == "/api/repos/create":
                asked = json.loads(body)
                name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
                repositories.setdefault(name, {})
                self._json({"url": f"{address}/{name}", "name": name})
            elif place == "/api/validate-yaml":
                self._json({"warnings": [], "errors": []})
            elif found := re.fullmatch(r"/api/models/(.+)/preupload/.+", place):
                files = json.loads(body)["files"]
                plain = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
                self._json({"files": [{"path": file["path"], **plain} for file in files]})
            elif found := re.fullmatch(r"/api/models/(.+)/commit/.+", place):
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        repositories[found[1]][line["value"]["path"]] = content
                url = f"{address}/{found[1]}/commit/{COMMIT}"
                self._json({"success": True, "commitOid": COMMIT, "commitUrl": url})
            else:
                self._json({"error": "no such call"}, 404)

        def do_GET(self) -> None:
            place = unquote(urlsplit(self.path).path)
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/.*)?", place):
                files = repositories.get(found[1])
                if files is None:
                    self._json({"error": "Repository not found"}, 404, "RepoNotFound")
                elif (found[2] or "").startswith("/tree"):
                    self._json(
                        [
                            {"type": "file", "path": p, "size": len(c), "oid": oid(c)}
                            for p, c in files.items()
                        ]
                    )
                else:
                    siblings = [{"rfilename": path} for path in files]
                    self._json({"id": found[1], "sha": COMMIT, "siblings": siblings})
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", place):
                content = repositories[found[1]][found[2]]
                self._answer(
                    content, headers={"ETag": f'"{oid(content)}"', "X-Repo-Commit": COMMIT}
                )
            else:
                self._json({"error": "no such call"}, 404)

        do_HEAD = do_GET  # noqa: N815

        def _json(self, value: Any, status: int = 200, code: str = "") -> None:
            self._answer(json.dumps(value).encode(), status, {"X-Error-Code": code} if code else {})

        def _answer(self, content: bytes, status: int = 200, headers: Any = ()) -> None:
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address, repositories
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def oid(content: bytes) -> str:
    """Return git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
