# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert an iresnet of InsightFace's arcface_torch to mmfer's IRNet.

    python tools/model_converters/iresnet_to_mmfer.py backbone.pth checkpoints/iresnet50.pth
    python tools/model_converters/iresnet_to_mmfer.py backbone.pth checkpoints/iresnet18.pth \\
        --depth 18

The result is for model.backbone.cnn.init_cfg with
cnn=dict(type='IRNet', depth=50, unit='iresnet').
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('source', help='a backbone.pth of arcface_torch (475 keys for iresnet50)')
    parser.add_argument('target', help='file to write')
    parser.add_argument('--depth', type=int, default=50, choices=(18, 34, 50, 100))
    parser.add_argument(
        '--num-stages', type=int, default=3, choices=(1, 2, 3, 4), help='stages to keep (default 3)'
    )
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmfer.apis.convert_weights import convert_weights
    from mmfer.apis.weight_names import convert_iresnet
    from mmfer.checkpoint.safe_load import CheckpointError, load_weights
    from mmfer.models import IRNet

    model = IRNet(depth=args.depth, num_stages=args.num_stages, unit='iresnet')
    try:
        weights, _ = load_weights(args.source)
        convert_weights(
            args.source,
            args.target,
            convert_iresnet(weights, args.num_stages),
            model.state_dict(),
            dict(source='InsightFace iresnet'),
            print,
        )
    except (CheckpointError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
