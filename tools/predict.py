# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Run ``python -m mmfer predict`` as ``mim run mmfer predict``."""

import sys
from collections.abc import Sequence

from mmfer.cli import main as run_command


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(['predict', *(sys.argv[1:] if argv is None else argv)])


if __name__ == '__main__':
    sys.exit(main())
