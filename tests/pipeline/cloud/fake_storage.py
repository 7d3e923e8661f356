"""Google Cloud Storage's JSON API on loopback, as far as objects go.

Every object has a generation, and a write under a condition fails as it does there. Requests can be answered
with an error, or not at all, before or after what they ask for was done.
"""

import base64
import collections
import contextlib
import dataclasses
import datetime
import email
import email.policy
import hashlib
import http.server
import json
import os
import pathlib
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import google_crc32c

DROPPED = 0  # in `faults`: the connection is closed without an answer


@dataclasses.dataclass(frozen=True)
class Object:
    """One object as it stands."""

    content: bytes
    generation: int
    metadata: dict[str, str]
    updated: float


class Refused(Exception):
    """What the server answers with instead."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message or str(code))
        self.code = code


class FakeStorage:
    """All buckets there are; one appears with its first object.

    Attributes:
      calls: (method, path) of all requests, in order.
      faults: what the next writes meet: (status or DROPPED, whether they are done all the same).
      read_faults: the same of other requests.
      before_write: is called before each write; for what others do meanwhile.
      folder: also files below it are objects: <folder>/<bucket>/<name>.
    """

    def __init__(self, folder: pathlib.Path | None = None) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.faults: collections.deque[tuple[int, bool]] = collections.deque()
        self.read_faults: collections.deque[int] = collections.deque()
        self.before_write: Callable[[], None] = lambda: None
        self.folder = folder
        self._generation = 1_700_000_000_000_000
        self._lock = threading.RLock()

    def put(
        self, address: str, content: bytes | str, metadata: dict[str, str] | None = None
    ) -> int:
        """Somebody writes an object; its generation."""
        bucket, _, name = address.removeprefix("gs://").partition("/")
        data = content.encode() if isinstance(content, str) else content
        with self._lock:
            self._generation += 1
            now = datetime.datetime.now(datetime.UTC).timestamp()
            self.objects[bucket, name] = Object(data, self._generation, metadata or {}, now)
            return self._generation

    def get(self, address: str) -> bytes | None:
        """An object's content."""
        bucket, _, name = address.removeprefix("gs://").partition("/")
        found = self._find(bucket, name)
        return found and found.content

    def names(self, prefix: str = "gs://") -> list[str]:
        """The addresses of the objects that begin so."""
        every = (f"gs://{bucket}/{name}" for bucket, name in self._all())
        return sorted(each for each in every if each.startswith(prefix))

    def writes(self) -> int:
        """How many writes were asked for."""
        return sum(method == "POST" for method, _ in self.calls)

    def _find(self, bucket: str, name: str) -> Object | None:
        if (bucket, name) in self.objects or self.folder is None:
            return self.objects.get((bucket, name))
        path = self.folder / bucket / name
        if not path.is_file():
            return None
        facts = path.stat()
        return Object(path.read_bytes(), facts.st_mtime_ns, {}, facts.st_mtime)

    def _all(self) -> set[tuple[str, str]]:
        found = set(self.objects)
        for base, _, files in os.walk(self.folder, followlinks=True) if self.folder else ():
            for file in files:
                bucket, _, name = str(
                    pathlib.Path(base, file).relative_to(self.folder or "")
                ).partition("/")
                found.add((bucket, name))
        return found

    def read(self, path: str, query: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        """Answer a GET: the body and further headers."""
        if path.startswith("/storage/v1/b/") and path.count("/") == 4:  # the client is curious
            return json.dumps({"kind": "storage#bucket", "name": path.split("/")[4]}).encode(), {}
        with self._lock:
            self.calls.append(("GET", path))
            if self.read_faults:
                raise Refused(self.read_faults.popleft())
            media = path.startswith("/download/")
            bucket, name = _named(path.removeprefix("/download"))
            if not name:
                prefix = query.get("prefix", "")
                items = [
                    _facts(bucket, each, found)
                    for there, each in sorted(self._all())
                    if there == bucket and each.startswith(prefix)
                    if (found := self._find(bucket, each))
                ]
                return json.dumps({"kind": "storage#objects", "items": items}).encode(), {}
            found = self._find(bucket, name)
            if found is None:
                raise Refused(404, f"No such object: {bucket}/{name}")
            _check(query, found)
            if media or query.get("alt") == "media":
                return found.content, {"X-Goog-Generation": str(found.generation)}
            return json.dumps(_facts(bucket, name, found)).encode(), {}

    def write(self, path: str, query: dict[str, str], kind: str, body: bytes) -> bytes:
        """Answer an upload in one request."""
        self.before_write()
        with self._lock:
            self.calls.append(("POST", path))
            fault = self.faults.popleft() if self.faults else None
            if fault and not fault[1]:
                raise Refused(fault[0], "injected")
            bucket, _ = _named(path.removeprefix("/upload"))
            facts, content = _parts(kind, body)
            if facts.get("crc32c", _crc(content)) != _crc(content):
                raise Refused(400, "crc32c")
            name = query.get("name") or facts["name"]
            _check(query, self._find(bucket, name))
            self.put(f"gs://{bucket}/{name}", content, facts.get("metadata"))
            if fault:
                raise Refused(fault[0], "injected after it was done")
            return json.dumps(_facts(bucket, name, self.objects[bucket, name])).encode()

    def delete(self, path: str, query: dict[str, str]) -> None:
        """Answer a DELETE."""
        with self._lock:
            self.calls.append(("DELETE", path))
            key = _named(path)
            if key not in self.objects:
                raise Refused(404)
            _check(query, self.objects[key])
            del self.objects[key]


def _named(path: str) -> tuple[str, str]:
    """Bucket and object of /storage/v1/b/<bucket>/o/<object>."""
    parts = path.split("/")
    if parts[1:4] != ["storage", "v1", "b"] or parts[5:6] != ["o"]:
        raise Refused(404, f"no such method: {path}")
    return urllib.parse.unquote(parts[4]), urllib.parse.unquote("/".join(parts[6:]))


def _check(query: dict[str, str], found: Object | None) -> None:
    if "ifGenerationMatch" in query:
        there = found.generation if found else 0
        if int(query["ifGenerationMatch"]) != there:
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")


def _parts(kind: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the content of a multipart/related body."""
    head = f"Content-Type: {kind}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    facts, content = message.iter_parts()
    boundary = message.get_boundary()
    # The parser may change line ends: the content is what lies before the last boundary.
    raw = body.rpartition(f"\r\n--{boundary}--".encode())[0]
    raw = raw[raw.index(f"--{boundary}".encode(), 2) :].partition(b"\r\n\r\n")[2]
    del content
    return json.loads(facts.get_content()), raw


def _crc(content: bytes) -> str:
    return base64.b64encode(struct.pack(">I", google_crc32c.value(content))).decode()


def _facts(bucket: str, name: str, found: Object) -> dict[str, Any]:
    moment = datetime.datetime.fromtimestamp(found.updated, datetime.UTC)
    return {
        "kind": "storage#object",
        "bucket": bucket,
        "name": name,
        "generation": str(found.generation),
        "size": str(len(found.content)),
        "updated": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "md5Hash": base64.b64encode(hashlib.md5(found.content).digest()).decode(),
        "crc32c": _crc(found.content),
        "metadata": found.metadata,
    }


@contextlib.contextmanager
def serving(store: FakeStorage) -> Iterator[str]:
    """Answer requests on loopback; yields the address for STORAGE_EMULATOR_HOST."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: else the kernel waits 40 ms for the second
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            address = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(address.query))
            code, found, more = 200, b"", dict[str, str]()
            try:
                if self.command == "GET":
                    found, more = store.read(address.path, query)
                elif self.command == "DELETE":
                    store.delete(address.path, query)
                    code = 204
                else:
                    kind = self.headers["Content-Type"]
                    found = store.write(address.path, query, kind, body)
            except Refused as error:
                if error.code == DROPPED:
                    self.close_connection = True
                    self.connection.close()
                    return
                code = error.code
                found = json.dumps({"error": {"code": code, "message": str(error)}}).encode()
            self.send_response(code)
            media = more and code == 200
            self.send_header(
                "Content-Type", "application/octet-stream" if media else "application/json"
            )
            self.send_header("Content-Length", str(len(found)))
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found)
            self.wfile.flush()

        do_GET = do_POST = do_DELETE = _handle

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
