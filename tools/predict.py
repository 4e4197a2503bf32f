# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""``python -m mmfer predict`` for ``mim run mmfer predict``."""

import sys

from mmfer.cli import main

if __name__ == '__main__':
    sys.exit(main(['predict', *sys.argv[1:]]))
