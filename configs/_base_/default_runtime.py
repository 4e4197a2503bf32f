# Everything a run needs besides model, data and schedule. `default_hooks` are named, so that a
# config or a command line can change one of them without repeating the others:
# --cfg-options default_hooks.checkpoint.interval=5

# Names of components are looked up in mmfer, then mmpretrain, then mmengine.
default_scope = 'mmfer'

default_hooks = dict(
    # Time per iteration and the remaining time in the log.
    timer=dict(type='IterTimerHook'),
    # A log line every 20 iterations and at the end of an epoch, so that small sets show progress.
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    # Updates the learning rate.
    param_scheduler=dict(type='ParamSchedulerHook'),
    # Saves every epoch, keeps the last 2. `save_best='NAME OF A METRIC'` also keeps the best one;
    # then do not validate on the test set.
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=2),
    # Shuffles differently in every epoch.
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Draws predictions during test when enabled (`tools/test.py --show-dir DIR` does).
    visualization=dict(type='VisualizationHook', enable=False),
    # After testing with the metric ConfusionMatrix: draws it and writes it as CSV.
    confusion_matrix=dict(type='ConfusionMatrixHook'),
    # Saves and restores random states, so that resuming is exact.
    random_state=dict(type='RandomStateHook'),
    # Applies changes of the config to a resumed run: learning rate, schedule, batch size.
    resume=dict(type='ResumeHook'),
    # Writes checkpoints that load with torch.load(..., weights_only=True).
    plain_checkpoint=dict(type='PlainCheckpointHook'),
    # Stops at the first loss, weight or prediction that is NaN or infinite, before it is saved.
    non_finite_loss=dict(type='NonFiniteLossHook'),
    # Rejects checkpoints whose class names differ from the dataset's; check=False allows them.
    class_names=dict(type='ClassNamesHook', check=True),
    # Rejects checkpoints with less than half of the model's parameters and, for resuming,
    # incomplete ones; 0 allows both.
    weights_match=dict(type='WeightsMatchHook', min_matched=0.5),
)

env_cfg = dict(
    # True lets cuDNN time its algorithms first: faster for fixed input sizes, but not repeatable.
    cudnn_benchmark=False,
    # Workers are forked; OpenCV uses one thread in each, as more would compete for the cores.
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # For GPUs; without a GPU the tools use gloo.
    dist_cfg=dict(backend='nccl'),
)

# Scalars and images are written to files in the work folder. To add a backend in a config that
# inherits, set visualizer=dict(vis_backends=[...]); setting `vis_backends` alone has no effect.
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)

# DEBUG, INFO, WARNING or ERROR.
log_level = 'INFO'

# Checkpoint with the starting weights (a path or a URL); None uses `init_cfg`.
load_from = None

# True resumes a stopped run: from `load_from` or, without it, from the newest loadable checkpoint
# in the work folder. `tools/train.py --resume` sets it.
resume = False

# The seed of everything. `deterministic=True` also forbids algorithms that are not repeatable.
randomness = dict(seed=0, deterministic=False)
