# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import numpy as np
from matplotlib import colormaps

from mmfer.visualization.local_maps import LocalMapRow, draw_local_maps


def row(low, high, **fields):
    return LocalMapRow(
        image=np.full((32, 32, 3), 90, np.uint8),
        weights=np.linspace(low, high, 16).reshape(4, 4),
        kept=np.arange(8),
        grid=(4, 4),
        **fields,
    )


def test_maps_have_one_scale_and_dropped_patches_fade():
    figure = draw_local_maps([row(0.2, 0.6, truth='Fear'), row(0.4, 0.8)], 'faces')
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert [panel.get_title() for panel in panels[:3]][2] == 'APP:\nk = 8 of 16'
    assert panels[0].get_xlabel() == 'Fear' and panels[3].get_xlabel() == ''
    bar = next(axes for axes in figure.axes if 'weight' in axes.get_ylabel())
    np.testing.assert_allclose(bar.get_ylim(), (0.2, 0.8))
    gray = 0.25 + 0.75 * 90 / 255
    for panel, corner in ((panels[1], 0.0), (panels[4], 1 / 3)):
        drawn = panel.get_images()[0].get_array()
        wanted = 0.6 * np.array(colormaps['viridis'](corner)[:3]) + 0.4 * gray
        np.testing.assert_allclose(drawn[0, 0], wanted, atol=0.01)
        assert (drawn[:8, :8] == drawn[0, 0]).all()
    kept = panels[2].get_images()[0].get_array()
    assert (kept[:16] == 90).all() and (kept[16:] > 220).all()
