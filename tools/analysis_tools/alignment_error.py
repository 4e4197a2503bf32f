# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Measure the error of face alignment on WFLW: the distance of detected eyes to the labels.

    python tools/dataset_converters/align_faces.py data/wflw/WFLW_images aligned --model FILE
    python tools/analysis_tools/alignment_error.py aligned data/wflw

Only the report of align_faces.py, OUT/alignment.csv, is read, and no images. If an image has
several labeled faces, the one whose eyes are closest to the detected eyes is used.

Exit status: 0; 2 if the report or the labels are missing or wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.preparation.command import exit_status
from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('aligned', type=Path, help='output folder of align_faces.py')
    parser.add_argument('data_root', type=Path, help='folder of WFLW')
    return exit_status(compare, parser.parse_args(argv))


def compare(args: argparse.Namespace) -> int:
    # Imported late, so that --help is quick.
    from mmfer.analysis.alignment_errors import alignment_errors, read_points, read_wflw
    from mmfer.preparation.align_faces import REPORT

    points = read_points(args.aligned / REPORT)
    print(alignment_errors(points, read_wflw(args.data_root)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
