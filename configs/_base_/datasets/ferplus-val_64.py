# FERPlus as in ferplus_48.py, at 64x64 pixels for the small nets of the KT-Adapter. Images need a
# label with more than half of the votes. Trains on 25,060 of them and tests on the validation
# split, 3,199.
_base_ = 'ferplus_48.py'

# ImageNet's mean and standard deviation in RGB, as for every encoder of the KT-Adapter.
data_preprocessor = dict(
    _delete_=True,
    type='FaceDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
    num_classes=8,
)

train_pipeline = _base_.train_pipeline
train_pipeline[1].size = 64  # RandomCropFace
test_pipeline = _base_.test_pipeline
test_pipeline[2].size = 64  # CropFace

train_dataloader = dict(
    batch_size=32,
    dataset=dict(mode='majority', pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(split='val', pipeline=test_pipeline))
