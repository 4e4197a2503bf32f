# A Swin Transformer for 64x64 pixels and training on a CPU: 128 channels at 2x2.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SwinTransformer',
        arch=dict(embed_dims=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8]),
        img_size=64,
        window_size=4,
        pad_small_map=True,  # the last map is 2x2, smaller than a window
        drop_path_rate=0.0,
    ),
    neck=dict(type='GlobalAveragePooling'),
)
