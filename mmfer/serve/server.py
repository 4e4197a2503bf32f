# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import asyncio
import ipaddress
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEADER_SECONDS = 10  # limit for a client to send the headers of a request
_ANSWER_SECONDS = 60  # limit for a client to read a response
_GRACE = 3  # seconds for running requests after Ctrl-C


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def host_names(host: str) -> tuple[str, ...]:
    """Return the allowed host names of a server on ``host``, for :func:`.build_app`."""
    return ('127.0.0.1', 'localhost', '[::1]', host) if is_loopback(host) else ('*',)


def listen(host: str, port: int) -> socket.socket:
    """Open a port.

    Args:
        host (str): Address or name of this machine.
        port (int): The port; 0 for any free one.

    Raises:
        OSError: The port is in use or not allowed, or this machine does not have the address.
    """
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def address(listener: socket.socket) -> str:
    """Return the URL of the page."""
    host, port = listener.getsockname()[:2]
    return f'http://[{host}]:{port}/' if ':' in host else f'http://{host}:{port}/'


class ImpatientProtocol(H11Protocol):
    """uvicorn's protocol with time limits for clients.

    uvicorn waits forever for the headers of a request, and for a client that does not read its
    response. Both have a limit here. So has the rest of a request body after an early response.
    """

    _asking: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # Pauses writing whenever the client has not yet read everything.
        transport.set_write_buffer_limits(0)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self.loop.call_later(_ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reading = _stop(self._reading)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._asking, self._reading = _stop(self._asking), _stop(self._reading)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._asking = _stop(self._asking)
        elif self._asking is None:
            self._asking = self.loop.call_later(_HEADER_SECONDS, self.transport.close)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def make_server(app: ASGIApp) -> uvicorn.Server:
    """Return a server for ``app``; ``run(sockets=[listener])`` runs it until Ctrl-C.

    Requests are not logged; errors of the program go to stderr.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=ImpatientProtocol,
            # uvicorn's own log config would close all other log files of this process.
            log_config=None,
            log_level='warning',
            access_log=False,
            server_header=False,
            lifespan='off',
            ws='none',
            timeout_graceful_shutdown=_GRACE,
        )
    )
