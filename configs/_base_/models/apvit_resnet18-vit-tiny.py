# A small APViT for training on a CPU: ResNet-18 with a quarter of the width and two narrow blocks.
# Use standardized images (data_preprocessor.standardize): or light and contrast hold it back.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='APViT',
        # 64x64 pixels -> 64 channels on an 8x8 grid. On a CPU, large maps take most of the time, so
        # the stem has stride 2.
        cnn=dict(type='SmallImageResNet', depth=18, base_channels=16),
        arch=dict(embed_dims=128, num_layers=2, num_heads=4, feedforward_channels=256),
        # Image size in pixels; with the CNN's stride it determines the grid.
        img_size=64,
        qkv_bias=False,
        # MLPs with Xavier, attention with PyTorch's default, as in MMPretrain. With the published
        # initialization, the default, this net was at chance level after four epochs.
        layer_cfg=dict(
            init_cfg=dict(
                type='Xavier', override=dict(type='Xavier', name='ffn', distribution='uniform')
            )
        ),
        # Attentive Patch Pooling: about the share of patches that the published model keeps.
        app=dict(
            type='AttentivePatchPooling',
            keep_num=52,
            criterion='abs',
            mode='hard',
            score_on='tokens',
        ),
        # Attentive Token Pooling in both blocks.
        atp=dict(keep_rate=0.9, start=0, criterion='sum'),
        # The head reads the average of the remaining tokens: from scratch, small nets learn faster
        # than with the [class] token (docs/results.md).
        out_type='avg_featmap',
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
