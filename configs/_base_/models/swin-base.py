# Swin Transformer-base ("S" in the KT-Adapter paper): 1024 channels at 7x7 for 224x224 pixels.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SwinTransformer',
        arch='base',
        img_size=224,
        drop_path_rate=0.2,
        # ImageNet weights, MMPretrain's own file; None starts from scratch.
        init_cfg=dict(
            type='Pretrained', checkpoint='checkpoints/swin-base_imagenet.pth', prefix='backbone'
        ),
    ),
    neck=dict(type='GlobalAveragePooling'),
)
