# Drawn faces at 64x64 pixels with valence and arousal, as in synthface_64.py. Both are sums over
# the drawn muscles, see docs/datasets.md.
_base_ = 'synthface_64.py'

pack = dict(type='PackInputs', algorithm_keys=('gt_valence_arousal',))
*augmentation, _ = _base_.train_pipeline
train_pipeline = [*augmentation, pack]
test_pipeline = [pack]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline, valence_arousal=True))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, valence_arousal=True))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, valence_arousal=True))

# va/ccc, the mean of va/ccc_valence and va/ccc_arousal; rmse, pearson and sagr, too. To keep the
# best epoch: default_hooks.checkpoint.save_best=va/ccc default_hooks.checkpoint.rule=greater
val_evaluator = [dict(type='CCC')]
test_evaluator = val_evaluator
