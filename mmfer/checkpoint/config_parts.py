# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Check the config stored in a checkpoint before anything is built from it.

MMEngine's registries import any type that they do not know and call it with the rest of the dict.
Some components of MMPretrain pass their arguments to other libraries, which open files and URLs.
Therefore only the parts of such a config that prediction needs are used. They may only name
components from the lists below, and no argument may be a path, a URL or the name of code.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry

from mmfer.registry import DATASETS, MODELS, SCOPE, TRANSFORMS
from mmfer.utils.components import registered

from .config_text import ConfigTextError, parse_config_text


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: From MMPretrain. Omitted: components that read files (tokenizers, the target generators of CLIP
#: and DALL-E), that pass arguments to other libraries (TimmClassifier, HuggingFaceClassifier), and
#: self-supervised models.
_MODELS = _names(
    """
    ImageClassifier ClsDataPreprocessor
    AlexNet BEiTViT Conformer ConvNeXt CSPDarkNet CSPResNet CSPResNeXt DaViT DeiT3 DenseNet
    DistilledVisionTransformer EdgeNeXt EfficientFormer EfficientNet EfficientNetV2 HorNet HRNet
    InceptionV3 LeNet5 LeViT MlpMixer MobileNetV2 MobileNetV3 MobileOne MobileViT MViT PCPVT
    PoolFormer RegNet RepLKNet RepVGG Res2Net ResNeSt ResNet ResNet_CIFAR ResNetV1c ResNetV1d
    ResNeXt RevVisionTransformer RIFormer SEResNet SEResNeXt ShuffleNetV1 ShuffleNetV2 SVT
    SwinTransformer SwinTransformerV2 T2T_ViT TIMMBackbone TinyViT VAN VGG VisionTransformer
    ViTEVA02 XCiT
    ClsBatchNormNeck GeneralizedMeanPooling GlobalAveragePooling HRFuseScales LinearNeck
    ArcFaceClsHead ClsHead ConformerHead CSRAClsHead DeiTClsHead EfficientFormerClsHead LeViTClsHead
    LinearClsHead MultiLabelClsHead MultiLabelLinearClsHead StackedLinearClsHead
    VisionTransformerClsHead
    AsymmetricLoss CrossEntropyLoss FocalLoss LabelSmoothLoss SeesawLoss
    """
)
#: From torch, MMCV and MMPretrain, under keys such as ``norm_cfg``. MMPretrain looks up some of
#: them in its own registry, so mmfer's components are not allowed there.
_LAYERS = _names(
    """
    BN BN1d BN2d BN3d GN GRN IN IN1d IN2d IN3d LN LN2d SyncBN
    Conv Conv1d Conv2d Conv2dAdaptivePadding Conv3d ConvAWS ConvWS
    Clamp Clip ELU GELU HSigmoid HSwish LeakyReLU PReLU QuickGELU RReLU ReLU ReLU6 SiLU Sigmoid
    Swish Tanh DropPath Dropout
    """
)
#: From MMPretrain and MMCV. Omitted: wrappers of other transforms or of other libraries.
_TRANSFORMS = _names(
    """
    CenterCrop ColorJitter EfficientNetCenterCrop LoadAnnotations LoadImageFromFile Normalize
    NumpyToPIL PILToNumpy PackInputs PackMultiTaskInputs Pad RandomCrop RandomFlip RandomGrayscale
    RandomResizedCrop Resize ResizeEdge
    """
)
_PACKAGES = ('mmfer', 'mmpretrain', 'mmengine', 'mmcv', 'torch')
_SCOPES = ('mmfer', 'mmpretrain', 'mmengine')

#: Arguments of ``TIMMBackbone``, which passes all to timm. Others import, open or download things.
_TIMM = _names(
    """
    type model_name features_only in_channels in_chans out_indices output_stride num_classes
    global_pool img_size patch_size window_size embed_dim depth num_heads dynamic_img_size
    dynamic_img_pad class_token reg_tokens no_embed_class drop_rate drop_path_rate drop_block_rate
    pos_drop_rate patch_drop_rate proj_drop_rate attn_drop_rate bn_eps bn_momentum norm_layer
    """
)
#: Keys that only training uses; the weights come from the file itself.
_OF_TRAINING = {
    *('init_cfg', 'pretrained', 'train_cfg', 'batch_augments', 'priors', 'num_priors'),
    *('backend_args', 'file_client_args'),  # how images are read from a server
    '_scope_',  # every lookup starts at mmfer's registries
}
#: Arguments of SynthFace, the dataset of drawn faces; and those whose size costs no memory.
_DRAWN = (
    *('split', 'image_size', 'crop', 'task', 'difficulty'),
    *('action_units', 'valence_arousal', 'single_task'),
)
_DRAWN_NUMBERS = ('num_samples', 'num_identities', 'label_noise')
#: Values such as ``'cls_token'`` and ``'deit-tiny'``; no paths, URLs or names with dots.
_WORD = re.compile(r'[\w+ -]{0,64}', re.ASCII)
_TIMM_NAME = re.compile(r'[\w.-]{1,64}', re.ASCII)
#: Larger numbers would only make the process run out of memory.
_LARGEST = 2**20
_LARGEST_IMAGE = 2**12

_ALLOWED = ' that the config in a checkpoint may use'
_REMEDY = (
    'Nothing was imported, opened or called. If you trust the checkpoint, pass its config file as '
    'the model and the checkpoint as the weights (--model CONFIG --weights CHECKPOINT)'
)


def read_config_text(text: str) -> Config:
    """Read the parts of a checkpoint's config that prediction needs; reject anything unsafe.

    Args:
        text (str): The config, as written by :attr:`mmengine.config.Config.pretty_text`.

    Returns:
        ``default_scope``, ``data_preprocessor``, ``model`` and, from ``test_dataloader``, the
        dataset's type, class names, pipeline and the arguments of drawn faces (SynthFace).
        Training settings and data paths are omitted.

    Raises:
        ConfigTextError: The text is not made of plain values, a component or an argument is not
            allowed, or a section is missing or has the wrong type. The message says which one,
            where, and what to do.
    """
    settings = parse_config_text(text)
    scope = settings.get('default_scope', SCOPE)
    if scope not in _SCOPES:
        raise _refuse('config.default_scope', scope, f'is not one of {", ".join(_SCOPES)}')
    _check_imports(settings.get('custom_imports'))
    kept = dict(default_scope=SCOPE, model=_model(settings.get('model'), 'config.model'))
    if settings.get('data_preprocessor') is not None:
        kept['data_preprocessor'] = _model(
            settings['data_preprocessor'], 'config.data_preprocessor'
        )
    if settings.get('test_dataloader') is not None:
        kept['test_dataloader'] = _loader(settings['test_dataloader'], 'config.test_dataloader')
    return Config(kept)


def _model(settings: Any, where: str) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        raise _refuse(where, settings, 'is not a dict')
    return _checked(settings, where, MODELS, _MODELS)


def _check_imports(value: Any) -> None:
    names = value.get('imports') if isinstance(value, Mapping) else value
    for name in names if isinstance(names, (list, tuple)) else [names]:
        known = isinstance(name, str) and (name.split('.')[0] in _PACKAGES or name in sys.modules)
        if name is not None and not known:
            raise _refuse('config.custom_imports', name, 'is not imported for a checkpoint')


def _loader(settings: Any, where: str) -> dict[str, Any]:
    dataset = settings
    # As in `find_test_dataset`: inside wrappers, and the first of concatenated datasets.
    while isinstance(dataset, Mapping):
        several = dataset.get('datasets')
        if isinstance(dataset.get('dataset'), Mapping):
            dataset, where = dataset['dataset'], f'{where}.dataset'
        elif isinstance(several, (list, tuple)) and several and isinstance(several[0], Mapping):
            dataset, where = several[0], f'{where}.datasets.0'
        else:
            break
    if dataset is settings or not isinstance(dataset, Mapping):
        raise _refuse(where, dataset, 'has no dataset')
    kept = {}
    if 'type' in dataset:
        kept['type'], kind = _part(dataset['type'], f'{where}.type', DATASETS, None)
        if kind.__name__ == 'SynthFace':
            for registry, keys in ((DATASETS, _DRAWN), (MODELS, _DRAWN_NUMBERS)):
                drawn = {key: dataset[key] for key in keys if key in dataset}
                kept.update(_checked(drawn, where, registry, frozenset()))
            if 'seed' in dataset:
                kept['seed'] = dataset['seed']
            _build(dict(kept, lazy_init=True), where, DATASETS)
    names = dataset.get('metainfo')
    names = names.get('classes') if isinstance(names, Mapping) else None
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        kept['metainfo'] = dict(classes=names)
    steps = dataset.get('pipeline') or []
    if not isinstance(steps, (list, tuple)):
        raise _refuse(f'{where}.pipeline', steps, 'is not a list')
    kept['pipeline'] = [_step(step, f'{where}.pipeline.{i}') for i, step in enumerate(steps)]
    return dict(dataset=kept)


def _step(step: Any, where: str) -> dict[str, Any]:
    if not isinstance(step, Mapping) or 'type' not in step:
        raise _refuse(where, step, 'is not a dict with a type')
    kept = _checked(step, where, TRANSFORMS, _TRANSFORMS)
    _build(kept, where, TRANSFORMS)
    return kept


def _build(settings: dict, where: str, registry: Registry) -> None:
    """Build the component once, so that an argument that it does not accept is an error."""
    try:
        with DefaultScope.overwrite_default_scope(SCOPE):
            registry.build(settings)
    except Exception as error:
        raise ConfigTextError(
            f'{where} cannot be built: {type(error).__name__}: {error}'
        ) from error


def _checked(value: Any, where: str, registry: Registry, names: frozenset[str]) -> Any:
    """Check a value, and return it without the keys that only training uses.

    Args:
        value (Any): A plain value of the config.
        where (str): Its place in the config.
        registry (Registry): The registry for its types.
        names (frozenset[str]): The allowed names of other packages; all of mmfer's are allowed.
    """
    if isinstance(value, Mapping):
        kept = {key: item for key, item in value.items() if key not in _OF_TRAINING}
        for key in ('type', 'conv_type'):
            if key in kept:
                kept[key], kind = _part(kept[key], f'{where}.{key}', registry, names)
                if kind.__name__ == 'TIMMBackbone':
                    return _timm(kept, where)
        for key, item in kept.items():
            if not isinstance(key, str) or not _WORD.fullmatch(key):
                raise _refuse(where, key, 'is not the name of an argument')
            if key not in ('type', 'conv_type'):
                layers = key.endswith(('_cfg', '_cfgs', '_layer')) and registry is MODELS
                allowed = _LAYERS if layers else names
                kept[key] = _checked(item, f'{where}.{key}', registry, allowed)
        return kept
    if isinstance(value, (list, tuple)):
        return type(value)(
            _checked(item, f'{where}.{i}', registry, names) for i, item in enumerate(value)
        )
    if isinstance(value, str) and not _WORD.fullmatch(value):
        raise _refuse(where, value, 'looks like a path, a URL or the name of code')
    largest = _LARGEST if registry is MODELS else _LARGEST_IMAGE
    if isinstance(value, int) and abs(value) > largest:
        raise _refuse(where, '', f'is a number larger than {largest}')
    if not isinstance(value, (str, int, float, type(None))):
        raise _refuse(where, value, f'is a {type(value).__name__}')
    return value


def _timm(settings: dict, where: str) -> dict:
    name = settings.get('model_name')
    if not isinstance(name, str) or not _TIMM_NAME.fullmatch(name):
        raise _refuse(f'{where}.model_name', name, "is not the name of one of timm's models")
    for key, value in settings.items():
        if key not in _TIMM:
            raise _refuse(f'{where}.{key}', value, f'is not an argument of timm{_ALLOWED}')
        if key == 'norm_layer':
            settings[key], _ = _part(value, f'{where}.{key}', MODELS, _LAYERS)
        elif key not in ('type', 'model_name'):
            _checked(value, f'{where}.{key}', MODELS, frozenset())
    return settings


def _part(
    name: Any, where: str, registry: Registry, names: frozenset[str] | None
) -> tuple[str, type]:
    """Look up a component.

    Args:
        name (Any): Its name: bare, with a scope, or the full path of a class, as in MMEngine's
            pure Python configs.
        where (str): The place in the config.
        registry (Registry): mmfer's registry; its parents are searched after it.
        names (frozenset[str], optional): See :func:`_checked`. None allows all components of the
            known packages.

    Returns:
        The registered name and the class.
    """
    if not isinstance(name, str):
        raise _unknown(where, name)
    module, _, bare = name.rpartition('.')
    kind = registered(name, registry)
    if kind is None and (package := module.split('.')[0]) in _PACKAGES:
        name = f'{package}.{bare}' if package in _SCOPES else bare
        kind = registered(name, registry)
        if kind is None or vars(sys.modules.get(module, object)).get(bare) is not kind:
            raise _unknown(where, f'{module}.{bare}')
    package = getattr(kind, '__module__', '').split('.')[0]
    listed = names is None or bare in names | _LAYERS
    own = package == SCOPE and names is not _LAYERS
    if package not in _PACKAGES or not (own or listed):
        raise _unknown(where, name)
    return name, kind


def _unknown(where: str, name: Any) -> ConfigTextError:
    return _refuse(where, name, f'is not a component{_ALLOWED}')


def _refuse(where: str, value: Any, reason: str) -> ConfigTextError:
    return ConfigTextError(f'{where[:200]} {_shown(value)} {reason}. {_REMEDY}')


def _shown(value: Any) -> str:
    try:
        return repr(value)[:80]
    except ValueError:  # a number with thousands of digits
        return f'a {type(value).__name__}'
