# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""A model as a function from images to named tensors, the form that is exported."""

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

#: Output -> field of a data sample, for outputs that the head's ``predict`` stores unchanged.
_FIELDS = {
    'landmarks': 'pred_landmarks',
    'action_units': 'pred_au',
    'valence_arousal': 'pred_valence_arousal',
    'feature': 'feat',
}


class ExportError(RuntimeError):
    """A model cannot be exported, or its export gives other results."""


class Exportable(nn.Module):
    """A model whose only input is images, in the form that is exported.

    It is a copy in eval mode, with the branches of MobileOne and RepVGG merged, and without loss,
    data samples and prior encoders.

    Args:
        model (ImageClassifier): The model; it is not changed.
        size (tuple[int, int]): Height and width of the images.
        with_preprocessing (bool): If True, the input is ``images`` as OpenCV reads them, uint8
            ``(B, H, W, 3)`` in BGR, which are normalized like in the model's data preprocessor. If
            False, the input is ``input``, normalized float32 ``(B, 3, H, W)``. Defaults to False.

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

    def example(self) -> Tensor:
        """Return two black images, because exporters treat a batch size of 1 as a constant."""
        device = next(self.parameters()).device
        if self.with_preprocessing:
            return torch.zeros(2, *self.size, 3, dtype=torch.uint8, device=device)
        return torch.zeros(2, 3, *self.size, device=device)

    @torch.no_grad()
    def output_names(self) -> tuple[str, ...]:
        """Return the names of the outputs of :meth:`forward`, see :func:`compute_outputs`."""
        return tuple(self._outputs(self.example()))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images to the outputs, in the order of :meth:`output_names`."""
        return tuple(self._outputs(images).values())

    def _outputs(self, images: Tensor) -> dict[str, Tensor]:
        if self.with_preprocessing:
            images = network_inputs(self.model, images.permute(0, 3, 1, 2))
        return compute_outputs(self.model.head, self.model.extract_feat(images))


def network_inputs(model: nn.Module, images: Tensor) -> Tensor:
    """Run a model's data preprocessor on uint8 BGR images ``(B, 3, H, W)``; returns float32."""
    return model.data_preprocessor(dict(inputs=images))['inputs']


def compute_outputs(head: nn.Module, feats: Sequence[Tensor]) -> dict[str, Tensor]:
    """Compute the predictions of a head like its ``predict``, but without data samples.

    Args:
        head (nn.Module): The head in eval mode.
        feats (Sequence[Tensor]): Output of the neck; the last item is ``(B, C)`` or a map.

    Returns:
        Outputs by name, in this order; they depend on the head:

        ===================  =====================================================================
        ``scores``           probability of every class, (B, K), and
        ``logits``           the same before the softmax, (B, K)
        ``action_units``     probability of every unit, (B, A), of an ``ExpressionAUHead``
        ``valence_arousal``  (B, 2), -1 to 1, of a ``ValenceArousalHead`` or one inside the head
        ``feature``          embedding of a face, (B, C), of heads with ``with_feat``
        ``age``              years, (B,), within the head's ``age_range``
        ``landmarks``        (B, P, 2), x and y in pixels of the input, first pixel's center (0, 0)
        ===================  =====================================================================

    Raises:
        ExportError: The type of head is unknown.
    """
    if isinstance(head, AgeHead):
        return dict(age=head(feats).clamp(*head.age_range))
    if isinstance(head, LandmarkHead):
        return dict(landmarks=head(feats))
    if isinstance(head, ValenceArousalHead):
        return dict(valence_arousal=head(feats).clamp(-1, 1))
    if not isinstance(head, ClsHead):
        raise ExportError(
            f'the outputs of a {type(head).__name__} (model.head) are unknown; model.head must be '
            'a classification head of mmpretrain, an AgeHead, a LandmarkHead or a '
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
        data_samples (Sequence[DataSample]): One sample per row of the outputs.

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
    """Swin's window attention for exporters.

    mmpretrain computes the batch size from the number of windows, with a division and ``int()``.
    An exporter makes this a constant. The graph still accepts any batch size, but for sizes other
    than the traced one it mixes up windows of different images. This class needs no batch size.

    Args:
        given (ShiftWindowMSA): The original module; its submodules are shared, not copied.
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
        """Join windows ``(B * n, S, S, C)`` to feature maps ``(B, H, W, C)``."""
        rows, columns, channels = H // window_size, W // window_size, windows.shape[-1]
        x = windows.view(-1, rows, columns, window_size, window_size, channels)
        return x.transpose(2, 3).reshape(-1, H, W, channels)


def replace_window_attention(model: nn.Module) -> int:
    """Replace every window attention in a model, in place. The weights stay the same tensors.

    Returns:
        Number of replaced modules.
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
        lowest (tuple[int, int]): Lowest version that is supported.

    Raises:
        ExportError: PyTorch is too old.
    """
    if digit_version(torch.__version__) < lowest:
        raise ExportError(
            f'this needs torch >= {".".join(map(str, lowest))}, found {torch.__version__}. '
            'Checkpoints do not depend on it: use another environment'
        )
