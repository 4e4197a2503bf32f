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

#: Where the rows are added: to the average over all places, or to every place.
FUSIONS = ('pooled', 'map')


@MODELS.register_module()
class KTAdapter(BaseModule):
    """Adds to a feature what a learned token took over from encoders of other tasks (Section 3).

    The canonical feature, pooled to a token, and the tokens of the prior encoders attend to each
    other and to a learnable knowledge token, see :class:`KnowledgeTransfer`. The knowledge row and
    the canonical row are added to the canonical map, which the decoder reads. In training, priors
    are dropped at random, so that the net learns to do without them; in inference there are none.

    A decoder that begins by averaging the map, as a light MLP does, gets the same where the average
    is taken first: ``GAP(map + k + c) = GAP(map) + k + c``. So by default no map is made. With
    ``fusion='map'`` the rows are added to every place, for decoders that read the map.

    Note:
        Where the paper is silent: the mask keeps a prior where ``u > drop_threshold``; what is kept
        is not rescaled; order of norm and residual; number of heads; the FFN ratio, 3, is the one
        that costs the published 21.02 MFLOPs at width 1024. Its "position embedding" belongs to the
        encoders' tasks, hence the name here.

    Args:
        embed_dims (int): Token width. Narrower encoders are padded with zeros on the right, wider
            ones are an error. Defaults to 1024.
        tasks (Sequence[str]): All tasks; their order is that of the task embeddings and of
            ``num_priors``. Defaults to ``mmfer.tasks.TASKS``.
        canonical (str): The task of the encoder that stays, one of ``tasks``. Defaults to
            'expression'.
        num_heads (int): Attention heads, a divisor of ``embed_dims``. Defaults to 8.
        ffn_ratio (float): Hidden width of the FFN, in units of ``embed_dims``. Defaults to 3.
        drop_threshold (float): Share of priors that the drop mask removes, 0 to 1. Defaults to 0.5.
        drop_mask (bool): Whether priors are dropped in training. Defaults to True.
        drop_scheme (str): 'independent' draws ``u`` for each sample and prior, 'together' one ``u``
            a sample, so that all of its priors stay or none; 'count' keeps ``num_kept`` of each
            sample, whatever the threshold. Defaults to 'independent'.
        num_kept (int): For 'count', from 0 to the number of priors. Defaults to 1.
        canonical_mask (bool): Whether only the knowledge row and the canonical one go on after the
            attention. Defaults to True.
        task_embedding (bool): Whether a learnable vector for its task is added to each encoder's
            token. Defaults to False.
        fusion (str): 'pooled' adds the rows to the average of the feature and gives ``(B, C)``;
            'map' adds them to every place of it and gives ``(B, C, H, W)``, which needs a backbone
            that gives a map. Defaults to 'pooled'.
        num_layers (int): Transformer blocks. Defaults to 1.
        num_knowledge (int): Knowledge tokens; their rows are averaged. Defaults to 1.
        norm (str): 'post' normalizes after attention and FFN, 'pre' before them. Defaults to
            'post'.
        act_cfg (dict): Activation of the FFN. Defaults to GELU.
        init_scale (float): Initial weight of the last layer norm. With 0 the adapter starts as the
            identity (both rows are 0), so the first predictions are those of the encoder without
            it, as with the zero convolutions of ControlNet. The paper says nothing of it. Defaults
            to 1.
        deploy (bool): Build the form for inference, see :meth:`switch_to_deploy`. Defaults to
            False.
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
            raise ValueError(f'model.neck.tasks names a task twice: {tasks}')
        if canonical not in tasks:
            raise ValueError(f'model.neck.canonical must be one of {tasks}, got {canonical!r}')
        if num_heads < 1 or embed_dims % num_heads:
            raise ValueError(
                f'model.neck.num_heads must divide model.neck.embed_dims, {embed_dims}; got '
                f'{num_heads}'
            )
        if not 0 <= drop_threshold <= 1:
            raise ValueError(
                f'model.neck.drop_threshold is a share from 0 to 1, got {drop_threshold}'
            )
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
            feats (Tensor | Sequence[Tensor]): Output of the canonical encoder. The last item
                counts: ``(B, C, H, W)``, ``(B, L, C)`` or ``(B, C)``, with ``C <= embed_dims``;
                with ``fusion='map'`` only the first.
            priors (Mapping[str, Tensor], optional): The prior tokens by task, ``(B, C_task)`` each,
                ``C_task <= embed_dims``. The order of the dict has no meaning. None or ``{}``:
                none, as in inference.

        Returns:
            tuple: One tensor, ``(B, C)``; with ``fusion='map'`` ``(B, C, H, W)``.

        Raises:
            ValueError: An encoder is wider than ``embed_dims``; a prior's task is unknown or is the
                canonical one; there are priors after :meth:`switch_to_deploy`; with
                ``fusion='map'`` the encoder gives no map.
        """
        spatial = last_map(feats) if self.fusion == 'map' else None
        feature = pool_feature(feats)
        if self.deploy and priors:
            raise ValueError(
                f'a KTAdapter with deploy=True takes no prior tokens, got {sorted(priors)}; '
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
        # What was padded is cut off again.
        knowledge, adapted = (row[:, : feature.shape[1]] for row in rows)
        if spatial is None:
            return (feature + knowledge + adapted,)
        return (spatial + (knowledge + adapted)[:, :, None, None],)

    def switch_to_deploy(self) -> None:
        """Fold all that only depends on the knowledge token into constants, for inference.

        What the adapter gives without priors stays the same but for rounding, see
        :class:`FoldedTransfer`; with priors it cannot be called any more. With several blocks or
        knowledge tokens, or with ``norm='pre'``, little is constant and the weights stay as they
        are.
        """
        transfer = self.transfer
        self.deploy = True
        if not FoldedTransfer.can_replace(transfer):
            return
        attn, hidden = transfer.attn, transfer.ffn.feedforward_channels
        folded = FoldedTransfer(
            attn.embed_dims, attn.num_heads, hidden / attn.embed_dims, transfer.act_cfg
        )
        self.transfer = folded.to(attn.qkv.weight).train(self.training).take_over(transfer)

    def _draw_kept(self, num_samples: int, num_priors: int, device: torch.device) -> Tensor:
        """The drop mask, bool ``(B, P)``, True where a prior stays."""
        size = (num_samples, num_priors)
        if self.drop_scheme == 'count':
            return draw_kept_count(*size, self.num_kept, device)
        draw = draw_kept_together if self.drop_scheme == 'together' else draw_kept
        return draw(*size, self.drop_threshold, device)

    def _ordered(self, priors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The priors in the order of the tasks, whatever order they come in."""
        wrong = sorted(set(priors) - set(self.prior_tasks))
        if wrong:
            raise ValueError(
                f'there are prior tokens of {wrong}; with model.neck.canonical='
                f'{self.canonical!r} the priors are {self.prior_tasks}'
            )
        return {task: priors[task] for task in self.prior_tasks if task in priors}

    def _token(self, task: str, token: Tensor) -> Tensor:
        """A token at full width ``(B, embed_dims)``, marked with its task."""
        token = pad_token(token, self.embed_dims, f'the encoder of {task!r}')
        if self.task_embedding is None:
            return token
        return token + self.task_embedding[self.tasks.index(task)]
