# DeiT-Tiny on a plain patch embedding: 192 channels, 12 blocks, 16x16 patches of a 224x224 image.
# Configs set the starting weights.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='APViT',
        # No CNN: images are cut into patches, so there is no feature map for APP to score.
        cnn=None,
        arch='deit-tiny',
        # 224 / 16 = a grid of 14x14 patches.
        img_size=224,
        patch_size=16,
        # DeiT has a bias on queries, keys and values.
        qkv_bias=True,
        app=None,
        atp=None,
        out_type='cls_token',
    ),
    neck=None,
    head=dict(
        type='LinearClsHead',
        num_classes=7,
        in_channels=192,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        init_cfg=dict(type='Constant', layer='Linear', val=0),
    ),
)
