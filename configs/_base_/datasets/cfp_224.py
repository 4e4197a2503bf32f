# CFP at 224x224: identification of 500 people, not aligned, as in the KT-Adapter paper, whose
# augmentation is not published. CFP has no split for identification, and the paper does not publish
# its own: 3,500/750/750 frontal images by a random draw with a fixed seed. The 750 test images make
# 493 pairs of one person (506 +- 19 are expected, the paper's rates are k/484);
# split_rule='stratified' in all three datasets tests one or two images per person (250 pairs).
dataset_type = 'CFP'
data_root = 'data/cfp/'  # see docs/datasets.md for the layout
# Boxes of a detector, as in the paper: the report made as in docs/face_recipes.md, such as
# 'data/cfp_faces/alignment.csv'. None: crops are fixed shares of the image, which suits images that
# show one head and little else.
boxes = None

# Applied to batches on the device: ImageNet's mean and standard deviation in RGB; images are BGR.
data_preprocessor = dict(
    type='FaceDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

train_pipeline = [
    dict(type='LoadFaceImage'),
    # A loose crop (face and hair), scaled by up to 10 %, shifted by up to 5 %, rotated by up to 10
    # degrees, with a single resampling.
    dict(
        type='RandomCropFace',
        kind='loose',
        size=224,
        scale_range=(0.9, 1.1),
        max_shift=0.05,
        max_angle=10.0,
    ),
    dict(type='RandomFlipFace', prob=0.5),
    dict(type='RandomColorJitter', prob=0.5, brightness=0.3, contrast=0.3, saturation=0.3),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadFaceImage'),
    dict(type='CropFace', kind='loose', size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    # Workers and their seeds are renewed in every epoch, so that resuming is exact.
    persistent_workers=False,
    worker_init_fn=dict(type='mmfer.seed_worker_from_torch'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    drop_last=True,
    dataset=dict(
        type=dataset_type, data_root=data_root, split='train', boxes=boxes, pipeline=train_pipeline
    ),
)

val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, split='val', boxes=boxes, pipeline=test_pipeline
    ),
)

test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, split='test', boxes=boxes, pipeline=test_pipeline
    ),
)

val_evaluator = [
    dict(type='Accuracy', topk=(1,)),  # accuracy/top1: share of correct predictions, in percent
    # single-label/f1-score: macro F1 over the people who occur; 98 have no test image.
    dict(type='PresentClassesMetric', items=('f1-score',)),
    # verification/tar@far=0.001 and verification/intra_class_variance over all pairs of images.
    dict(type='FaceVerification', far=0.001),
]
test_evaluator = val_evaluator
