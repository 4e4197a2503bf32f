# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write a small synthetic RAF-DB, for tests of datasets and tools."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np


def write_rafdb(
    root: Path, train: Sequence[int] = (1, 2, 3, 4, 5, 6, 7), test: Sequence[int] = (7, 4), size=24
) -> Path:
    """Write the official layout below ``root``: one random image per label, 1 to 7.

    The same pixels are written twice: as the dataset's crop and as a newly aligned face.

    Returns:
        The data root, the folder that contains ``basic``.
    """
    rng = np.random.default_rng(0)
    images = root / 'basic/Image/aligned'
    images.mkdir(parents=True)
    (root / 'basic/Image/aligned_224').mkdir()
    (root / 'basic/EmoLabel').mkdir()
    lines = []
    for partition, labels, digits in (('train', train, 5), ('test', test, 4)):
        for number, label in enumerate(labels, start=1):
            stem = f'{partition}_{number:0{digits}d}'
            lines.append(f'{stem}.jpg {label}\n')
            image = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            for path in (images / f'{stem}_aligned.jpg', images.parent / f'aligned_224/{stem}.jpg'):
                cv2.imwrite(str(path), image)
    (root / 'basic/EmoLabel/list_patition_label.txt').write_text(''.join(lines))
    return root
