"""A proxy before the kube-apiserver or the cloud that tests can make misbehave.

It relays HTTP/1.1 as bytes and tells the tests where each request begins and where its answer does.
It listens on 127.0.0.1 only, and speaks plain HTTP to the operator.
"""

import json
import select
import socket
import ssl
import threading


class Drop(Exception):
    """Raised by a hook: the connection ends here, nothing more is relayed."""


class Request:
    def __init__(self, head, body):
        self.method, self.target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        self.head, self.body = head, body
        self.is_watch = "watch=" in self.target

    def has(self, text):
        return text in self.target or text.encode() in self.head or text.encode() in self.body

    def __str__(self):
        return f"{self.method} {self.target.split('?')[0]}"


class Proxy:
    """`before(request)` runs before a request is forwarded, `after(request)` when the first byte of its
    answer has come and before it is relayed; either may wait, or raise Drop. While `frozen(request)`
    is true, nothing of its answer is relayed. `route(request)` is the port that it goes to."""

    def __init__(self, upstream, tls=False):
        self.upstream = upstream
        self.tls = tls
        self.before = self.after = lambda request: None
        self.route = lambda request: self.upstream
        self.frozen = lambda request: False
        self.thawed = threading.Condition()
        self.open = set()
        self.watching = set()  # watches whose answers are being relayed
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.thaw()
        for s in [self.listener, *self.open]:
            close(s)

    def freeze_watches(self):
        """Those of now say nothing any more; later ones do."""
        watches = set(self.watching)
        self.frozen = lambda request: request in watches

    def thaw(self):
        with self.thawed:
            self.frozen = lambda request: False
            self.thawed.notify_all()

    def kubeconfig(self, path, token="admin-of-tests"):
        """A kubeconfig that leads through this proxy."""
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "p",
            "clusters": [{"name": "p", "cluster": {"server": self.url}}],
            "users": [{"name": "p", "user": {"token": token}}],
            "contexts": [{"name": "p", "context": {"cluster": "p", "user": "p"}}]}))
        return path

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _connect(self, port):
        s = socket.create_connection(("127.0.0.1", port), timeout=300)
        return ssl._create_unverified_context().wrap_socket(s) if self.tls else s

    def _serve(self, client):
        self.open.add(client)
        server = port = None
        try:
            while (request := read_request(client)) is not None:
                self.before(request)
                if port != self.route(request):
                    close(server)
                    port = self.route(request)
                    server = self._connect(port)
                self.open.add(server)
                server.sendall(request.head + request.body)
                self._answer(request, client, server)
        except (Drop, OSError, ValueError):  # a socket that was closed meanwhile has no number
            pass
        finally:
            for s in (client, server):
                close(s)
                self.open.discard(s)

    def _answer(self, request, client, server):
        """Relays until the client speaks again: HTTP/1.1 without pipelining."""
        if request.is_watch:
            self.watching.add(request)
        told = False
        poll = select.poll()
        for s in (client, server):
            poll.register(s, select.POLLIN)
        while True:
            pending = self.tls and server.pending()
            ready = [server.fileno()] if pending else [fd for fd, _ in poll.poll()]
            if server.fileno() in ready:
                data = server.recv(65536)
                if not data:
                    raise Drop
                if not told:
                    told = True
                    self.after(request)
                with self.thawed:
                    while self.frozen(request) and client in self.open:
                        self.thawed.wait(0.2)
                client.sendall(data)
            else:
                return


def close(s):
    if s is None:
        return
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()


def read_request(client):
    """The next request of a connection; None at its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, value = line.split(b":", 1)
        if name.strip().lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        more = client.recv(65536)
        if not more:
            return None
        body += more
    return Request(head + b"\r\n\r\n", body)
