# Small nets that start from trained weights: adamw_12e.py with 3 epochs.
_base_ = 'adamw_12e.py'

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=3, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]

train_cfg = dict(max_epochs=3)
