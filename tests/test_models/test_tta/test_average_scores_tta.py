# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample

from mmfer.models.tta import AverageScoresTTA


class Parrot(BaseModel):
    """Predicts its inputs."""

    def forward(self, inputs, data_samples, mode):
        for sample, scores in zip(data_samples, inputs, strict=True):
            sample.set_pred_score(scores).set_pred_label(scores.argmax())
            sample.set_field(scores[:2], 'feat')
            sample.set_field(scores[1:], 'pred_au')
            sample.set_field(-scores[1:], 'pred_valence_arousal')
        return data_samples


def views_of(*scores):
    """A batch of one image with a view for each list of scores, like from the data loader."""
    return dict(
        inputs=[torch.tensor([row]) for row in scores],
        data_samples=[
            [DataSample(metainfo=dict(view=number)).set_gt_label(2)]
            for number in range(len(scores))
        ],
    )


def test_mean_of_scores_and_features_decides():
    # The first view predicts 0, the second 1, and their average 2.
    views = views_of([0.5, 0.1, 0.4], [0.1, 0.5, 0.4])
    (merged,) = AverageScoresTTA(Parrot()).test_step(views)
    torch.testing.assert_close(merged.pred_score, torch.tensor([0.3, 0.3, 0.4]))
    assert merged.pred_label.tolist() == [2], "not the first view's"
    torch.testing.assert_close(merged.feat, torch.tensor([0.3, 0.3]))
    torch.testing.assert_close(merged.pred_au, torch.tensor([0.3, 0.4]))
    torch.testing.assert_close(merged.pred_valence_arousal, torch.tensor([-0.3, -0.4]))
    assert merged.gt_label.tolist() == [2] and merged.view == 0


def test_one_view_stays_as_it_is():
    (merged,) = AverageScoresTTA(Parrot()).test_step(views_of([0.2, 0.7, 0.1]))
    assert merged.pred_score.tolist() == pytest.approx([0.2, 0.7, 0.1])
    assert merged.pred_label.tolist() == [1]


def test_predictions_without_scores_are_an_error():
    class Ages(BaseModel):
        head = torch.nn.Identity()

        def forward(self, inputs, data_samples, mode):
            for sample in data_samples:
                sample.set_field(31.0, 'pred_age')
            return data_samples

    message = r"model.head=Identity, predicts \['pred_age'\]; test it without --tta"
    with pytest.raises(TypeError, match=message):
        AverageScoresTTA(Ages()).test_step(views_of([0.5], [0.5]))
