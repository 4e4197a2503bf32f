# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The page over HTTP.

===========================  =======================================================================
``GET /``                    the page, its script and its style
``GET /api/model``           what there is to know of the model, and the limits
``GET /api/drawn/<number>``  a drawn face as PNG; its expression in the header ``X-Expression``
``POST /api/read``           the bytes of a picture in, what the model makes of it out;
                             ``keep_num`` and ``keep_rate`` may be in the query; browsers are
                             answered for this page only
===========================  =======================================================================

Answers are JSON; those with a status of 400 and above have the message as ``error``.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders, QueryParams
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmfer.models.pooling_settings import PoolingSettings
from mmfer.responsible_use import RESPONSIBLE_USE

from .drawn_faces import DrawnFaces
from .page_model import PageModel
from .uploads import FORMATS_TEXT, RefusedPictureError, UploadLimits, decode_picture

_PAGE = Path(__file__).parent / 'page'
_AT_ONCE = 32  # pictures that are read or wait for it; senders of more are told to come again

# The browser itself refuses to load anything from elsewhere, to send anything there, to keep
# anything, and to show the page, or a part of it, within another one.
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
    """Put the page together.

    Args:
        model: What reads the pictures.
        drawn_faces: What is offered to try it with.
        limits: How large a picture may be. Default: those of :class:`.UploadLimits`.
        hosts: By which names the page may be asked for. Those of this machine alone keep a page
            from elsewhere from getting at it through a name of its own that leads here (DNS
            rebinding). Default: all.
    """
    limits = limits or UploadLimits()
    places = asyncio.Semaphore(_AT_ONCE)
    # The model has a lock too. Who waits here has no thread, for whose end Python's own would wait.
    turn = asyncio.Lock()

    async def tell(request: Request) -> Response:
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
        face = await run_in_threadpool(drawn_faces.draw, request.path_params['number'])
        return Response(face.png, headers={'X-Expression': face.expression}, media_type='image/png')

    async def read(request: Request) -> Response:
        # What browsers add by themselves, and scripts of other websites cannot change.
        if request.headers.get('sec-fetch-site', 'same-origin') != 'same-origin':
            return _error(403, 'Pictures of this page only are read.')
        if places.locked():
            return _error(503, 'Too many pictures wait already; come again later.')
        try:
            async with places:
                return await answer(request)
        except asyncio.CancelledError:
            return _error(503, 'The server is ending.')

    async def answer(request: Request) -> Response:
        try:
            settings = _settings(request.query_params)
            model.check(settings)
        except ValueError as error:
            return _error(400, str(error))
        try:
            content = await _receive(request, limits)
            image = await run_in_threadpool(decode_picture, content, limits)
        except RefusedPictureError as error:
            return _error(error.status, str(error))
        async with turn:
            return JSONResponse(await run_in_threadpool(model.read, image, settings))

    return Starlette(
        routes=[
            Route('/api/model', tell),
            Route('/api/drawn/{number:int}', draw),
            Route('/api/read', read, methods=['POST']),
            Mount('/', StaticFiles(directory=_PAGE, html=True)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(_Headers),
        ],
    )


class _Headers:
    """Adds :data:`_HEADERS` to every answer."""

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


async def _receive(request: Request, limits: UploadLimits) -> bytes:
    """The body, read no further than the limit."""
    announced = request.headers.get('content-length', '')
    limits.check_bytes(int(announced) if announced.isdecimal() else 0)
    content = bytearray()
    async for part in request.stream():
        content += part
        limits.check_bytes(len(content))
    if not content:
        raise RefusedPictureError(415, f'No picture came; send {FORMATS_TEXT}.')
    return bytes(content)


def _settings(query: QueryParams) -> PoolingSettings:
    values: dict[str, Any] = {}
    for name, kind, what in (('keep_num', int, 'whole number'), ('keep_rate', float, 'number')):
        if name in query:
            try:
                values[name] = kind(query[name])
            except ValueError:
                raise ValueError(f'{name} must be a {what}, not {query[name]!r}') from None
    return PoolingSettings(**values)
