# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from mmengine.model.weight_init import trunc_normal_
from torch import Tensor, nn

from mmfer.registry import MODELS
from mmfer.tasks import TASKS
from mmfer.utils.checks import check_count

from ..layers.drop_masks import DROP_SCHEMES, draw_kept, draw_kept_count, draw_kept_together
from ..layers.feature_tokens import last_map, pad_token, pool_feature
from ..layers.folded_transfer import FoldedTransfer
from ..layers.knowledge_transfer import NORM_PLACES, KnowledgeTransfer

#: Where the rows are added: to the pooled feature, or to every position of the feature map.
FUSIONS = ('pooled', 'map')


@MODELS.register_module()
class KTAdapter(BaseModule):
    """Neck that adds knowledge from encoders of other tasks to a feature (KT-Adapter, Section 3).

    The canonical feature is pooled to a token. It attends to the tokens of the prior encoders and
    to a learnable knowledge token, see :class:`KnowledgeTransfer`. The knowledge row and the
    canonical row of the output are then added to the canonical feature map, the input of the
    decoder. In training, priors are dropped at random, so that the model learns to work without
    them. Inference uses no priors.

    A decoder that starts by averaging the map, such as a light MLP, can average first:
    ``GAP(map + k + c) = GAP(map) + k + c``. So by default no map is computed. With
    ``fusion='map'`` the rows are added to every position, for decoders that need the map.

    Note:
        Our choices where the paper is silent: the mask keeps a prior if ``u > drop_threshold``;
        kept priors are not rescaled; order of norm and residual; number of heads; FFN ratio 3,
        which matches the published 21.02 MFLOPs at width 1024. The paper's "position embedding"
        depends on the task of an encoder, so it is called task embedding here.

    Args:
        embed_dims (int): Token width. Narrower encoders are padded with zeros on the right, wider
            ones are an error. Defaults to 1024.
        tasks (Sequence[str]): All tasks, in the order of the task embeddings and of ``num_priors``.
            Defaults to ``mmfer.tasks.TASKS``.
        canonical (str): Task of the canonical encoder, one of ``tasks``. Defaults to 'expression'.
        num_heads (int): Attention heads, a divisor of ``embed_dims``. Defaults to 8.
        ffn_ratio (float): Hidden width of the FFN, as a multiple of ``embed_dims``. Defaults to 3.
        drop_threshold (float): Probability that a prior is dropped, 0 to 1. Defaults to 0.5.
        drop_mask (bool): Whether priors are dropped in training. Defaults to True.
        drop_scheme (str): 'independent' draws ``u`` for each sample and prior; 'together' draws one
            ``u`` per sample, so that all of its priors are kept or none; 'count' keeps ``num_kept``
            priors per sample and ignores the threshold. Defaults to 'independent'.
        num_kept (int): Priors kept by 'count', from 0 to the number of priors. Defaults to 1.
        canonical_mask (bool): Whether only the knowledge row and the canonical row are kept after
            the attention. Defaults to True.
        task_embedding (bool): Whether to add a learnable embedding of its task to the token of each
            encoder. Defaults to False.
        fusion (str): 'pooled' adds the rows to the pooled feature and returns ``(B, C)``; 'map'
            adds them to every position and returns ``(B, C, H, W)``, which needs a backbone that
            returns a feature map. Defaults to 'pooled'.
        num_layers (int): Number of transformer blocks. Defaults to 1.
        num_knowledge (int): Number of knowledge tokens; their rows are averaged. Defaults to 1.
        norm (str): 'post' normalizes after attention and FFN, 'pre' before them. Defaults to
            'post'.
        act_cfg (dict): Activation of the FFN. Defaults to GELU.
        init_scale (float): Initial weight of the last layer norm. With 0 both rows are 0 at first,
            so training starts with the predictions of the encoder without adapter, as with the zero
            convolutions of ControlNet. The paper does not mention it. Defaults to 1.
        deploy (bool): Build the inference form, see :meth:`switch_to_deploy`. Defaults to False.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        embed_dims: int = 1024,
        tasks: Sequence[str] = TASKS,
        canonical: str = 'expression',
        num_heads: int = 8,
        ffn_ratio: float = 3,
        drop_threshold: float = 0.5,
        drop_mask: bool = True,
        drop_scheme: str = 'independent',
        num_kept: int = 1,
        canonical_mask: bool = True,
        task_embedding: bool = False,
        fusion: str = 'pooled',
        num_layers: int = 1,
        num_knowledge: int = 1,
        norm: str = 'post',
        act_cfg: dict = {'type': 'GELU'},  # noqa: B006  a config, never changed
        init_scale: float = 1.0,
        deploy: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        tasks = tuple(tasks)
        if len(set(tasks)) != len(tasks):
            raise ValueError(f'model.neck.tasks lists a task twice: {tasks}')
        if canonical not in tasks:
            raise ValueError(f'model.neck.canonical must be one of {tasks}, got {canonical!r}')
        if num_heads < 1 or embed_dims % num_heads:
            raise ValueError(
                f'model.neck.num_heads must divide model.neck.embed_dims, {embed_dims}; got '
                f'{num_heads}'
            )
        if not 0 <= drop_threshold <= 1:
            raise ValueError(f'model.neck.drop_threshold must be from 0 to 1, got {drop_threshold}')
        if ffn_ratio <= 0:
            raise ValueError(f'model.neck.ffn_ratio must be above 0, got {ffn_ratio}')
        for name, value, allowed in (
            ('fusion', fusion, FUSIONS),
            ('norm', norm, NORM_PLACES),
            ('drop_scheme', drop_scheme, DROP_SCHEMES),
        ):
            if value not in allowed:
                raise ValueError(f'model.neck.{name} must be one of {allowed}, got {value!r}')
        check_count('model.neck.num_layers', num_layers)
        check_count('model.neck.num_knowledge', num_knowledge)
        check_count('model.neck.num_kept', num_kept, least=0)
        if drop_scheme == 'count' and num_kept >= len(tasks):
            raise ValueError(
                f'model.neck.num_kept must be from 0 to {len(tasks) - 1}, the number of priors; '
                f'got {num_kept}'
            )
        self.embed_dims = embed_dims
        self.tasks = tasks
        self.canonical = canonical
        self.drop_threshold = drop_threshold
        self.drop_mask = drop_mask
        self.drop_scheme = drop_scheme
        self.num_kept = num_kept
        self.fusion = fusion
        self.transfer = KnowledgeTransfer(
            embed_dims,
            num_heads,
            ffn_ratio,
            canonical_mask,
            init_scale,
            num_layers,
            num_knowledge,
            norm,
            act_cfg,
        )
        self.task_embedding = None
        if task_embedding:
            self.task_embedding = nn.Parameter(torch.zeros(len(tasks), embed_dims))
            trunc_normal_(self.task_embedding, std=0.02)
        self.deploy = False
        if deploy:
            self.switch_to_deploy()

    @property
    def prior_tasks(self) -> tuple[str, ...]:
        """All tasks but the canonical one, in their order."""
        return tuple(task for task in self.tasks if task != self.canonical)

    def forward(
        self, feats: Tensor | Sequence[Tensor], priors: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor]:
        """Adapt the canonical feature.

        Args:
            feats (Tensor | Sequence[Tensor]): Output of the canonical encoder; of several features
                the last one is used. Shape ``(B, C, H, W)``, ``(B, L, C)`` or ``(B, C)``, with
                ``C <= embed_dims``; ``fusion='map'`` needs ``(B, C, H, W)``.
            priors (Mapping[str, Tensor], optional): Prior tokens by task, ``(B, C_task)`` each,
                ``C_task <= embed_dims``. The order of the dict is ignored. Defaults to None, no
                priors, as in inference.

        Returns:
            tuple: One tensor, ``(B, C)``; with ``fusion='map'`` ``(B, C, H, W)``.

        Raises:
            ValueError: An encoder is wider than ``embed_dims``; the task of a prior is unknown or
                the canonical one; priors are given after :meth:`switch_to_deploy`; with
                ``fusion='map'`` the encoder does not return a map.
        """
        spatial = last_map(feats) if self.fusion == 'map' else None
        feature = pool_feature(feats)
        if self.deploy and priors:
            raise ValueError(
                f'a KTAdapter with deploy=True accepts no prior tokens, got {sorted(priors)}; '
                'set model.neck.deploy to False'
            )
        priors = self._ordered(priors or {})
        canonical = self._token(self.canonical, feature)
        if isinstance(self.transfer, FoldedTransfer):
            rows = self.transfer(canonical)
        else:
            tokens = [self._token(task, token) for task, token in priors.items()]
            kept = None
            if tokens and self.training and self.drop_mask:
                kept = self._draw_kept(len(feature), len(tokens), feature.device)
            stacked = torch.stack(tokens, 1) if tokens else canonical[:, None][:, :0]
            rows = self.transfer(canonical, stacked, kept)
        # Remove the padding.
        knowledge, adapted = (row[:, : feature.shape[1]] for row in rows)
        if spatial is None:
            return (feature + knowledge + adapted,)
        return (spatial + (knowledge + adapted)[:, :, None, None],)

    def switch_to_deploy(self) -> None:
        """Precompute everything that depends on the knowledge token alone, for inference.

        Without priors the output stays the same, up to rounding, see :class:`FoldedTransfer`.
        Calling the adapter with priors is then an error. With several blocks or knowledge tokens,
        or with ``norm='pre'``, little can be precomputed, and the weights stay as they are.
        """
        transfer = self.transfer
        self.deploy = True
        if not FoldedTransfer.can_replace(transfer):
            return
        attn, hidden = transfer.attn, transfer.ffn.feedforward_channels
        folded = FoldedTransfer(attn.embed_dims, attn.num_heads, hidden, transfer.act_cfg)
        self.transfer = folded.to(attn.qkv.weight).train(self.training).take_over(transfer)

    def _draw_kept(self, num_samples: int, num_priors: int, device: torch.device) -> Tensor:
        """Draw the drop mask, bool ``(B, P)``, True for kept priors."""
        size = (num_samples, num_priors)
        if self.drop_scheme == 'count':
            return draw_kept_count(*size, self.num_kept, device)
        draw = draw_kept_together if self.drop_scheme == 'together' else draw_kept
        return draw(*size, self.drop_threshold, device)

    def _ordered(self, priors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sort the priors in the order of ``tasks``."""
        wrong = sorted(set(priors) - set(self.prior_tasks))
        if wrong:
            raise ValueError(
                f'got prior tokens of {wrong}; with model.neck.canonical='
                f'{self.canonical!r} the priors are {self.prior_tasks}'
            )
        return {task: priors[task] for task in self.prior_tasks if task in priors}

    def _token(self, task: str, token: Tensor) -> Tensor:
        """Pad a token to ``(B, embed_dims)`` and add the embedding of its task."""
        token = pad_token(token, self.embed_dims, f'the encoder of {task!r}')
        if self.task_embedding is None:
            return token
        return token + self.task_embedding[self.tasks.index(task)]
