# TransFER: IR-50 (three stages), two local attention branches, ViT-small; maps of branches and
# attention heads are dropped in training.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='TransFER',
        # The stem CNN: 112x112 pixels -> 256 channels on a 14x14 grid.
        cnn=dict(type='IRNet', depth=50, num_stages=3),
        # Local branches; the largest of their attention maps multiplies the CNN's features.
        num_branches=2,
        # BatchNorm in the branches, as in the released code; the paper has none.
        lanet_form='release',
        # Multi-attention dropping: probability per sample to drop the map of one branch.
        mad_rate=0.6,
        # Multi-head self-attention dropping: the same for one head in each block.
        msad_rate=0.3,
        # mmpretrain's name for 768 channels, 8 blocks, 8 heads, MLP 2304.
        arch='small',
        # Image size in pixels; with the CNN's stride it determines the grid.
        img_size=112,
        # ViT-small has no bias on queries, keys and values.
        qkv_bias=False,
        # Input of the head: cls_token or avg_featmap.
        out_type='cls_token',
    ),
    neck=None,
    head=dict(
        type='LinearClsHead',
        num_classes=7,
        in_channels=768,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        # The classifier starts from zero, like APViT's.
        init_cfg=dict(type='Constant', layer='Linear', val=0),
    ),
)
