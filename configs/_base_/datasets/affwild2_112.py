# Aff-Wild2 (annotations of 2021) at 112x112: frames labeled with an expression, with action units,
# or with both. Published protocol: trains on the training lists of both tracks and reports the
# validation lists, as the labels of the test set are not public; selecting the best iteration on
# them is optimistic. Augmentation as in rafdb_112.py, no oversampling.
_base_ = 'rafdb_112.py'

dataset_type = 'AffWild2'
data_root = 'data/affwild2/'  # annotations and cropped_aligned; see docs/datasets.md
tasks = ('expression', 'action_units')
# The paper's protocol: all training labels of both tracks. It leaks, because each track has its own
# split: some videos are for training in one and for validation in the other, and their faces,
# though not their expressions, are trained on. With 'expression' the expression track decides: the
# expressions for training and testing stay the same, and action units of such videos are dropped.
shared_videos = 'keep'

# Both labels. A missing one is -1, which losses and metrics ignore.
pack = dict(type='PackInputs', algorithm_keys=('gt_au',))
*augmentation, _ = _base_.train_pipeline
train_pipeline = [*augmentation, pack]
*load_and_resize, _ = _base_.test_pipeline
test_pipeline = [*load_and_resize, pack]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='train',
        tasks=tasks,
        shared_videos=shared_videos,
        frame_step=1,  # 10 reads every tenth frame; neighbors are nearly alike
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        split='val',
        tasks=tasks,
        shared_videos=shared_videos,
        frame_step=1,  # all frames, the official metric
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader

# The metrics of rafdb_112.py over the frames with an expression, and F1 of the action units over
# the frames with action units: au_f1/mean and au_f1/<unit>.
val_evaluator = [
    dict(type='LabeledOnly', metric=dict(type='Accuracy', topk=(1,))),
    dict(type='LabeledOnly', metric=dict(type='MeanClassAccuracy')),
    dict(type='LabeledOnly', metric=dict(type='SingleLabelMetric', items=('f1-score',))),
    dict(type='ActionUnitF1', threshold=0.5),
]
test_evaluator = [
    *val_evaluator,
    dict(type='LabeledOnly', metric=dict(type='ConfusionMatrix')),
]
