# A small TransFER for training on a CPU: CNN and transformer of the small APViT.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='TransFER',
        # 64x64 pixels -> 64 channels on an 8x8 grid. On a CPU, large maps take most of the time, so
        # the stem has stride 2.
        cnn=dict(type='SmallImageResNet', depth=18, base_channels=16),
        # Branches and rates of the published model.
        num_branches=2,
        mad_rate=0.6,
        msad_rate=0.3,
        arch=dict(embed_dims=128, num_layers=2, num_heads=4, feedforward_channels=256),
        # Image size in pixels; with the CNN's stride it determines the grid.
        img_size=64,
        qkv_bias=False,
        # MLPs with Xavier, attention with PyTorch's default, as in MMPretrain. With the published
        # initialization, the default, the small APViT was at chance level after four epochs.
        layer_cfg=dict(
            init_cfg=dict(
                type='Xavier', override=dict(type='Xavier', name='ffn', distribution='uniform')
            )
        ),
        out_type='cls_token',
    ),
    neck=None,
    head=dict(
        type='LinearClsHead',
        num_classes=7,
        in_channels=128,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        # Not zero as in the published model: with zero, a small net from scratch stays at chance
        # level for long.
        init_cfg=dict(type='Normal', layer='Linear', std=0.01),
    ),
)
