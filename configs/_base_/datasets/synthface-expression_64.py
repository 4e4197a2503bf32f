# Seven expressions on drawn faces at 64x64 pixels, for small nets on a CPU. People and difficulty
# are the same for all four tasks.
_base_ = 'synthface_64.py'

train_pipeline = [
    # Scales and shifts slightly; like the next transform, it moves the landmarks with the image.
    dict(
        type='RandomCropFace',
        kind='tight',
        size=64,
        source='image',  # relative to the image, which is already cropped to the face
        scale=1.0,
        shift=(0.0, 0.0),
        scale_range=(0.9, 1.0),
        max_shift=0.04,
        border='replicate',
    ),
    dict(type='RandomFlipFace', prob=0.5),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

faces = dict(
    task='expression',
    crop='tight',  # little but the face, the paper's crop for this task
    num_identities=100,
)
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline, **faces))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **faces))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, **faces))

val_evaluator = [
    dict(type='Accuracy', topk=(1,)),  # accuracy/top1: share of correct predictions, in percent
    dict(type='SingleLabelMetric', items=('f1-score',)),  # single-label/f1-score: macro F1
]
test_evaluator = val_evaluator
