# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest

from mmfer.visualization.encoder_costs import EncoderCost, draw_encoder_costs


def costs_of(name, gflops=2.0, seconds=0.125):
    ensembles = [EncoderCost(name, n, False, n * gflops, n * 5.0, n * seconds) for n in (1, 2, 3)]
    return [*ensembles, EncoderCost(name, 1, True, 1.1 * gflops, 6.0, 1.5 * seconds)]


def test_a_column_for_each_encoder_and_a_bar_for_each_cost():
    first, second = costs_of('M'), costs_of('C', gflops=200)
    figure = draw_encoder_costs([*second, *first[::-1]], 'costs')
    assert figure.get_suptitle() == 'costs'
    assert [axes.get_title() for axes in figure.axes] == ['C', 'M', '', '']
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights[0] == pytest.approx([200, 400, 600, 220])
    assert heights[1] == pytest.approx([2, 4, 6, 2.2])
    for times in heights[2:]:
        assert times == pytest.approx([125, 250, 375, 187.5])
    for axes in figure.axes:
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == ['1', '2', '3', '1 +\nadapter']
        *ensembles, adapter = [bar.get_facecolor() for bar in axes.patches]
        assert len(set(ensembles)) == 1 and adapter not in ensembles
    marks = [text.get_text() for text in figure.axes[1].texts]
    assert marks == ['2\nx1.00', '4\nx2.00', '6\nx3.00', '2.2\nx1.10']


@pytest.mark.parametrize('names', ['', 'abcde'])
def test_one_to_four_encoders(names):
    with pytest.raises(ValueError, match=f'{len(names)} encoders'):
        draw_encoder_costs([cost for name in names for cost in costs_of(name)])
