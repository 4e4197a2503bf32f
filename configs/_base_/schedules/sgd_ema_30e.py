# Small nets from scratch on a CPU, in bfloat16: SGD, batch 128, 30 epochs, averaged weights.
optim_wrapper = dict(
    # In float32 on a CPU without bfloat16 instructions.
    type='BFloat16OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
    # No weight decay for normalization and biases.
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)

# 300 iterations of warm-up and a cosine to zero, both stepped every iteration.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=300),
    dict(type='CosineAnnealingLR', T_max=30, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]

custom_hooks = [
    # A tenth to a quarter less time per step on CPUs.
    dict(type='ChannelsLastHook'),
    # Validates, tests and saves averages of about the last 500 iterations.
    dict(
        type='EMAHook',
        ema_type='MomentumAnnealingEMA',
        momentum=0.002,
        gamma=10,  # in the first 5000 iterations it averages the last tenth of those so far
        update_buffers=True,
    ),
]

train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# `train.py --auto-scale-lr` scales the learning rate by the batch over all processes / 128.
auto_scale_lr = dict(base_batch_size=128, enable=False)
