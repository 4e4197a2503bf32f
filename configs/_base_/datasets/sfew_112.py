# SFEW 2.0 at 112x112, aligned faces. Published protocol: the labels of the test set are not public,
# so the validation set is reported; selecting the best epoch on it is optimistic. Augmentation and
# metrics as in rafdb_112.py, and no oversampling: the paper reports that its model recognizes few
# of the rare expressions.
_base_ = 'rafdb_112.py'

dataset_type = 'SFEW'
data_root = 'data/sfew/'  # holds Train and Val; see docs/datasets.md

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='train',
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='val',
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
