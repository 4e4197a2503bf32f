# WFLW at 224x224: 98 landmarks, not aligned, as in the KT-Adapter paper, whose augmentation is not
# published. Published protocol: train on the whole training list (7,500 faces), validate and test
# on the test list (2,500). Validation after each epoch therefore uses the test set, and the best
# epoch is an optimistic number; the last one is not. wflw_224_holdout.py avoids that.
dataset_type = 'WFLW'
data_root = 'data/wflw/'  # see docs/datasets.md for the layout

# Applied to batches on the device: ImageNet's mean and standard deviation in RGB; images are BGR.
data_preprocessor = dict(
    type='FaceDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

train_pipeline = [
    dict(type='LoadFaceImage'),
    # A tight crop (little but the face), scaled by up to 10 %, shifted by up to 5 %, rotated by up
    # to 30 degrees, with a single resampling.
    dict(
        type='RandomCropFace',
        kind='tight',
        size=224,
        # By the detector's box, because the landmarks are not known at inference.
        source='box',
        scale_range=(0.9, 1.1),
        max_shift=0.05,
        max_angle=30.0,
    ),
    dict(type='RandomFlipFace', prob=0.5),
    dict(type='RandomColorJitter', prob=0.5, brightness=0.3, contrast=0.3, saturation=0.3),
    dict(type='PackInputs', algorithm_keys=('gt_landmarks',)),
]
test_pipeline = [
    dict(type='LoadFaceImage'),
    dict(type='CropFace', kind='tight', size=224, source='box'),
    dict(
        type='PackInputs',
        algorithm_keys=('gt_landmarks',),
        # Attributes of hard faces; LandmarkNME also reports these subsets of the test set.
        meta_keys=('sample_idx', 'img_path', 'ori_shape', 'img_shape', 'attributes'),
    ),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    # Workers and their seeds are renewed in every epoch, so that resuming is exact.
    persistent_workers=False,
    worker_init_fn=dict(type='mmfer.seed_worker_from_torch'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    drop_last=True,
    dataset=dict(type=dataset_type, data_root=data_root, split='train', pipeline=train_pipeline),
)

val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split='test', pipeline=test_pipeline),
)

test_dataloader = val_dataloader

# landmark/nme in percent of the distance of the outer eye corners, landmark/mae in pixels of the
# network's input, landmark/failure_rate and landmark/auc at an NME of 10 %.
val_evaluator = [dict(type='LandmarkNME')]
test_evaluator = val_evaluator
