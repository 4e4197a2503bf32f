# Prior encoders: the small Swin of the four tasks, from the checkpoints of the trained baselines. A
# FaceAnalyzer does not use the one of its own task.
encoder = dict(
    type='SwinTransformer',
    arch=dict(embed_dims=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8]),
    img_size=64,
    window_size=4,
    pad_small_map=True,
)
priors = dict(
    expression=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-micro_1xb32-20e_synthface-expression-64px/epoch_20.pth',
    ),
    age=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-micro_1xb32-20e_synthface-age-64px/epoch_20.pth',
    ),
    landmarks=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-micro_1xb32-20e_synthface-landmarks-64px/epoch_20.pth',
    ),
    recognition=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-micro_1xb32-20e_synthface-recognition-64px/epoch_20.pth',
    ),
)
