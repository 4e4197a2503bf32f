# Small nets from scratch on a CPU: AdamW, batch 16, 12 epochs.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)

# 100 iterations of warm-up and a cosine to zero, both stepped every iteration.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=12, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]

train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# `train.py --auto-scale-lr` scales the learning rate by the batch over all processes / 16.
auto_scale_lr = dict(base_batch_size=16, enable=False)
