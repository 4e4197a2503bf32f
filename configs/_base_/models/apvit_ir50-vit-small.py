# APViT: IR-50 (three stages), attentive patch pooling, ViT-small with attentive token pooling.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='APViT',
        # The CNN that makes the patches: 112x112 pixels -> 256 channels on a 14x14 grid. Any
        # registered backbone with a (B, C, H, W) output works.
        cnn=dict(type='IRNet', depth=50, num_stages=3),
        # mmpretrain's name for 768 channels, 8 blocks, 8 heads, MLP 2304.
        arch='small',
        # Image size in pixels; with the CNN's stride it determines the grid.
        img_size=112,
        # ViT-small has no bias on queries, keys and values.
        qkv_bias=False,
        # Scale of the products of queries and keys; None is head_dim ** -0.5, as in the released
        # model. The ImageNet weights were trained with 768 ** -0.5 = 0.0361.
        qk_scale=None,
        # Attentive Patch Pooling: keep the k = 160 most active of 196 patches.
        app=dict(
            type='AttentivePatchPooling',
            keep_num=160,
            criterion='abs',  # abs, sum, max or lanet (Table 5); square, max_abs, random (no table)
            lanet_form='release',  # if criterion is lanet: release (Table 5) or paper (Sec. 3.2)
            mode='hard',  # hard drops patches, soft scales them (Table 6)
            score_on='tokens',  # tokens as in the released model, features as in the paper
        ),
        # Attentive Token Pooling: blocks 4 to 7 each keep r = 0.9 of their patch tokens; a list
        # sets a rate per block. The criterion is sum, abs, max (Table 5) or random.
        atp=dict(keep_rate=0.9, start=4, criterion='sum'),
        # Input of the head: cls_token or avg_featmap (Table 1).
        out_type='cls_token',
    ),
    neck=None,
    head=dict(
        type='LinearClsHead',
        num_classes=7,
        in_channels=768,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        # The classifier starts from zero, as in the released code.
        init_cfg=dict(type='Constant', layer='Linear', val=0),
    ),
)
