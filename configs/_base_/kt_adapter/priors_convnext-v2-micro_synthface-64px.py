# Prior encoders: the small ConvNeXt V2 of the four tasks, from the checkpoints of the trained
# baselines. A FaceAnalyzer does not use the one of its own task.
encoder = dict(
    type='ConvNeXt',
    arch=dict(depths=[1, 1, 2, 1], channels=[16, 32, 64, 128]),
    use_grn=True,
    layer_scale_init_value=0.0,
    gap_before_final_norm=True,
)
priors = dict(
    expression=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-micro_1xb32-20e_synthface-expression-64px/epoch_20.pth',
    ),
    age=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-micro_1xb32-20e_synthface-age-64px/epoch_20.pth',
    ),
    landmarks=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-micro_1xb32-20e_synthface-landmarks-64px/epoch_20.pth',
    ),
    recognition=dict(
        backbone=encoder,
        checkpoint='work_dirs/convnext-v2-micro_1xb32-20e_synthface-recognition-64px/epoch_20.pth',
    ),
)
