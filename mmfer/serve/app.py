# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The HTTP interface of the page.

===========================  =======================================================================
``GET /``                    the page, its script and its style
``GET /api/model``           facts about the model, and the limits of images
``GET /api/drawn/<number>``  a drawn face as PNG; its expression in the header ``X-Expression``
``POST /api/read``           predictions for the image in the body; optional query parameters
                             ``keep_num`` and ``keep_rate``; requests from other websites are
                             rejected (:func:`is_from_this_page`)
===========================  =======================================================================

Responses are JSON; with a status of 400 or above, ``error`` is the message.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anyio import fail_after
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders, QueryParams
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmfer.models.pooling_settings import PoolingSettings
from mmfer.responsible_use import RESPONSIBLE_USE

from .drawn_faces import DrawnFaces
from .page_model import PageModel
from .uploads import FORMATS_TEXT, RefusedUploadError, UploadLimits, decode_upload

_PAGE = Path(__file__).parent / 'page'
_LOGGER = logging.getLogger('mmfer')
_DIGITS = 20  # longest number in a request
_AT_ONCE = 32  # images being processed or waiting; further requests are rejected

# With these headers the browser does not load from or send to other hosts, stores nothing, and does
# not embed the page or a part of it in another one.
_HEADERS = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}


def build_app(
    model: PageModel,
    drawn_faces: DrawnFaces,
    limits: UploadLimits | None = None,
    hosts: Sequence[str] = ('*',),
) -> Starlette:
    """Build the web application.

    Args:
        model (PageModel): The model.
        drawn_faces (DrawnFaces): Example images.
        limits (UploadLimits, optional): Largest image. Defaults to :class:`.UploadLimits`.
        hosts (Sequence[str]): Allowed host names. Only the names of this machine prevent DNS
            rebinding, that is, access by another website through a name that resolves to this
            machine. Defaults to all.
    """
    limits = limits or UploadLimits()
    places = asyncio.Semaphore(_AT_ONCE)
    # The model has a lock too, but requests that wait for this one use no thread, which Python
    # would wait for at its end.
    turn = asyncio.Lock()
    held = 0  # bytes of files in memory, so that clients that send nothing do not count

    async def describe(request: Request) -> Response:
        return JSONResponse(
            dict(
                model.describe(),
                max_bytes=limits.max_bytes,
                max_pixels=limits.max_pixels,
                formats=FORMATS_TEXT,
                responsible_use=RESPONSIBLE_USE,
            )
        )

    async def draw(request: Request) -> Response:
        number = request.path_params['number']
        if not number.isdecimal() or len(number) > _DIGITS:
            return _error(
                404,
                f'The number of a drawn face must be a whole number of up to {_DIGITS} digits.',
            )
        face = await run_in_threadpool(drawn_faces.draw, int(number))
        return Response(face.png, headers={'X-Expression': face.expression}, media_type='image/png')

    async def read(request: Request) -> Response:
        nonlocal held
        if not is_from_this_page(request.headers):
            return _error(403, 'Only requests from this page are allowed.')
        try:
            settings = _settings(request.query_params)
            model.check(settings)
        except ValueError as error:
            return _error(400, str(error))
        content = bytearray()
        try:
            _check_room(not places.locked())
            with fail_after(limits.max_seconds):
                async for part in _receive(request, limits):
                    content += part
                    held += len(part)
                    _check_room(held <= _AT_ONCE * limits.max_bytes)
            _check_room(not places.locked())
            async with places, turn:
                if await request.is_disconnected():
                    raise ClientDisconnect
                return await run_in_threadpool(predict, bytes(content), settings)
        except RefusedUploadError as error:
            return _error(error.status, str(error))
        except TimeoutError:
            return _error(408, f'The file was not received within {limits.max_seconds:g} seconds.')
        except ClientDisconnect:
            return Response(status_code=400)  # the client does not receive it
        except asyncio.CancelledError:
            return _error(503, 'The server is shutting down.')
        finally:
            held -= len(content)

    def predict(content: bytes, settings: PoolingSettings) -> Response:
        """Decode a file and run the model. One call at a time: one decoded image is in memory."""
        try:
            return JSONResponse(model.read(decode_upload(content, limits), settings))
        except RefusedUploadError:
            raise
        # The settings were checked before, so the image is the cause.
        except ValueError as error:
            return _error(422, f'The image cannot be read: {error}')
        except Exception as error:
            _LOGGER.exception('an image could not be read')
            what = type(error).__name__
            return _error(422, f'The image cannot be read ({what}); see the log of the server.')

    return Starlette(
        routes=[
            Route('/api/model', describe),
            Route('/api/drawn/{number}', draw),
            Route('/api/read', read, methods=['POST']),
            Mount('/', StaticFiles(directory=_PAGE, html=True)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(_Headers),
        ],
    )


class _Headers:
    """Adds :data:`_HEADERS` to every response."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _error(status: int, message: str) -> Response:
    return JSONResponse(dict(error=message), status)


def is_from_this_page(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from the page, or from a program such as curl, not another website.

    Depends on three headers that browsers set and scripts cannot change. ``Sec-Fetch-Site`` is
    missing in older browsers, and if the page is on another machine without HTTPS; ``Origin`` is
    sent with every POST; browsers without it send ``Referer``.
    """
    if 'sec-fetch-site' in headers:
        return headers['sec-fetch-site'] == 'same-origin'
    source = headers.get('origin', headers.get('referer'))
    if source is None:
        return True
    scheme, _, rest = source.partition('://')
    port = {'http': ':80', 'https': ':443'}.get(scheme, '')
    ours, theirs = (
        place.lower().removesuffix(port) for place in (headers.get('host', ''), rest.split('/')[0])
    )
    return ours == theirs != ''


def _check_room(is_free: bool) -> None:
    if not is_free:
        raise RefusedUploadError(503, 'Too many images are waiting; try again later.')


async def _receive(request: Request, limits: UploadLimits) -> AsyncIterator[bytes]:
    """Yield the body in parts, up to the limit."""
    announced = request.headers.get('content-length', '')
    if announced.isdecimal():
        # int() raises an error above 4300 digits.
        limits.check_bytes(int(announced) if len(announced) <= _DIGITS else limits.max_bytes + 1)
    count = 0
    async for part in request.stream():
        count += len(part)
        limits.check_bytes(count)
        yield part
    if not count:
        raise RefusedUploadError(415, f'The request has no image; send {FORMATS_TEXT}.')


def _settings(query: QueryParams) -> PoolingSettings:
    values: dict[str, Any] = {}
    for name, kind, what in (('keep_num', int, 'whole number'), ('keep_rate', float, 'number')):
        if name in query:
            text = query[name]
            try:
                if len(text) > _DIGITS:
                    raise ValueError
                values[name] = kind(text)
            except ValueError:
                raise ValueError(f'{name} must be a {what}, not {text[:_DIGITS]!r}') from None
    return PoolingSettings(**values)
