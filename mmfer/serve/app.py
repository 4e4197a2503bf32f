# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The page over HTTP.

===========================  =======================================================================
``GET /``                    the page, its script and its style
``GET /api/model``           what there is to know of the model, and the limits
``GET /api/drawn/<number>``  a drawn face as PNG; its expression in the header ``X-Expression``
``POST /api/read``           the bytes of an image in, what the model makes of it out;
                             ``keep_num`` and ``keep_rate`` may be in the query; browsers are
                             answered for this page only (:func:`is_from_this_page`)
===========================  =======================================================================

Answers are JSON; those with a status of 400 and above have the message as ``error``.
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
_DIGITS = 20  # of a number in a request
_AT_ONCE = 32  # images that are read or wait for it; senders of more are told to come again

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
        model (PageModel): What reads the images.
        drawn_faces (DrawnFaces): What is offered to try it with.
        limits (UploadLimits, optional): How large an image may be. Defaults to those of
            :class:`.UploadLimits`.
        hosts (Sequence[str]): By which names the page may be asked for. Those of this machine alone
            keep a page from elsewhere from getting at it through a name of its own that leads here
            (DNS rebinding). Defaults to all.
    """
    limits = limits or UploadLimits()
    places = asyncio.Semaphore(_AT_ONCE)
    # The model has a lock too. Who waits here has no thread, for whose end Python's own would wait.
    turn = asyncio.Lock()
    held = 0  # bytes of files in memory: those who send nothing take no room

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
        number = request.path_params['number']
        if not number.isdecimal() or len(number) > _DIGITS:
            return _error(404, f'Drawn faces have whole numbers of up to {_DIGITS} digits.')
        face = await run_in_threadpool(drawn_faces.draw, int(number))
        return Response(face.png, headers={'X-Expression': face.expression}, media_type='image/png')

    async def read(request: Request) -> Response:
        nonlocal held
        if not is_from_this_page(request.headers):
            return _error(403, 'Images of this page only are read.')
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
                return await run_in_threadpool(answer, bytes(content), settings)
        except RefusedUploadError as error:
            return _error(error.status, str(error))
        except TimeoutError:
            return _error(408, f'The file did not come within {limits.max_seconds:g} seconds.')
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to get it
        except asyncio.CancelledError:
            return _error(503, 'The server is ending.')
        finally:
            held -= len(content)

    def answer(content: bytes, settings: PoolingSettings) -> Response:
        """What the model makes of a file. Decoded here, in turn: one image is in memory."""
        try:
            return JSONResponse(model.read(decode_upload(content, limits), settings))
        except RefusedUploadError:
            raise
        # The settings were checked and the model reads other images: it is this one.
        except ValueError as error:
            return _error(422, f'The image cannot be read: {error}')
        except Exception as error:
            _LOGGER.exception('an image could not be read')
            what = type(error).__name__
            return _error(422, f'The image cannot be read ({what}); the server says why.')

    return Starlette(
        routes=[
            Route('/api/model', tell),
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


def is_from_this_page(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from the page, or from no website: a program such as curl.

    Three headers tell, which browsers add and scripts cannot change. ``Sec-Fetch-Site`` is missing
    in older browsers, and where the page has no HTTPS and is on another machine; ``Origin`` comes
    with every POST; before there was that, there was ``Referer``.
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


def _check_room(there_is: bool) -> None:
    if not there_is:
        raise RefusedUploadError(503, 'Too many images wait already; come again later.')


async def _receive(request: Request, limits: UploadLimits) -> AsyncIterator[bytes]:
    """The body, read no further than the limit."""
    announced = request.headers.get('content-length', '')
    if announced.isdecimal():
        # Python reads numbers of 4300 digits at most.
        limits.check_bytes(int(announced) if len(announced) <= _DIGITS else limits.max_bytes + 1)
    count = 0
    async for part in request.stream():
        count += len(part)
        limits.check_bytes(count)
        yield part
    if not count:
        raise RefusedUploadError(415, f'No image came; send {FORMATS_TEXT}.')


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
