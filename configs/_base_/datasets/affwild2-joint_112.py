# All three tracks of Aff-Wild2 at 112x112: expressions, action units, valence and arousal.
# Protocol, with its leaks between tracks (shared_videos), as in affwild2_112.py.
_base_ = 'affwild2_112.py'

tasks = ('expression', 'action_units', 'valence_arousal')

# All labels. A missing one is -1 (NaN for valence and arousal), which losses and metrics ignore.
pack = dict(type='PackInputs', algorithm_keys=('gt_au', 'gt_valence_arousal'))
*augmentation, _ = _base_.train_pipeline
train_pipeline = [*augmentation, pack]
*load_and_resize, _ = _base_.test_pipeline
test_pipeline = [*load_and_resize, pack]

train_dataloader = dict(dataset=dict(tasks=tasks, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(tasks=tasks, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(tasks=tasks, pipeline=test_pipeline))

# Those of synthface-va_64.py in addition to those of affwild2_112.py.
val_evaluator = [*_base_.val_evaluator, dict(type='CCC')]
test_evaluator = [*_base_.test_evaluator, dict(type='CCC')]
