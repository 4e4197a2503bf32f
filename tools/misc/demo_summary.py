# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Print the results of `make demo` and where its files are."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('folder', type=Path, help='work folder of the demo')
    folder = parser.parse_args(argv).folder
    metrics = json.loads((folder / 'metrics.json').read_text())
    print(f'\nAccuracy on unseen drawn faces   {metrics["accuracy/top1"]:6.2f} %  (chance 14.29 %)')
    print(f'Mean over the classes            {metrics["class_accuracy/mean"]:6.2f} %')
    print('\nFaces with prediction, confidence and kept patches:')
    print(f'    {folder / "faces.png"}')
    print('Confusion matrix:')
    for image in sorted(folder.rglob('confusion_matrix*.png'))[-1:]:
        print(f'    {image}')
    print('Logs and checkpoints:')
    print(f'    {folder}   (make clean-demo deletes it, so that make demo trains again)')
    return 0


if __name__ == '__main__':
    sys.exit(main())
