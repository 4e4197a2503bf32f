# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Other projects' weights under mmfer's names.

One function per source takes the source's state dict and returns the same tensors under our names.
Nothing is guessed: a key that no rule knows keeps its name and turns up as unexpected when the
result is compared with the model it is meant for.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mmfer.models.backbones import IRNet

# Numbers of face.evoLVe's residual unit, a Sequential: BN, convolution, PReLU, convolution, BN.
_IR_UNIT = {
    'res_layer.0': 'bn1',
    'res_layer.1': 'conv1',
    'res_layer.2': 'act',
    'res_layer.3': 'conv2',
    'res_layer.4': 'bn2',
    'shortcut_layer': 'shortcut',
}
_TIMM_BLOCK = {
    'norm1': 'ln1',
    'norm2': 'ln2',
    'attn.qkv': 'attn.qkv',
    'attn.proj': 'attn.proj',
    'mlp.fc1': 'ffn.layers.0.0',
    'mlp.fc2': 'ffn.layers.1',
}


def reshape_like(
    converted: Mapping[str, Tensor], model_state: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Give tensors the model's shape where only dimensions of size 1 differ.

    A 1x1 convolution and a linear layer, for example, hold the same numbers.

    Returns:
        tuple: The state dict, and one note per tensor that was reshaped.
    """
    state_dict, notes = dict(converted), []
    for key, value in converted.items():
        wanted = model_state[key].shape if key in model_state else value.shape
        same = [n for n in wanted if n != 1] == [n for n in value.shape if n != 1]
        if same and wanted != value.shape:
            state_dict[key] = value.reshape(wanted)
            notes.append(f'{key} {tuple(value.shape)} -> {tuple(wanted)}')
    return state_dict, notes


def _ir_unit_key(stage: int, unit: int, rest: str) -> str:
    return f'stages.{stage}.{unit}.{_rename_start(rest, _IR_UNIT)}'


def _timm_block_key(index: str, rest: str) -> str:
    return f'layers.{index}.{_rename_start(rest, _TIMM_BLOCK)}'


def _rename_start(key: str, names: Mapping[str, str]) -> str:
    for theirs, ours in names.items():
        if key.startswith(f'{theirs}.'):
            return ours + key.removeprefix(theirs)
    return key


def convert_face_evolve(
    state_dict: Mapping[str, Tensor], depth: int = 50, num_stages: int = 3
) -> dict[str, Tensor]:
    """Convert an IR net of face.evoLVe (``input_layer``, ``body.<unit>``, ``output_layer``).

    The embedding layer and the units of stages that are not built are left out.

    Args:
        state_dict (Mapping): 349 keys for IR-50.
        depth (int): Depth of the net, for the number of units in each stage. Defaults to 50.
        num_stages (int): Stages of the :class:`IRNet` to fill. Defaults to 3.
    """
    places = [
        (stage, unit) for stage, units in enumerate(IRNet.UNITS[depth]) for unit in range(units)
    ]
    converted = {}
    for key, value in state_dict.items():
        if key.startswith('output_layer.'):
            continue
        if found := re.fullmatch(r'input_layer\.(.+)', key):
            converted[f'stem.{found[1]}'] = value
        elif (found := re.fullmatch(r'body\.(\d+)\.(.+)', key)) and int(found[1]) < len(places):
            stage, unit = places[int(found[1])]
            if stage < num_stages:
                converted[_ir_unit_key(stage, unit, found[2])] = value
        else:
            converted[key] = value
    return converted


def convert_timm_vit(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a ViT in timm's layout to the transformer part of :class:`APViT`.

    Patch embedding and classification head have no place in a hybrid and are left out.
    """
    converted = {}
    for key, value in state_dict.items():
        if key.startswith(('patch_embed.', 'head.', 'pre_logits.')):
            continue
        if found := re.fullmatch(r'blocks\.(\d+)\.(.+)', key):
            converted[_timm_block_key(*found.groups())] = value
        elif found := re.fullmatch(r'norm\.(.+)', key):
            converted[f'ln1.{found[1]}'] = value
        else:
            converted[key] = value
    return converted


def convert_apvit_release(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the released APViT (389 keys under ``extractor``, ``vit``, ``head``) to ours.

    The result has the names of a whole classifier: ``backbone.*`` and ``head.fc.*``.
    """
    converted, position = {}, {}
    for key, value in state_dict.items():
        if found := re.fullmatch(r'extractor\.input_layer\.(.+)', key):
            name = f'backbone.cnn.stem.{found[1]}'
        elif found := re.fullmatch(r'extractor\.body\.(\d+)\.(\d+)\.(.+)', key):
            name = f'backbone.cnn.{_ir_unit_key(int(found[1]), int(found[2]), found[3])}'
        elif found := re.fullmatch(r'vit\.blocks\.(\d+)\.(.+)', key):
            name = f'backbone.{_timm_block_key(*found.groups())}'
        elif found := re.fullmatch(r'vit\.norm\.(.+)', key):
            name = f'backbone.ln1.{found[1]}'
        elif found := re.fullmatch(r'vit\.projs\.0\.(.+)', key):
            name = f'backbone.projection.{found[1]}'
        elif key == 'vit.cls_token':
            name = 'backbone.cls_token'
        elif key in ('vit.cls_pos_embed', 'vit.patch_pos_embed'):
            position[key] = value
            continue
        else:
            name = key
        converted[name] = value
    if len(position) == 2:
        converted['backbone.pos_embed'] = torch.cat(
            (position['vit.cls_pos_embed'], position['vit.patch_pos_embed']), dim=1
        )
    else:  # half of it is no position embedding: let it be reported
        converted.update(position)
    return converted
