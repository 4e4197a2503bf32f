# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A local HTTPS server that can cut connections, redirect and lose pages."""

import atexit
import contextlib
import functools
import shutil
import ssl
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class Page:
    """The response for a path.

    Args:
        content: The complete content.
        headers: Response headers. If-Range is compared with ``ETag`` and ``Last-Modified``.
        cut: Number of bytes after which the connection breaks. None never breaks it.
        ranges: Whether Range requests are supported.
        status: HTTP status. Defaults to 200.
    """

    content: bytes = b''
    headers: dict = field(default_factory=dict)
    cut: int | None = None
    ranges: bool = True
    status: int = 200


class Server(ThreadingHTTPServer):
    """Attributes: ``pages``, by path; ``asked``, path and Range header of every request."""

    daemon_threads = True

    def __init__(self, context):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.pages, self.asked = {}, []

    def url(self, path, host='127.0.0.1'):
        return f'https://{host}:{self.server_port}{path}'

    def handle_error(self, request, client_address):
        """Print nothing: clients that reject the certificate hang up."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get('Range')
        self.server.asked.append((self.path, wanted))
        page = self.server.pages.get(self.path, Page(status=404))
        start, content = 0, page.content
        marks = (page.headers.get('ETag'), page.headers.get('Last-Modified'))
        if wanted and page.ranges and self.headers.get('If-Range') in marks:
            start = int(wanted.removeprefix('bytes=').removesuffix('-'))
            content = content[start:]
        status = 206 if start else page.status
        if start >= max(1, len(page.content)):
            status, content = 416, b''
        self.send_response(status)
        if status == 206:
            end, whole = len(page.content) - 1, len(page.content)
            self.send_header('Content-Range', f'bytes {start}-{end}/{whole}')
        for header in page.headers.items():
            self.send_header(*header)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content[: page.cut])

    def log_message(self, *args):
        """Print nothing."""


@functools.cache
def certificate() -> Path:
    """Create a key and a certificate for this machine, in one file."""
    if shutil.which('openssl') is None:
        pytest.skip('openssl is not installed; it creates the certificate')
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    key, file = Path(folder.name, 'key.pem'), Path(folder.name, 'certificate.pem')
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
        + ['-nodes', '-days', '2', '-subj', '/CN=127.0.0.1']
        + ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
        + ['-keyout', key, '-out', file],
        check=True,
        capture_output=True,
    )
    file.write_bytes(key.read_bytes() + file.read_bytes())
    return file


@contextlib.contextmanager
def trusted_server(monkeypatch):
    """Run a :class:`Server` whose certificate is trusted."""
    monkeypatch.setenv('SSL_CERT_FILE', str(certificate()))
    monkeypatch.setenv('no_proxy', '*')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate())
    with Server(context) as running, serving(running):
        yield running


@contextlib.contextmanager
def serving(server):
    """Run a server in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
