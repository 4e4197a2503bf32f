# AffectNet, seven classes, at 112x112. Published protocol: trains on the training list and reports
# the validation list, as the labels of the test set are not public; selecting the best iteration on
# it is optimistic. Augmentation and metrics as in rafdb_112.py.
_base_ = 'rafdb_112.py'

dataset_type = 'AffectNet'
data_root = 'data/affectnet/'  # either release; docs/datasets.md shows the layouts
num_classes = 7

# Cuts out the face by its box in the release with lists. In the one with folders, images are faces
# already and stay whole, like your own aligned ones (image_dir of the datasets).
crop = dict(type='CropFace', kind='tight', source='auto', scale=1.0, shift=(0.0, 0.0), size=224)
load, *augmentation = _base_.train_pipeline
train_pipeline = [load, crop, *augmentation]
load, *resize_and_pack = _base_.test_pipeline
test_pipeline = [load, crop, *resize_and_pack]

train_dataloader = dict(
    # The training list is imbalanced, the validation list is not, hence heavy oversampling: all
    # classes become as frequent as Happiness. Neutral is repeated twice, Sadness and Anger 6,
    # Surprise 10, Fear 22 and Disgust 36 times. 283,901 images make 1,004,333 samples per epoch.
    dataset=dict(
        _delete_=True,
        type='FullyBalancedDataset',
        dataset=dict(
            type=dataset_type,
            data_root=data_root,
            split='train',
            num_classes=num_classes,
            pipeline=train_pipeline,
        ),
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='val',
        num_classes=num_classes,
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
