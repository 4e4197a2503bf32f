# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Convert the checkpoint released by the authors of APViT to mmfer's names.

    python tools/model_converters/apvit_to_mmfer.py APViT_RAF.pth checkpoints/apvit_rafdb.pth

The result is a complete classifier for ``tools/test.py`` with the configs in ``configs/apvit``, or
in ``configs/transfer`` if the file has the layout of TransFER in the released code. It includes the
class names. The released weights have the license of their authors.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import tool_parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('source', help='the released checkpoint (389 keys for APViT)')
    parser.add_argument('target', help='file to write')
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='class names in the order of the outputs (default: the seven of RAF-DB)',
    )
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    from mmengine.registry import init_default_scope

    from mmfer.apis.convert_weights import convert_weights
    from mmfer.apis.weight_names import convert_apvit_release
    from mmfer.categories import EXPRESSIONS
    from mmfer.checkpoint.safe_load import CheckpointError, load_weights
    from mmfer.registry import MODELS

    init_default_scope('mmfer')
    classes = tuple(args.classes or EXPRESSIONS)
    try:
        converted = convert_apvit_release(load_weights(args.source)[0])
        backbone = dict(type='APViT', cnn=dict(type='IRNet'), arch='small', qkv_bias=False)
        if any(key.startswith('backbone.local.') for key in converted):
            backbone['type'] = 'TransFER'
        if any(key.startswith('backbone.app.') for key in converted):
            backbone['app'] = dict(criterion='lanet')
        model = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=backbone,
                head=dict(type='LinearClsHead', num_classes=len(classes), in_channels=768),
            )
        )
        convert_weights(
            args.source,
            args.target,
            converted,
            model.state_dict(),
            dict(dataset_meta=dict(classes=classes), source=f'{backbone["type"]} release'),
            print,
        )
    except (CheckpointError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
