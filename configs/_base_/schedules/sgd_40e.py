# The paper's schedule (Sec. 4.2): SGD, batch 128, cosine to zero, 40 epochs.
optim_wrapper = dict(
    type='OptimWrapper',
    # Weight decay applies to every parameter, as in the released code.
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    # "Gradient clipping of 10 based on the L2-norm is helpful."
    clip_grad=dict(max_norm=10, norm_type=2),
)

# The learning rate changes once per epoch, without warm-up.
param_scheduler = dict(type='CosineAnnealingLR', T_max=40, eta_min=0, by_epoch=True)

train_cfg = dict(by_epoch=True, max_epochs=40, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# `train.py --auto-scale-lr` scales the learning rate by the batch over all processes / 128.
auto_scale_lr = dict(base_batch_size=128, enable=False)
