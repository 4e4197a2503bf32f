# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The page on which a model is tried in a browser: ``python -m mmfer serve``.

:mod:`.uploads` takes an image in, :mod:`.page_model` reads its faces, :mod:`.app` speaks HTTP, and
``page/`` is what the browser gets. An image is in memory while it is answered and nowhere else:
the browser holds it and sends it again with every change of a slider.
"""
