# CIFAR-10 enlarged to 112x112, for Table 15: images of ten kinds of objects instead of faces, to
# see whether pooling helps there. Augmentation as in rafdb_112.py. Trains on the training batches
# and validates on the test batch.
_base_ = 'rafdb_112.py'

dataset_type = 'CIFAR10'  # MMPretrain's; it checks the files before it reads them
data_root = 'data/cifar10/'  # holds cifar-10-batches-py

data_preprocessor = dict(
    num_classes=10,
    mean=[125.307, 122.961, 113.8575],  # CIFAR-10's mean and standard deviation in RGB
    std=[51.5865, 50.847, 51.255],
)

# Images are in memory and in RGB. The next transforms expect BGR; the preprocessor converts back.
to_bgr = [dict(type='NumpyToPIL', to_rgb=False), dict(type='PILToNumpy', to_bgr=True)]
train_pipeline = [*to_bgr, *_base_.train_pipeline[1:]]
test_pipeline = [*to_bgr, *_base_.test_pipeline[1:]]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='train',
        download=False,
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='test',
        download=False,
        test_mode=True,
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
