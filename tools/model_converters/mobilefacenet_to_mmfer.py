# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert a public MobileFaceNet to mmfer's.

    python tools/model_converters/mobilefacenet_to_mmfer.py model_mobilefacenet.pth \\
        checkpoints/mobilefacenet.pth
    python tools/model_converters/mobilefacenet_to_mmfer.py w600k_mbf.onnx \\
        checkpoints/mobilefacenet_w600k.pth

Reads checkpoints of TreB1eN/InsightFace_Pytorch and of InsightFace's arcface_torch, and ONNX files
of such models (needs the package onnx). The result is for model.backbone.cnn.init_cfg, with the
printed settings of model.backbone.cnn.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('source', help='a checkpoint, or a file that ends in .onnx')
    parser.add_argument('target', help='file to write')
    parser.add_argument(
        '--num-stages', type=int, default=2, choices=(1, 2, 3, 4), help='stages to keep (default 2)'
    )
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmfer.apis.convert_weights import convert_weights
    from mmfer.apis.mobilefacenet_onnx import read_mobilefacenet_onnx
    from mmfer.apis.mobilefacenet_weights import (
        convert_mobilefacenet,
        first_stages,
        mobilefacenet_arch,
    )
    from mmfer.checkpoint.safe_load import CheckpointError, load_weights
    from mmfer.models import MobileFaceNet

    folded = False
    try:
        if args.source.lower().endswith('.onnx'):
            converted, arch, folded = read_mobilefacenet_onnx(args.source, args.num_stages)
        else:
            whole = convert_mobilefacenet(load_weights(args.source)[0])
            arch = mobilefacenet_arch(whole) or MobileFaceNet.ARCHS['base']
            converted = first_stages(whole, args.num_stages)
        known = [name for name, settings in MobileFaceNet.ARCHS.items() if settings == arch]
        settings = dict(num_stages=args.num_stages, arch=known[0] if known else arch)
        settings |= dict(norm_eval=True) if folded else {}
        model = MobileFaceNet(**settings).state_dict()
        meta = dict(source='MobileFaceNet', settings=settings)
        convert_weights(args.source, args.target, converted, model, meta, print)
    except (CheckpointError, ImportError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    words = ', '.join(f'{key}={value!r}' for key, value in settings.items())
    print(f"use it with cnn=dict(type='MobileFaceNet', {words}, init_cfg=...)")
    if folded:
        print('norm_eval=True, because BatchNorm is folded in the file: its statistics are unknown')
    return 0


if __name__ == '__main__':
    sys.exit(main())
