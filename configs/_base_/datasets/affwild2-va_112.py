# Aff-Wild2's track of valence and arousal at 112x112, read as in affwild2_112.py: trains on the
# training list and reports the validation list, as the labels of the test set are not public.
_base_ = 'affwild2_112.py'

tasks = ('valence_arousal',)

pack = dict(type='PackInputs', algorithm_keys=('gt_valence_arousal',))
*augmentation, _ = _base_.train_pipeline
train_pipeline = [*augmentation, pack]
*load_and_resize, _ = _base_.test_pipeline
test_pipeline = [*load_and_resize, pack]

train_dataloader = dict(dataset=dict(tasks=tasks, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(tasks=tasks, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(tasks=tasks, pipeline=test_pipeline))

# As in synthface-va_64.py, over all frames of the list at once.
val_evaluator = [dict(type='CCC')]
test_evaluator = val_evaluator
