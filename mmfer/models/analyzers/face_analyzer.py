# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable, Mapping, Sequence

from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmfer.checkpoint.state_dicts import take_prefix
from mmfer.registry import MODELS

from .prior_encoders import PriorEncoders

_STORED = 'priors.'


@MODELS.register_module()
class FaceAnalyzer(ImageClassifier):
    """Model of one facial task that learns from encoders of other tasks, with a KT-Adapter.

    In training, the frozen prior encoders process the same image as the canonical ``backbone``, and
    the neck uses their tokens. Only neck and head are trained. In inference, this is an
    ``ImageClassifier`` with a ``KTAdapter``: priors are neither built nor run, and their checkpoint
    files need not exist. Priors are built when training starts, in :meth:`init_weights`, or in the
    first call of :meth:`loss`.

    Weights are named ``backbone.*`` and ``head.*``, as in the baseline, and ``neck.*``. So
    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` can start from a baseline checkpoint.

    The neck can be any module with

    * ``tasks``, the names of all tasks, and ``prior_tasks``, the tasks that priors can have, both
      in a fixed order;
    * a call ``neck(feats, priors=None)``. ``feats`` is the output of the backbone, a tensor or a
      sequence whose last item is used: ``(B, C, H, W)``, ``(B, L, C)`` or ``(B, C)``. ``priors``
      maps some of ``prior_tasks`` to tokens ``(B, C_task)`` in float32, without gradient; it is
      omitted in inference. The neck returns a tuple; the head reads its last item.

    ``switch_to_deploy()`` and ``deploy`` are optional. They are MMPretrain's convention for
    exports.

    Note:
        All encoders share one normalization, the one of ``data_preprocessor``.

    Args:
        backbone (dict): The canonical encoder.
        neck (dict): A :class:`KTAdapter`, whose ``canonical`` is the task of the ``backbone``, or
            another neck with the interface above.
        head (dict): The decoder.
        priors (dict, optional): Prior encoders by task, ``dict(backbone=..., checkpoint=...)``
            each. ``checkpoint`` is the baseline of that task; with None, the ``init_cfg`` of the
            backbone is used. An entry for the canonical task is ignored, so the same dict works for
            every canonical task. Defaults to None, no priors.
        num_priors (int, optional): Use only the first ``num_priors`` priors, in the order of the
            neck's ``tasks``. Defaults to None, all.
        frozen (bool): Whether the canonical encoder is frozen, in eval mode. Defaults to True.
        save_priors (bool): Whether checkpoints contain the weights of the priors, as
            ``priors.TASK.*``, and resumed training loads them from there. Defaults to False.
        **kwargs: Arguments of ``ImageClassifier``: ``train_cfg``, ``data_preprocessor``,
            ``init_cfg``, …

    Raises:
        TypeError: The neck has no ``tasks`` or ``prior_tasks``, or an entry of ``priors`` is not a
            dict with a ``backbone``.
        ValueError: ``priors`` contains an unknown task, or ``num_priors`` is out of its range.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict | None = None,
        priors: Mapping[str, Mapping] | None = None,
        num_priors: int | None = None,
        frozen: bool = True,
        save_priors: bool = False,
        **kwargs,
    ):
        super().__init__(backbone, neck, head, **kwargs)
        if not (hasattr(self.neck, 'tasks') and hasattr(self.neck, 'prior_tasks')):
            raise TypeError(
                f'model.neck of a FaceAnalyzer must be a KTAdapter or another neck with tasks and '
                f'prior_tasks, got {type(self.neck).__name__}; without one, use an ImageClassifier'
            )
        #: Configs of the priors in use, by task, in the order of the neck.
        self.prior_configs = self._select_priors(priors or {}, num_priors)
        #: The prior encoders, None until training starts.
        self.priors: PriorEncoders | None = None
        #: Used instead of ``priors``, with the same signature, if their tokens are cached.
        self.prior_cache: Callable[[Tensor, Sequence], Mapping[str, Tensor]] | None = None
        self.frozen = frozen
        self.save_priors = save_priors
        if frozen:
            self.backbone.requires_grad_(False)
            self.backbone.eval()

    def _select_priors(self, priors: Mapping[str, Mapping], num_priors: int | None) -> dict:
        unknown = sorted(set(priors) - set(self.neck.tasks))
        if unknown:
            raise ValueError(
                f'model.priors has unknown tasks {unknown}; the tasks are {self.neck.tasks} '
                '(model.neck.tasks)'
            )
        for task, config in priors.items():
            if not isinstance(config, Mapping) or not isinstance(config.get('backbone'), Mapping):
                raise TypeError(
                    f'model.priors.{task} must be dict(backbone=dict(type=...), checkpoint=...), '
                    f'got {config!r}'
                )
        given = [task for task in self.neck.prior_tasks if task in priors]
        if num_priors is not None and not 0 <= num_priors <= len(given):
            raise ValueError(
                f'model.num_priors must be from 0 to {len(given)}, the number of priors given '
                f'({given}), got {num_priors}'
            )
        return {task: priors[task] for task in given[:num_priors]}

    def init_weights(self) -> None:
        """Initialize the trained parts, then build the priors.

        MMEngine calls this method for training only.
        """
        super().init_weights()
        if self.prior_cache is None:
            self.build_priors()

    def build_priors(self) -> PriorEncoders:
        """Build the prior encoders and load their weights, unless they exist already."""
        if self.priors is None:
            self.priors = PriorEncoders(self.prior_configs, next(self.parameters()).device)
        return self.priors

    def train(self, mode: bool = True) -> 'FaceAnalyzer':
        """Set the mode; a frozen encoder, with its BatchNorm and DropPath, stays in eval mode."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def loss(self, inputs: Tensor, data_samples: Sequence) -> dict[str, Tensor]:
        """Compute the losses of a batch ``(B, 3, H, W)``, with the priors."""
        tokens_of = self.prior_cache or self.build_priors()
        feats = self.extract_feat(inputs, stage='backbone')
        feats = self.neck(feats, tokens_of(inputs, data_samples))
        return self.head.loss(feats, data_samples)

    # Both PyTorch and MMEngine's own loader save and load through these two methods.

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.save_priors and self.priors is not None:
            for name, value in self.priors.state_dict().items():
                destination[prefix + _STORED + name] = value

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Always removed, so that a checkpoint with priors loads into a model without, and vice
        # versa.
        stored = take_prefix(state_dict, prefix + _STORED)
        for name in stored:
            del state_dict[prefix + _STORED + name]
        if self.save_priors and self.priors is not None:
            self.priors.load_state_dict(stored)
        super()._load_from_state_dict(state_dict, prefix, *args)
