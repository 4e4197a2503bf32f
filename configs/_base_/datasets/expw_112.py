# ExpW at 112x112: faces are cut out of their images by the boxes of the label file. As in the
# paper, the split assigns single faces: 68,845 (75 %) for training, 9,179 (10 %) for validation and
# 13,769 (15 %) for testing. Which ones is mmfer's own rule, as the paper's split is not published.
# This leaks: faces of one image may be in training and test. by='image' in all three datasets keeps
# the faces of an image together. Augmentation and metrics as in rafdb_112.py, and no oversampling:
# the paper reports that predictions lean to Neutral.
_base_ = 'rafdb_112.py'

dataset_type = 'ExpW'
data_root = 'data/expw/'  # holds data/label and data/image; see docs/datasets.md

# The paper aligns faces. For your own crops, set image_dir and image_name of the datasets; they
# have no box, and the whole image is used.
crop = dict(type='CropFace', kind='tight', source='auto', scale=1.0, shift=(0.0, 0.0), size=224)
load, *augmentation = _base_.train_pipeline
train_pipeline = [load, crop, *augmentation]
load, *resize_and_pack = _base_.test_pipeline
test_pipeline = [load, crop, *resize_and_pack]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='train',
        by='face',  # unit of the split, the same in all three datasets; or 'image'
        min_confidence=0.0,  # of the face detector, 0 to 100; some papers use 60
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='val',
        by='face',
        min_confidence=0.0,
        pipeline=test_pipeline,
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='test',
        by='face',
        min_confidence=0.0,
        pipeline=test_pipeline,
    )
)
