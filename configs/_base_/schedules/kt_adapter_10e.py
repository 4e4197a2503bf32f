# The small adapter on a CPU, batch 32: AdamW, 10 epochs. With so few steps, the published learning
# rate of 1e-5 would hardly change adapter and decoder.
_base_ = 'adamw_20e.py'
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=10, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10)
