# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert a ViT in timm's layout to the transformer of mmfer's APViT.

    python tools/model_converters/timm_vit_to_mmfer.py vit_small_p16_224-15ec54c9.pth \\
        checkpoints/vit-small_imagenet.pth

The result is what ``model.backbone.init_cfg`` of the APViT configs names. Patch embedding and
classifier have no place there and are left out; the position embedding of the 14x14 grid is kept.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('source', help="a checkpoint in timm's layout, patches of 16x16")
    parser.add_argument('target', help='file to write')
    parser.add_argument(
        '--arch',
        default='small',
        help="mmpretrain's name of the transformer: small (default), deit-tiny, deit-small, ...",
    )
    args = parser.parse_args(argv)

    # Imported late: --help answers at once.
    from mmfer.apis.convert_weights import convert_weights
    from mmfer.apis.weight_names import convert_timm_vit
    from mmfer.checkpoint.safe_load import CheckpointError, load_weights
    from mmfer.models import APViT

    try:
        weights, _ = load_weights(args.source)
        model = APViT(
            arch=args.arch, img_size=224, qkv_bias='blocks.0.attn.qkv.bias' in weights
        ).state_dict()
        convert_weights(
            args.source,
            args.target,
            convert_timm_vit(weights),
            {key: value for key, value in model.items() if not key.startswith('patch_embed.')},
            dict(source='timm', arch=args.arch),
            print,
        )
    except (CheckpointError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
