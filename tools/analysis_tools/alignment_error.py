# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Compare aligned faces with the labels of WFLW: how near are the eyes to where they belong?

    python tools/dataset_converters/align_faces.py data/wflw/WFLW_images aligned --model FILE
    python tools/analysis_tools/alignment_error.py aligned data/wflw

It reads what align_faces.py wrote, OUT/alignment.csv, and no image. An image with several
labeled faces counts as the one whose eyes are nearest to those found.

Exit status: 0; 2 when the report or the labels are missing or wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.preparation.command import exit_status
from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('aligned', type=Path, help='folder that align_faces.py wrote')
    parser.add_argument('data_root', type=Path, help='folder of WFLW')
    return exit_status(compare, parser.parse_args(argv))


def compare(args: argparse.Namespace) -> int:
    # Imported late: --help answers at once.
    from mmfer.analysis.alignment_errors import alignment_errors, read_points, read_wflw
    from mmfer.preparation.align_faces import REPORT

    points = read_points(args.aligned / REPORT)
    print(alignment_errors(points, read_wflw(args.data_root)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
