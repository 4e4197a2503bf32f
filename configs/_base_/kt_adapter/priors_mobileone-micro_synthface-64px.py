# Prior encoders: the small MobileOne of the four tasks, from the checkpoints of the trained
# baselines. A FaceAnalyzer does not use the one of its own task.
encoder = dict(
    type='MobileOne',
    arch=dict(
        num_blocks=[1, 2, 2, 1],
        width_factor=[0.375, 0.5, 0.5, 0.25],
        num_conv_branches=[1, 1, 1, 1],
        num_se_blocks=[0, 0, 0, 0],
    ),
    out_indices=(3,),
)
priors = dict(
    expression=dict(
        backbone=encoder,
        checkpoint='work_dirs/mobileone-micro_1xb32-20e_synthface-expression-64px/epoch_20.pth',
    ),
    age=dict(
        backbone=encoder,
        checkpoint='work_dirs/mobileone-micro_1xb32-20e_synthface-age-64px/epoch_20.pth',
    ),
    landmarks=dict(
        backbone=encoder,
        checkpoint='work_dirs/mobileone-micro_1xb32-20e_synthface-landmarks-64px/epoch_20.pth',
    ),
    recognition=dict(
        backbone=encoder,
        checkpoint='work_dirs/mobileone-micro_1xb32-20e_synthface-recognition-64px/epoch_20.pth',
    ),
)
