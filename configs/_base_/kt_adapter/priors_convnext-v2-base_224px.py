# Prior encoders: ConvNeXt V2-base of the four tasks, from the checkpoints of the trained baselines.
# A FaceAnalyzer does not use the one of its own task.
encoder = dict(
    type='ConvNeXt',
    arch='base',
    use_grn=True,
    layer_scale_init_value=0.0,
    gap_before_final_norm=True,
)
priors = dict(
    expression=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-base_1xb32-30e_affectnet-hq-224px/epoch_30.pth',
    ),
    age=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-base_1xb32-30e_utkface-224px/epoch_30.pth',
    ),
    landmarks=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-base_1xb32-30e_wflw-224px/epoch_30.pth',
    ),
    recognition=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-base_1xb32-30e_cfp-224px/epoch_30.pth',
    ),
)
