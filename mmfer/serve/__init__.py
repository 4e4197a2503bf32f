# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A web page to try a model in a browser: ``python -m mmfer serve``.

:mod:`.uploads` decodes an image, :mod:`.page_model` runs the model, :mod:`.app` is the HTTP
interface, and ``page/`` is served to the browser. The server keeps an image only in memory and only
while it is processed: the browser sends it again whenever a slider changes.
"""
