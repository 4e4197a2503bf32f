# What every run needs besides model, data and schedule. Hooks stand in `default_hooks`, which are
# named, so that a config or a command line changes one without repeating the others:
# --cfg-options default_hooks.checkpoint.interval=5

# Names of components are looked up in mmfer, then mmpretrain, then mmengine.
default_scope = 'mmfer'

default_hooks = dict(
    # Time per iteration and the remaining time in the log.
    timer=dict(type='IterTimerHook'),
    # A log line every 20 iterations and at the end of an epoch, so that small sets show progress.
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    # Steps the learning rate.
    param_scheduler=dict(type='ParamSchedulerHook'),
    # Saves every epoch, keeps the last 2. `save_best='NAME OF A METRIC'` keeps the best one as
    # well; validate on something else than the test set then.
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=2),
    # Shuffles differently in every epoch.
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Draws predictions during test when enabled (`tools/test.py --show-dir DIR` does).
    visualization=dict(type='VisualizationHook', enable=False),
    # After testing with the metric ConfusionMatrix: draws it and writes it as CSV.
    confusion_matrix=dict(type='ConfusionMatrixHook'),
    # Saves and restores random states, so that resuming is exact.
    random_state=dict(type='RandomStateHook'),
    # Lets a resumed run follow its config where that was changed: learning rate, schedule, batch.
    resume=dict(type='ResumeHook'),
    # Writes checkpoints that load with torch.load(..., weights_only=True).
    plain_checkpoint=dict(type='PlainCheckpointHook'),
    # Stops at the first loss, weight or prediction that is NaN or infinite, before it is saved.
    non_finite_loss=dict(type='NonFiniteLossHook'),
    # Refuses checkpoints whose class names differ from the data set's; check=False allows it.
    class_names=dict(type='ClassNamesHook', check=True),
    # Refuses checkpoints that fill less than half of the model's parameters, and to resume a run
    # from one of which anything is lost; 0 allows both.
    weights_match=dict(type='WeightsMatchHook', min_matched=0.5),
)

env_cfg = dict(
    # Let cuDNN time its algorithms first: pays off for fixed input sizes, costs exact repetition.
    cudnn_benchmark=False,
    # Workers are forked and each runs OpenCV in one thread: more would fight over the cores.
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # Between GPUs; without a GPU the tools use gloo.
    dist_cfg=dict(backend='nccl'),
)

# Where scalars and images go: files in the work folder. A config that inherits adds others in
# visualizer=dict(vis_backends=[...]); `vis_backends` alone has been copied by then.
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)

# DEBUG, INFO, WARNING or ERROR.
log_level = 'INFO'

# Checkpoint whose weights training starts from (a path or a URL); None starts from `init_cfg`.
load_from = None

# True goes on with a stopped run: from `load_from`, or without it from the newest checkpoint in the
# work folder that loads. `tools/train.py --resume` sets it.
resume = False

# One seed for everything. `deterministic=True` also forbids algorithms that are not repeatable.
randomness = dict(seed=0, deterministic=False)
