# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert a ViT in the layout of timm or mmpretrain to the transformer of mmfer's APViT.

    python tools/model_converters/timm_vit_to_mmfer.py vit_small_p16_224-15ec54c9.pth \\
        checkpoints/vit-small_imagenet.pth
    python tools/model_converters/timm_vit_to_mmfer.py deit_tiny_patch16_224-a1311bcf.pth \\
        checkpoints/deit-tiny_imagenet.pth --arch deit-tiny --patch-embed

The results are for ``model.backbone.init_cfg`` of the configs: the first for APViT and TransFER,
the second for DeiT-Tiny. The classifier is omitted. So is the patch embedding, which a transformer
on top of a CNN does not have; --patch-embed keeps it for a transformer on image patches. The
position embedding of the 14x14 grid is kept.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument(
        'source', help='a checkpoint in the layout of timm or mmpretrain, with 16x16 patches'
    )
    parser.add_argument('target', help='file to write')
    parser.add_argument(
        '--arch',
        default='small',
        help="mmpretrain's name of the transformer: small (default), deit-tiny, deit-small, ...",
    )
    parser.add_argument(
        '--patch-embed', action='store_true', help='keep the patch embedding (DeiT-Tiny)'
    )
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmfer.apis.convert_weights import convert_weights
    from mmfer.apis.weight_names import convert_vit
    from mmfer.checkpoint.safe_load import CheckpointError, load_weights
    from mmfer.models import APViT

    try:
        weights, _ = load_weights(args.source)
        converted = convert_vit(weights, args.patch_embed)
        model = APViT(
            arch=args.arch, img_size=224, qkv_bias='layers.0.attn.qkv.bias' in converted
        ).state_dict()
        if not args.patch_embed:
            model = {k: v for k, v in model.items() if not k.startswith('patch_embed.')}
        source = 'timm' if any(key.startswith('blocks.') for key in weights) else 'mmpretrain'
        meta = dict(source=source, arch=args.arch)
        convert_weights(args.source, args.target, converted, model, meta, print)
    except (CheckpointError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
