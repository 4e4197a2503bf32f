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
    """An encoder of one facial task that learns, by a KT-Adapter, from encoders of other tasks.

    In training, the frozen prior encoders see the image that the canonical ``backbone`` sees, and
    the neck takes in their tokens. Only neck and head learn. In inference this is an
    ``ImageClassifier`` with a ``KTAdapter``: priors are neither run nor built, and the files they
    come from need not exist. They are built when training begins, in :meth:`init_weights`, or else
    with the first :meth:`loss`.

    The names of the weights are those of the baseline, ``backbone.*`` and ``head.*``, and
    ``neck.*``; ``init_cfg=dict(type='Pretrained', checkpoint=...)`` therefore starts from it.

    The neck may be any module with

    * ``tasks``, names of all tasks, and ``prior_tasks``, those that ``priors`` may be of, both in
      their order;
    * a call ``neck(feats, priors=None)``. ``feats`` is what the backbone gives: a tensor or several
      of which the last counts, ``(B, C, H, W)``, ``(B, L, C)`` or ``(B, C)``. ``priors`` is a dict
      from some of ``prior_tasks`` to tokens ``(B, C_task)`` in float32, without gradient; in
      inference it is left out. It returns a tuple, of which the head reads the last item.

    ``switch_to_deploy()`` and ``deploy`` are optional: MMPretrain's convention, for exports.

    Note:
        All encoders see one normalization, that of ``data_preprocessor``.

    Args:
        backbone (dict): The canonical encoder.
        neck (dict): A :class:`KTAdapter`, whose ``canonical`` says what task the ``backbone`` has,
            or another neck that is called in the same way, see above.
        head (dict): The decoder.
        priors (dict, optional): The prior encoders by task, ``dict(backbone=..., checkpoint=...)``
            each, where ``checkpoint`` is that of the task's baseline (or None: the backbone's own
            ``init_cfg`` counts). The canonical task may be among them and is left out, so one dict
            serves every canonical task. Defaults to None, no priors.
        num_priors (int, optional): Take the first so many of them, in the order of the neck's
            ``tasks``. Defaults to None, all.
        frozen (bool): Whether the canonical encoder stays as it is, in eval mode. Defaults to True.
        save_priors (bool): Whether checkpoints carry the priors' weights, as ``priors.TASK.*``, and
            resumed training takes them from there. Defaults to False.
        **kwargs: ``train_cfg``, ``data_preprocessor``, ``init_cfg``, … of ``ImageClassifier``.

    Raises:
        TypeError: The neck has no ``tasks`` and ``prior_tasks``, or an entry of ``priors`` is not a
            dict with a ``backbone``.
        ValueError: ``priors`` names an unknown task, or ``num_priors`` is out of its range.
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
                f'model.neck of a FaceAnalyzer is a KTAdapter or another neck with tasks and '
                f'prior_tasks, got {type(self.neck).__name__}; without one, use an ImageClassifier'
            )
        #: The priors in use, by task in the neck's order; what they are built from.
        self.prior_configs = self._choose(priors or {}, num_priors)
        #: The prior encoders, None until training begins.
        self.priors: PriorEncoders | None = None
        #: Stands in for ``priors``, with the same signature, where their tokens are known already.
        self.prior_cache: Callable[[Tensor, Sequence], Mapping[str, Tensor]] | None = None
        self.frozen = frozen
        self.save_priors = save_priors
        if frozen:
            self.backbone.requires_grad_(False)
            self.backbone.eval()

    def _choose(self, priors: Mapping[str, Mapping], num_priors: int | None) -> dict:
        unknown = sorted(set(priors) - set(self.neck.tasks))
        if unknown:
            raise ValueError(
                f'model.priors names {unknown}; the tasks are {self.neck.tasks} (model.neck.tasks)'
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
        """Initialize what learns, then build the priors. MMEngine calls it for training only."""
        super().init_weights()
        if self.prior_cache is None:
            self.build_priors()

    def build_priors(self) -> PriorEncoders:
        """Build the prior encoders and load their weights, unless they are there already."""
        if self.priors is None:
            self.priors = PriorEncoders(self.prior_configs, next(self.parameters()).device)
        return self.priors

    def train(self, mode: bool = True) -> 'FaceAnalyzer':
        """Set the mode; a frozen encoder stays in eval mode, with its BatchNorm and drop-path."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def loss(self, inputs: Tensor, data_samples: Sequence) -> dict[str, Tensor]:
        """Losses of a batch ``(B, 3, H, W)``, with the priors."""
        tokens_of = self.prior_cache or self.build_priors()
        feats = self.extract_feat(inputs, stage='backbone')
        feats = self.neck(feats, tokens_of(inputs, data_samples))
        return self.head.loss(feats, data_samples)

    # PyTorch and MMEngine, which has a loader of its own, both save and load through these two.

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.save_priors and self.priors is not None:
            for name, value in self.priors.state_dict().items():
                destination[prefix + _STORED + name] = value

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Taken out in any case: a checkpoint with priors fits a model that has none, and back.
        stored = take_prefix(state_dict, prefix + _STORED)
        for name in stored:
            del state_dict[prefix + _STORED + name]
        if self.save_priors and self.priors is not None:
            self.priors.load_state_dict(stored)
        super()._load_from_state_dict(state_dict, prefix, *args)
