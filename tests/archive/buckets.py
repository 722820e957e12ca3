"""An S3 server for tests (moto's), on loopback, and a relay in front of it that misbehaves when told."""

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress

import pytest
from tests.archive.postgresql import free_port


class BucketServer:
    """moto's server, in a process of its own."""

    def __init__(self):
        pytest.importorskip("moto", reason="package moto is not installed")
        self.port = free_port()
        self._made = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for(self.port)
        self.environment = environment(self.port)

    def new_bucket(self):
        """The URL of an empty bucket, with a prefix."""
        self._made += 1
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/bucket{self._made}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        return f"s3://bucket{self._made}/images"

    def close(self):
        self._process.terminate()
        self._process.wait(10)


def environment(port):
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }


class Relay:
    """Passes connections on to a server; `mode`: "pass", "refuse" (closed at once), "error" (500), "slow" or "cut".

    "slow" waits `seconds` before each piece of an answer; "cut" ends the connection after `bytes` of a request.
    """

    def __init__(self, port):
        self._target = port
        self.mode, self.seconds, self.bytes = "pass", 0.0, 0
        self.seen = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.seen += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        mode = self.mode
        with connection, suppress(OSError):
            if mode == "refuse":
                return
            if mode == "error":
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                threading.Thread(target=self._back, args=(server, connection), daemon=True).start()
                left = self.bytes
                while piece := connection.recv(65536):
                    if self.mode != mode or (mode == "cut" and (left := left - len(piece)) < 0):
                        return
                    server.sendall(piece)

    def _back(self, server, connection):
        with suppress(OSError):
            while piece := server.recv(65536):
                if self.mode == "slow":
                    time.sleep(self.seconds)
                connection.sendall(piece)


def _wait_for(port, seconds=30):
    for _ in range(seconds * 20):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError("the S3 server did not start")
