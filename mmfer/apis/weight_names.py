# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Rename other projects' weights to mmfer's names.

There is one function per source: from the source's state dict, it returns the same tensors under
our names. A key that matches no rule keeps its name, and is reported as unexpected when the result
is compared with the model.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from mmfer.models.backbones import IRNet

_Rules = Sequence[tuple[str, str]]  # regular expressions and their replacements, in order

# face.evoLVe's residual unit is a Sequential: BN, convolution, PReLU, convolution, BN.
_IR = [
    (r'^(extractor\.)?input_layer\.', 'stem.'),
    (r'^extractor\.body\.(\d+)\.(\d+)\.', r'stages.\1.\2.'),
    (r'^(stages\.\d+\.\d+)\.res_layer\.0\.', r'\1.bn1.'),
    (r'^(stages\.\d+\.\d+)\.res_layer\.1\.', r'\1.conv1.'),
    (r'^(stages\.\d+\.\d+)\.res_layer\.2\.', r'\1.act.'),
    (r'^(stages\.\d+\.\d+)\.res_layer\.3\.', r'\1.conv2.'),
    (r'^(stages\.\d+\.\d+)\.res_layer\.4\.', r'\1.bn2.'),
    (r'^(stages\.\d+\.\d+)\.shortcut_layer\.', r'\1.shortcut.'),
]
# InsightFace's unit: BN, convolution, BN, PReLU, convolution, BN.
_IRESNET = [
    (r'^conv1\.', 'stem.0.'),
    (r'^bn1\.', 'stem.1.'),
    (r'^prelu\.', 'stem.2.'),
    (r'^(layer\d\.\d+)\.conv1\.', r'\1.conv1.0.'),
    (r'^(layer\d\.\d+)\.bn2\.', r'\1.conv1.1.'),
    (r'^(layer\d\.\d+)\.prelu\.', r'\1.act.'),
    (r'^(layer\d\.\d+)\.bn3\.', r'\1.bn2.'),
    (r'^(layer\d\.\d+)\.downsample\.', r'\1.shortcut.'),
    *((rf'^layer{stage + 1}\.', f'stages.{stage}.') for stage in range(4)),
]
_TIMM = [
    (r'^patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'^blocks\.(\d+)\.', r'layers.\1.'),
    (r'^norm\.', 'ln1.'),
    (r'^(layers\.\d+)\.norm([12])\.', r'\1.ln\2.'),
    (r'^(layers\.\d+)\.mlp\.fc1\.', r'\1.ffn.layers.0.0.'),
    (r'^(layers\.\d+)\.mlp\.fc2\.', r'\1.ffn.layers.1.'),
]
_LANET = [
    (r'LA_conv1\.', 'squeeze.'),
    (r'LA_conv2\.', 'score.'),
    (r'^attention\.las\.(\d+)\.', r'backbone.local.branches.\1.'),
    (r'^vit\.attn_f\.', 'backbone.app.lanet.'),
]


def _rename(key: str, rules: _Rules) -> str:
    for theirs, ours in rules:
        key = re.sub(theirs, ours, key)
    return key


def convert_by(
    our_name: Callable[[str], str], state_dict: Mapping[str, Tensor], omitted: tuple[str, ...]
) -> dict[str, Tensor]:
    """Rename all weights except those whose names start with one of ``omitted``.

    Raises:
        ValueError: Two weights get the same name, as in a file that mixes layouts.
    """
    converted = {}
    for key, value in state_dict.items():
        if key.startswith(omitted):
            continue
        name = our_name(key)
        if name in converted:
            raise ValueError(f'the file has {name} twice, once as {key}: it mixes two layouts')
        converted[name] = value
    return converted


def stage_of(name: str) -> int:
    """Return the number in ``stages.<number>.``, or -1."""
    found = re.match(r'stages\.(\d+)\.', name)
    return int(found[1]) if found else -1


def reshape_like(
    converted: Mapping[str, Tensor], model_state: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Reshape tensors to the model's shapes if only dimensions of size 1 differ.

    For example, a 1x1 convolution and a linear layer have the same numbers.

    Returns:
        tuple: The state dict, and one note per reshaped tensor.
    """
    state_dict, notes = dict(converted), []
    for key, value in converted.items():
        wanted = model_state[key].shape if key in model_state else value.shape
        same = [n for n in wanted if n != 1] == [n for n in value.shape if n != 1]
        if same and wanted != value.shape:
            state_dict[key] = value.reshape(wanted)
            notes.append(f'{key} {tuple(value.shape)} -> {tuple(wanted)}')
    return state_dict, notes


def convert_face_evolve(
    state_dict: Mapping[str, Tensor], depth: int = 50, num_stages: int = 3
) -> dict[str, Tensor]:
    """Convert an IR network of face.evoLVe (``input_layer``, ``body.<unit>``, ``output_layer``).

    The embedding layer and the units of later stages are omitted.

    Args:
        state_dict (Mapping): 349 keys for IR-50.
        depth (int): Depth of the network, for the number of units per stage. Defaults to 50.
        num_stages (int): Number of stages of the :class:`IRNet`. Defaults to 3.
    """
    places = [
        (stage, unit) for stage, units in enumerate(IRNet.UNITS[depth]) for unit in range(units)
    ]
    converted = {}
    for key, value in state_dict.items():
        if key.startswith('output_layer.'):
            continue
        if (found := re.match(r'body\.(\d+)\.', key)) and int(found[1]) < len(places):
            stage, unit = places[int(found[1])]
            if stage >= num_stages:
                continue
            key = f'stages.{stage}.{unit}.{key[found.end() :]}'
        converted[_rename(key, _IR)] = value
    return converted


def convert_iresnet(state_dict: Mapping[str, Tensor], num_stages: int = 3) -> dict[str, Tensor]:
    """Convert an iresnet of InsightFace's arcface_torch to an :class:`IRNet` of ``unit='iresnet'``.

    The layers after the last stage (``bn2``, ``fc``, ``features``) and later stages are omitted.

    Args:
        state_dict (Mapping): 475 keys for iresnet50, with ``num_batches_tracked``.
        num_stages (int): Number of stages of the :class:`IRNet`. Defaults to 3.

    Raises:
        ValueError: Two keys name the same weight.
    """
    embedding = ('bn2.', 'fc.', 'features.')
    converted = convert_by(lambda key: _rename(key, _IRESNET), state_dict, embedding)
    return {key: value for key, value in converted.items() if stage_of(key) < num_stages}


def convert_vit(state_dict: Mapping[str, Tensor], patch_embed: bool = False) -> dict[str, Tensor]:
    """Convert a ViT in timm's layout, or a classifier of mmpretrain, to :class:`APViT`.

    mmpretrain's ``VisionTransformer`` has our names under ``backbone.``. The classification head is
    omitted.

    Args:
        state_dict (Mapping): 152 keys for DeiT-Tiny, in either layout.
        patch_embed (bool): Whether to keep the patch embedding, which a hybrid does not have.
            Defaults to False.
    """
    omitted = ('head.', 'pre_logits.') if patch_embed else ('head.', 'pre_logits.', 'patch_embed.')
    plain = {key.removeprefix('backbone.'): value for key, value in state_dict.items()}
    return {
        _rename(key, _TIMM): value for key, value in plain.items() if not key.startswith(omitted)
    }


def convert_apvit_release(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the released APViT (389 keys under ``extractor``, ``vit``, ``head``) to ours.

    Also converts TransFER of the released code, with further keys under ``attention`` and
    ``convert``, and its APViT with LANet as the criterion; no PyTorch weights of these two are
    public. The result has the names of a whole classifier: ``backbone.*`` and ``head.fc.*``.
    """
    converted = {}
    for key, value in state_dict.items():
        if key.startswith(('extractor.input_layer.', 'extractor.body.')):
            key = f'backbone.cnn.{_rename(key, _IR)}'
        elif key.startswith(('vit.projs.0.', 'convert.proj.')):
            key = re.sub(r'^(vit\.projs\.0|convert\.proj)\.', 'backbone.projection.', key)
        elif key.startswith(('attention.las.', 'vit.attn_f.')):
            key = _rename(key, _LANET)
        elif key.startswith(('vit.blocks.', 'vit.norm.', 'vit.cls_token', 'vit.pos_embed')):
            key = f'backbone.{_rename(key.removeprefix("vit."), _TIMM)}'
        converted[key] = value
    halves = ('vit.cls_pos_embed', 'vit.patch_pos_embed')
    if all(half in converted for half in halves):  # else a single half is reported as unexpected
        position = torch.cat([converted.pop(half) for half in halves], dim=1)
        converted['backbone.pos_embed'] = position
    return converted
