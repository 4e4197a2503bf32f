# A MobileOne for 64x64 pixels and training on a CPU: 65 thousand parameters, 128 channels at 2x2.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='MobileOne',
        arch=dict(
            num_blocks=[1, 2, 2, 1],
            width_factor=[0.375, 0.5, 0.5, 0.25],  # of 64, 128, 256, 512 channels
            num_conv_branches=[1, 1, 1, 1],
            num_se_blocks=[0, 0, 0, 0],
        ),
        out_indices=(3,),
    ),
    neck=dict(type='GlobalAveragePooling'),
)
