# Drawn faces at 64x64 pixels, which need no files and train on a CPU. What is drawn, and every
# argument, is explained in mmfer/datasets/synthface.py.
dataset_type = 'SynthFace'

# What happens to a batch on the device: ImageNet's mean and deviation in RGB; images are BGR.
data_preprocessor = dict(
    type='FaceDataPreprocessor',
    num_classes=7,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
    # Then each image gets mean 0 and deviation 1: light and contrast hold small nets back.
    standardize=True,
)

# No loading step: SynthFace puts the image itself into the sample.
train_pipeline = [
    # A square of 80 to 100 % of the area, anywhere in the image.
    dict(
        type='RandomResizedCrop', scale=64, crop_ratio_range=(0.8, 1.0), aspect_ratio_range=(1, 1)
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

# What the splits share: the people and how hard they are to read. No image is in two of them.
faces = dict(
    type=dataset_type,
    image_size=64,
    crop='tight',  # little but the face, as expression datasets are cropped
    seed=0,
    num_identities=200,
    # Between nothing (0) and the full range (1) of poses, lights, occluders ...
    difficulty=dict(variation=0.6, pose=0.6, light=0.6, clutter=1.0, loss=0.6, occlusion=0.3),
)

train_dataloader = dict(
    batch_size=16,
    # The images are in memory; a worker would cost more than it brings.
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    # Batches of one size keep every step alike; 3500 is no multiple of 16.
    drop_last=True,
    # 500 images of each expression; drawing them takes about eight seconds, keeping them 43 MB.
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
    # Seen once, so not kept.
    dataset=dict(split='test', num_samples=2100, test_mode=True, pipeline=test_pipeline, **faces),
)

val_evaluator = [
    dict(type='Accuracy', topk=(1,)),  # accuracy/top1: share of correct predictions, in percent
    dict(type='MeanClassAccuracy'),  # class_accuracy/mean and class_accuracy/<class name>
    dict(type='SingleLabelMetric', items=('f1-score',)),  # single-label/f1-score: macro F1
]

# After testing, the confusion matrix as well; ConfusionMatrixHook draws it.
test_evaluator = [*val_evaluator, dict(type='ConfusionMatrix')]
