# TransFER's schedule: SGD, batch 64, learning rate divided by 10 at epochs 15 and 30 of 40.
optim_wrapper = dict(
    type='OptimWrapper',
    # Weight decay applies to every parameter.
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=1e-4),
    # The TransFER paper has no clipping; this is APViT's.
    clip_grad=dict(max_norm=10, norm_type=2),
)

# The learning rate changes once per epoch, without warm-up.
param_scheduler = dict(type='MultiStepLR', milestones=[15, 30], gamma=0.1, by_epoch=True)

train_cfg = dict(by_epoch=True, max_epochs=40, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# `train.py --auto-scale-lr` scales the learning rate by the batch over all processes / 64.
auto_scale_lr = dict(base_batch_size=64, enable=False)
