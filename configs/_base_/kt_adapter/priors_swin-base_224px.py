# Prior encoders: Swin-base of the four tasks, from the checkpoints of the trained baselines. A
# FaceAnalyzer does not use the one of its own task.
encoder = dict(
    type='SwinTransformer',
    arch='base',
    img_size=224,
)
priors = dict(
    expression=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-base_1xb32-30e_affectnet-hq-224px/epoch_30.pth',
    ),
    age=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-base_1xb32-30e_utkface-224px/epoch_30.pth',
    ),
    landmarks=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-base_1xb32-30e_wflw-224px/epoch_30.pth',
    ),
    recognition=dict(
        backbone=encoder,
        checkpoint='work_dirs/swin-base_1xb32-30e_cfp-224px/epoch_30.pth',
    ),
)
