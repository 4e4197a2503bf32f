# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert weights to their inference form: merge branches and BatchNorm, fold constants.

    python tools/model_converters/reparameterize.py CONFIG CHECKPOINT OUT

Branches of MobileOne and RepVGG become single convolutions, BatchNorm is merged into the
convolutions of IRNet, the knowledge token of a KTAdapter becomes constants. The outputs before and
after are compared, and nothing is written if they differ. Use the result with the same config and
the printed options, such as ``tools/test.py CONFIG OUT --cfg-options model.backbone.deploy=True``.
In the config that a checkpoint of training contains, the options are set.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='the trained checkpoint')
    parser.add_argument('out', help='file to write')
    parser.add_argument(
        '--size',
        type=int,
        metavar='PIXELS',
        help='image size for comparing outputs (default: that of the test pipeline)',
    )
    add_config_options(parser)
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    import torch
    from mmengine.registry import init_default_scope

    from mmfer.apis.merge_weights import MergeError, merge_weights
    from mmfer.checkpoint.safe_load import CheckpointError
    from mmfer.engine.launch import load_config
    from mmfer.inference.load_model import load_model
    from mmfer.utils.config_options import parse_options
    from mmfer.utils.image_size import image_size

    init_default_scope('mmfer')
    try:
        cfg = load_config(args.config, parse_options(args.cfg_options))
        model, meta = load_model(cfg, args.checkpoint)
        height, width = (args.size,) * 2 if args.size else image_size(cfg)[0]
        images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
        merge_weights(model, meta, images, args.out, print)
    except (MergeError, CheckpointError, ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
