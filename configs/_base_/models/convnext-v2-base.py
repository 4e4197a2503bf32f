# ConvNeXt V2-base ("C" in the KT-Adapter paper): 1024 channels at 7x7 for 224x224 pixels.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ConvNeXt',
        arch='base',
        use_grn=True,  # GRN without layer scale is the V2 block
        layer_scale_init_value=0.0,
        drop_path_rate=0.1,
        # Averages the map itself, before its last normalization; a neck gets (B, 1024).
        gap_before_final_norm=True,
        # ImageNet weights, MMPretrain's own file; None starts from scratch.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='checkpoints/convnext-v2-base_imagenet.pth',
            prefix='backbone',
        ),
    ),
    neck=None,
)
