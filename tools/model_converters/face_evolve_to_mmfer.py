# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert an IR network of face.evoLVe to mmfer's IRNet.

    python tools/model_converters/face_evolve_to_mmfer.py backbone_ir50_ms1m_epoch120.pth \\
        checkpoints/ir50_ms1m.pth

The result is for ``model.backbone.cnn.init_cfg`` of the APViT configs.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('source', help='a checkpoint of face.evoLVe (349 keys for IR-50)')
    parser.add_argument('target', help='file to write')
    parser.add_argument('--depth', type=int, default=50, choices=(50, 100, 152))
    parser.add_argument(
        '--num-stages', type=int, default=3, choices=(1, 2, 3, 4), help='stages to keep (default 3)'
    )
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmfer.apis.convert_weights import convert_weights
    from mmfer.apis.weight_names import convert_face_evolve
    from mmfer.checkpoint.safe_load import CheckpointError, load_weights
    from mmfer.models import IRNet

    model = IRNet(depth=args.depth, num_stages=args.num_stages)
    try:
        weights, _ = load_weights(args.source)
        convert_weights(
            args.source,
            args.target,
            convert_face_evolve(weights, args.depth, args.num_stages),
            model.state_dict(),
            dict(source='face.evoLVe'),
            print,
        )
    except (CheckpointError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
