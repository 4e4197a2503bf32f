# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmfer.visualization.attention import draw_attention

from .attention import AttentionInspector
from .attention_rows import AttentionRows


def compare_attention(
    config: str | Path,
    checkpoint: str | Path,
    baseline: tuple[str | Path, str | Path] | None = None,
    *,
    keep_nums: Sequence[int] | None = None,
    num: int = 6,
    images: Iterable[str] = (),
    heads: str = 'mean',
    cfg_options: Iterable[str] = (),
    device: str = 'cpu',
    title: str | None = None,
) -> Figure:
    """Draw APViT's Figure 7: faces, the patches kept at several ``k``, attention before and after.

    Patch pooling has no weights, so one model shows what it would keep at every ``k``. The paper
    does not say whether it trained a model for each.

    Args:
        config: Config of a model with pooling.
        checkpoint: Its weights.
        baseline: Config and checkpoint of a model without pooling. By default (None) it is the
            same model while nothing is pooled.
        keep_nums: See :class:`AttentionRows`. Default: the paper's 160, 120 and 80 of 196, in
            proportion to the grid of the model.
        num: Faces, spread evenly over the test set of ``config``. Default 6.
        images: Files with aligned faces to show instead. Default: none.
        heads: How attention heads are joined, ``'mean'`` (default) or ``'max'``.
        cfg_options: ``KEY=VALUE`` settings that override ``config``, not that of the baseline.
        device: Where the models run. Default ``'cpu'``.
        title: Headline. Default (None): the name of the config; ``''`` for none.

    Returns:
        A figure that belongs to no window.

    Raises:
        FileNotFoundError: A config or checkpoint is not there.
        ValueError: A checkpoint is one of another model, ``keep_nums`` do not fit the grid of
            patches, or the models take pictures of different sizes.
        UnreadableImageError: One of ``images`` cannot be read as a picture.
    """
    after = AttentionInspector.from_files(str(config), str(checkpoint), cfg_options, device)
    after.heads = heads
    before, methods = None, ('nothing pooled', 'pooled')
    if baseline is not None:
        before = AttentionInspector.from_files(*map(str, baseline), device=device)
        before.heads = heads
        # Names of configs begin with the method; copies in work folders may be called alike.
        methods = [Path(path).stem.split('_')[0] for path in (baseline[0], config)]
        if methods[0] == methods[1]:
            methods = ('baseline', 'pooled')
    inspector = AttentionRows(after, before, keep_nums)
    images = list(images)
    rows = inspector.inspect_files(images) if images else inspector.inspect_test_set(num)
    names = tuple(f'attention,\n{method}' for method in methods)
    return draw_attention(rows, names, Path(config).stem if title is None else title)
