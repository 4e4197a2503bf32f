# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What is exported: a model as a function from images to named tensors."""

import copy
from collections.abc import Mapping, Sequence

import torch
from mmengine.utils import digit_version
from mmpretrain.models import ImageClassifier
from mmpretrain.models.heads import ClsHead
from mmpretrain.models.utils import ShiftWindowMSA
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmfer.evaluation.finite_predictions import check_predictions
from mmfer.models.heads import AgeHead, ExpressionAUHead, LandmarkHead, ValenceArousalHead
from mmfer.models.layers.feature_tokens import pool_feature
from mmfer.utils.reparameterize import merge_branches

#: Output -> field of a data sample, where the head's ``predict`` writes it as it is.
_FIELDS = {
    'landmarks': 'pred_landmarks',
    'action_units': 'pred_au',
    'valence_arousal': 'pred_valence_arousal',
    'feature': 'feat',
}


class ExportError(RuntimeError):
    """A model cannot be exported, or what was exported is not the model."""


class Exportable(nn.Module):
    """A model as a function of images alone, in the form that is exported.

    It is a copy, in eval mode, with the branches of MobileOne and RepVGG merged; it has no loss, no
    data samples and no prior encoders.

    Args:
        model (ImageClassifier): Left as it is.
        size (tuple[int, int]): Height and width of its images.
        with_preprocessing (bool): Whether it takes ``images`` as OpenCV reads them, uint8
            ``(B, H, W, 3)`` in BGR, and normalizes them as the model's data preprocessor does; or
            ``input``, ``(B, 3, H, W)`` float32 that is normalized. Defaults to False, the latter.

    Raises:
        ExportError: A pooling of the model selects at random.
    """

    def __init__(
        self, model: ImageClassifier, size: tuple[int, int], with_preprocessing: bool = False
    ):
        super().__init__()
        for name, module in model.named_modules():
            if getattr(module, 'criterion', None) == 'random':
                raise ExportError(
                    f'{name} selects patches at random (criterion), which an exported model cannot '
                    'repeat; export a model with another criterion'
                )
        self.model = copy.deepcopy(model)
        self.model.eval()
        merge_branches(self.model)
        replace_window_attention(self.model)
        self.size = tuple(size)
        self.with_preprocessing = with_preprocessing
        self.eval()

    @property
    def input_name(self) -> str:
        return 'images' if self.with_preprocessing else 'input'

    def example(self, batch: int = 2) -> Tensor:
        """Black images of the right shape; two, as exporters take a 1 for a constant."""
        device = next(self.parameters()).device
        if self.with_preprocessing:
            return torch.zeros(batch, *self.size, 3, dtype=torch.uint8, device=device)
        return torch.zeros(batch, 3, *self.size, device=device)

    @torch.no_grad()
    def output_names(self) -> tuple[str, ...]:
        """Names of what :meth:`forward` returns, see :func:`compute_outputs`."""
        return tuple(self._outputs(self.example()))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images to the outputs, in the order of :meth:`output_names`."""
        return tuple(self._outputs(images).values())

    def _outputs(self, images: Tensor) -> dict[str, Tensor]:
        if self.with_preprocessing:
            images = network_inputs(self.model, images.permute(0, 3, 1, 2))
        return compute_outputs(self.model.head, self.model.extract_feat(images))


def network_inputs(model: nn.Module, images: Tensor) -> Tensor:
    """What a model's data preprocessor makes of uint8 BGR images ``(B, 3, H, W)``: float32."""
    return model.data_preprocessor(dict(inputs=images))['inputs']


def compute_outputs(head: nn.Module, feats: Sequence[Tensor]) -> dict[str, Tensor]:
    """What a head predicts of features, as its ``predict`` does, without data samples.

    Args:
        head (nn.Module): In eval mode.
        feats (Sequence[Tensor]): What the neck returns, the last item is ``(B, C)`` or a map.

    Returns:
        The first decides; by kind of head:

        ===================  =====================================================================
        ``scores``           probability of every class, (B, K), and
        ``logits``           the same before the softmax, (B, K)
        ``action_units``     probability of every unit, (B, A), of an ``ExpressionAUHead``
        ``valence_arousal``  both, (B, 2), -1 to 1, of a ``ValenceArousalHead``, alone or beside it
        ``feature``          what faces are compared by, (B, C), of heads with ``with_feat``
        ``age``              years, (B,), within the head's ``age_range``
        ``landmarks``        (B, P, 2), x and y in pixels of the input, first pixel's center (0, 0)
        ===================  =====================================================================

    Raises:
        ExportError: The head is of another kind.
    """
    if isinstance(head, AgeHead):
        return dict(age=head(feats).clamp(*head.age_range))
    if isinstance(head, LandmarkHead):
        return dict(landmarks=head(feats))
    if isinstance(head, ValenceArousalHead):
        return dict(valence_arousal=head(feats).clamp(-1, 1))
    if not isinstance(head, ClsHead):
        raise ExportError(
            f'it is not known what a {type(head).__name__} (model.head) predicts; a head is a '
            'classification head of mmpretrain, an AgeHead, a LandmarkHead or a '
            'ValenceArousalHead'
        )
    logits = head(feats)
    outputs = dict(scores=logits.softmax(dim=1), logits=logits)
    if isinstance(head, ExpressionAUHead):
        if head.num_units:
            outputs['action_units'] = head.au_logits(feats).sigmoid()
        if head.valence_arousal is not None:
            outputs.update(compute_outputs(head.valence_arousal, feats))
    if getattr(head, 'with_feat', False):
        outputs['feature'] = pool_feature(feats)
    return outputs


def store_outputs(outputs: Mapping[str, Tensor], data_samples: Sequence[DataSample]) -> None:
    """Write outputs into data samples, in the fields that a head's ``predict`` writes.

    Args:
        outputs (Mapping[str, Tensor]): See :func:`compute_outputs`; ``logits`` are not needed.
        data_samples (Sequence[DataSample]): As many as there are rows.

    Raises:
        NonFinitePredictionError: An output is NaN or infinite.
    """
    for index, sample in enumerate(data_samples):
        row = {name: value[index] for name, value in outputs.items()}
        if 'scores' in row:
            sample.set_pred_score(row['scores']).set_pred_label(row['scores'].argmax())
        if 'age' in row:
            sample.set_field(row['age'].item(), 'pred_age')
        for name, field in _FIELDS.items():
            if name in row:
                sample.set_field(row[name], field)
    check_predictions(data_samples)


class TraceableWindowAttention(ShiftWindowMSA):
    """Swin's attention, for exporters.

    mmpretrain computes the batch size from the number of windows, with a division and ``int()``.
    To an exporter that is a constant, and the graph, which accepts any batch, mixes up windows of
    different images for all but the one it was traced with. Here no batch size is needed.

    Args:
        given (ShiftWindowMSA): Whose parts are used, not copied.
    """

    def __init__(self, given: ShiftWindowMSA):
        super().__init__(
            given.w_msa.embed_dims,
            given.w_msa.num_heads,
            given.window_size,
            given.shift_size,
            pad_small_map=given.pad_small_map,
        )
        self.w_msa = given.w_msa
        self.drop = given.drop

    @staticmethod
    def window_reverse(windows: Tensor, H: int, W: int, window_size: int) -> Tensor:
        """Put windows ``(B * n, S, S, C)`` together to maps ``(B, H, W, C)``."""
        rows, columns, channels = H // window_size, W // window_size, windows.shape[-1]
        x = windows.view(-1, rows, columns, window_size, window_size, channels)
        return x.transpose(2, 3).reshape(-1, H, W, channels)


def replace_window_attention(model: nn.Module) -> int:
    """Replace every window attention in a model, in place; the weights stay the same tensors.

    Returns:
        How many there were.
    """
    places = [
        (parent, name, part)
        for parent in model.modules()
        for name, part in parent.named_children()
        if type(part) is ShiftWindowMSA
    ]
    for parent, name, part in places:
        setattr(parent, name, TraceableWindowAttention(part).train(part.training))
    return len(places)


def require_torch(lowest: tuple[int, int]) -> None:
    """Check PyTorch's version.

    Args:
        lowest (tuple[int, int]): What an exporter needs.

    Raises:
        ExportError: It is too old.
    """
    if digit_version(torch.__version__) < lowest:
        raise ExportError(
            f'this needs torch >= {".".join(map(str, lowest))}, found {torch.__version__}. '
            'Checkpoints do not depend on it: use another environment'
        )
