# Drawn faces at 64x64 pixels with expressions and action units, as in synthface_64.py. As in
# Aff-Wild2, many are labeled for one of the tasks only. AU23 is not drawn and never labeled.
_base_ = 'synthface_64.py'

pack = dict(type='PackInputs', algorithm_keys=('gt_au',))
*augmentation, _ = _base_.train_pipeline
train_pipeline = [*augmentation, pack]
test_pipeline = [pack]

# Half of the images have one kind of label only, also in testing.
labels = dict(action_units=True, single_task=0.5)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **labels))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **labels))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, **labels))

# As in affwild2_112.py.
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
