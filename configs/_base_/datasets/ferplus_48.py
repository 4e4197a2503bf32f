# FERPlus at its own 48x48 pixels, for small nets from scratch on a CPU. Trains on the shares of the
# votes, validates and tests on faces with a majority label, like FER+'s authors: 3,199 and 3,153
# faces.
dataset_type = 'FERPlus'
data_root = 'data/ferplus/'  # holds fer2013.csv and fer2013new.csv; see docs/datasets.md

# Applied to batches on the device.
data_preprocessor = dict(
    type='FaceDataPreprocessor',
    num_classes=8,
    # Standardizes each image to mean 0 and standard deviation 1.
    standardize=True,
    # Erases a box of 2 to 20 % of the area in half of the images.
    erasing=dict(prob=0.5, area=(0.02, 0.2), ratio=(0.4, 2.5), ratio_sampling='log'),
)

train_pipeline = [
    dict(type='LoadFaceImage'),
    # The whole image with random scale, shift and rotation: faces cut out of photographs are
    # looser, tighter and less upright than these.
    dict(
        type='RandomCropFace',
        kind='loose',
        source='image',
        size=48,
        scale_range=(0.8, 1.25),
        max_shift=0.1,
        max_angle=20,
        border='replicate',
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomColorJitter', brightness=0.3, contrast=0.4),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadFaceImage'),
    # FERPlus is gray, so photographs are converted, too.
    dict(type='RandomGrayFace', prob=1.0),
    # The whole image; in a photograph, the square around a detector's box with its longer side. In
    # 574 validation faces, the height of YuNet's boxes is 0.99 of the image size (median).
    dict(type='CropFace', kind='loose', scale=1.0, shift=(0.0, 0.0), size=48, border='replicate'),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=128,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    # Only full batches, so that all steps are alike.
    drop_last=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        mode='soft',  # up to three expressions with their shares of the votes
        pipeline=train_pipeline,
    ),
)

val_dataloader = dict(
    batch_size=128,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val',
        mode='majority',  # the label with more than half of the votes
        pipeline=test_pipeline,
    ),
)

test_dataloader = dict(
    batch_size=128,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        mode='majority',
        pipeline=test_pipeline,
    ),
)

val_evaluator = [
    dict(type='Accuracy', topk=(1,)),  # accuracy/top1: share of correct predictions, in percent
    dict(type='MeanClassAccuracy'),  # class_accuracy/mean and class_accuracy/<class name>
    dict(type='SingleLabelMetric', items=('f1-score',)),  # single-label/f1-score: macro F1
]

# Testing also computes the confusion matrix; ConfusionMatrixHook draws it.
test_evaluator = [*val_evaluator, dict(type='ConfusionMatrix')]
