# Drawn faces at 64x64 pixels, for training on a CPU without any files. mmfer/datasets/synthface.py
# explains the drawings and every argument.
dataset_type = 'SynthFace'

# Applied to batches on the device: ImageNet's mean and standard deviation in RGB; images are BGR.
data_preprocessor = dict(
    type='FaceDataPreprocessor',
    num_classes=7,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
    # Then standardizes each image: differences in light and contrast hold small nets back.
    standardize=True,
)

# No loading transform: the samples of SynthFace contain the image.
train_pipeline = [
    # A random square of 80 to 100 % of the area.
    dict(
        type='RandomResizedCrop', scale=64, crop_ratio_range=(0.8, 1.0), aspect_ratio_range=(1, 1)
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

# Shared by all splits: the people and the difficulty. No image is in two splits.
faces = dict(
    type=dataset_type,
    image_size=64,
    crop='tight',  # little but the face, as in expression datasets
    seed=0,
    num_identities=200,
    # From none (0) to the full range (1) of poses, lights, occluders ...
    difficulty=dict(variation=0.6, pose=0.6, light=0.6, clutter=1.0, loss=0.6, occlusion=0.3),
)

train_dataloader = dict(
    batch_size=16,
    # The images are in memory; a worker would cost more than it saves.
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    # Only full batches, so that all steps are alike; 3500 is not a multiple of 16.
    drop_last=True,
    # 500 images per expression; drawing them takes about eight seconds, caching them 43 MB.
    dataset=dict(split='train', num_samples=3500, cache=True, pipeline=train_pipeline, **faces),
)

val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        split='val', num_samples=700, cache=True, test_mode=True, pipeline=test_pipeline, **faces
    ),
)

test_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    # Used once, so not cached.
    dataset=dict(split='test', num_samples=2100, test_mode=True, pipeline=test_pipeline, **faces),
)

val_evaluator = [
    dict(type='Accuracy', topk=(1,)),  # accuracy/top1: share of correct predictions, in percent
    dict(type='MeanClassAccuracy'),  # class_accuracy/mean and class_accuracy/<class name>
    dict(type='SingleLabelMetric', items=('f1-score',)),  # single-label/f1-score: macro F1
]

# Testing also computes the confusion matrix; ConfusionMatrixHook draws it.
test_evaluator = [*val_evaluator, dict(type='ConfusionMatrix')]
