# Hybrid-DeiT-Tiny: the CNN of APViT under the transformer of DeiT-Tiny (Table 14). Configs set the
# starting weights.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='APViT',
        # 112x112 pixels -> 256 channels on a 14x14 grid.
        cnn=dict(type='IRNet', depth=50, num_stages=3),
        arch='deit-tiny',
        img_size=112,
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
