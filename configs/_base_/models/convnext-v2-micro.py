# A ConvNeXt V2 for 64x64 pixels and training on a CPU: 128 channels at 2x2.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ConvNeXt',
        arch=dict(depths=[1, 1, 2, 1], channels=[16, 32, 64, 128]),
        use_grn=True,  # GRN without layer scale is the V2 block
        layer_scale_init_value=0.0,
        # Averages the map itself, before its last normalization; a neck gets (B, 128).
        gap_before_final_norm=True,
    ),
    neck=None,
)
