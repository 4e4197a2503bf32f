# Drawn faces, no files: see mmfer/datasets/synthface.py for all arguments.
dataset_type = 'SynthFace'

# ImageNet's mean and deviation, in RGB; pictures come as BGR.
data_preprocessor = dict(
    num_classes=7,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

# No loading step: SynthFace puts the picture itself into the sample.
train_pipeline = [
    dict(
        type='RandomResizedCrop', scale=112, crop_ratio_range=(0.8, 1.0), aspect_ratio_range=(1, 1)
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

# The same people and the same difficulty in all splits; no picture is in two of them.
common = dict(type=dataset_type, image_size=112, seed=0, num_identities=200)

train_dataloader = dict(
    batch_size=64,
    # Two processes suffice: the pictures are drawn once and shared.
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        split='train',
        num_samples=3500,  # 500 of each expression
        cache=True,  # 131 MB; drawing them takes about ten seconds
        pipeline=train_pipeline,
        **common,
    ),
    sampler=dict(type='DefaultSampler', shuffle=True),
    # Batches of one size keep every step alike; 3500 is no multiple of 64.
    drop_last=True,
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        split='val',
        num_samples=700,
        cache=True,  # 26 MB
        test_mode=True,
        pipeline=test_pipeline,
        **common,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        split='test',
        num_samples=1050,
        cache=False,  # seen once
        test_mode=True,
        pipeline=test_pipeline,
        **common,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)

val_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='MeanClassAccuracy')]
test_evaluator = val_evaluator
