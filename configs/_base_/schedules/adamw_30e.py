# Full-size baselines from ImageNet weights, batch 32: AdamW, 30 epochs. The KT-Adapter paper does
# not say how its baselines were trained.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    # No weight decay for normalization and biases.
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0, norm_type=2),
)

# One epoch of warm-up and a cosine to zero, both stepped every iteration.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=30, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]

train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# `train.py --auto-scale-lr` scales the learning rate by the batch over all processes / 32.
auto_scale_lr = dict(base_batch_size=32, enable=False)
