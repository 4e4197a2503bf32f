# Small nets from scratch on a CPU: SGD, batch 16, 12 epochs.
_base_ = 'adamw_12e.py'

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True, type='SGD', lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4
    ),
    # No weight decay for normalization and biases.
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0),
)
