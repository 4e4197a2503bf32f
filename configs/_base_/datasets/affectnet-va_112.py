# AffectNet with valence and arousal at 112x112: all images labeled with them, also those without a
# class. Lists, crops and augmentation as in affectnet-7_112.py. No oversampling, which needs
# classes.
_base_ = 'affectnet-7_112.py'

pack = dict(type='PackInputs', algorithm_keys=('gt_valence_arousal',))
*augmentation, _ = _base_.train_pipeline
train_pipeline = [*augmentation, pack]
*load_and_resize, _ = _base_.test_pipeline
test_pipeline = [*load_and_resize, pack]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=_base_.dataset_type,
        data_root=_base_.data_root,
        split='train',
        valence_arousal=True,
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(dataset=dict(valence_arousal=True, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(valence_arousal=True, pipeline=test_pipeline))

# As in synthface-va_64.py.
val_evaluator = [dict(type='CCC')]
test_evaluator = val_evaluator
