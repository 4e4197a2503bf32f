# The default runtime for schedules that count iterations instead of epochs.
_base_ = 'default_runtime.py'

default_hooks = dict(
    # Saves every 500 iterations, keeps the last 2.
    checkpoint=dict(by_epoch=False, interval=500),
    # The log counts iterations.
    logger=dict(log_metric_by_epoch=False),
)
log_processor = dict(by_epoch=False)
