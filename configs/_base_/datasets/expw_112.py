# ExpW at 112x112: faces are cut out of their images by the boxes of the label file. As in the
# paper, single faces are drawn: 68,845 (75 %) train, 9,179 (10 %) validate and 13,769 (15 %) test;
# which ones is mmfer's own choice, as the paper's is not published. This leaks: faces of one
# image train and test. by='image' in all three datasets keeps an image's faces together.
# Augmentation and metrics as in rafdb_112.py, and no oversampling: the paper reports that
# predictions lean to Neutral.
_base_ = 'rafdb_112.py'

dataset_type = 'ExpW'
data_root = 'data/expw/'  # holds data/label and data/image; docs/datasets.md shows the layout

# The paper aligns faces. For crops of one's own, set image_dir and image_name of the datasets; they
# have no box, and the whole image is taken.
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
        by='face',  # what the split divides, as in the other two parts; or 'image'
        min_confidence=0.0,  # of the face detector, 0 to 100; some papers ask for 60
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
