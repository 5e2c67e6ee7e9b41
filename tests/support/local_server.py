"""An HTTP server on 127.0.0.1 that answers as it is told, faults included, and records all."""

import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """How the server answers one request.

    ranges: whether it honours a Range header. stop_after: bytes after which it closes the
    connection; length: whether it says the length before. stall_s: seconds it then waits.
    """

    body: bytes = b""
    status: int = 200
    ranges: bool = True
    stop_after: int | None = None
    length: bool = True
    stall_s: float = 0
    location: str | None = None


@dataclass(frozen=True)
class Request:
    """What a client asked for, and how many bytes of content it was sent."""

    path: str
    range: str | None
    agent: str
    status: int
    served: int


@dataclass
class Server:
    """answers: by path, in order, the last one again and again; every other path is 404."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, path: str, *answers: Answer | bytes) -> str:
        """The URL under which these answers are given."""
        self.answers[path] = [Answer(a) if isinstance(a, bytes) else a for a in answers]
        return self.url + path

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self):
        # A proxy is asked for the whole URL.
        path = "/" + self.path.split("://", 1)[1].split("/", 1)[1] if "://" in self.path else None
        with self.state.lock:
            waiting = self.state.answers.get(path or self.path, [Answer(status=404)])
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        wanted, body, status = self.headers.get("Range"), answer.body, answer.status
        if wanted and answer.ranges and status == 200:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            status = 206 if first < len(body) else 416
            body = body[first:] if status == 206 else b""
        sent = body[: answer.stop_after]
        with self.state.lock:
            agent = self.headers.get("User-Agent", "")
            self.state.requests.append(Request(self.path, wanted, agent, status, len(sent)))
        self.send_response(status)
        if status == 206:
            total = len(answer.body)
            self.send_header("Content-Range", f"bytes {total - len(body)}-{total - 1}/{total}")
        if answer.location:
            self.send_header("Location", answer.location)
        if answer.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(sent)
        if answer.stall_s:
            self.wfile.flush()
            self.state.closing.wait(answer.stall_s)

    def log_message(self, *_):
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        """Without asking for the name of this machine, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def handle_error(self, *_):
        """A client that hangs up is expected."""


@contextmanager
def running():
    """A server, until the block ends."""
    state = Server()
    http = QuietServer(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        http.shutdown()
        http.server_close()
        thread.join(5)


def without_proxies(environment: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if not k.lower().endswith("_proxy")}
