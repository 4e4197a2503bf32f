# RAF-DB and FERPlus as one training set of the seven expressions that both have, at 64x64 pixels
# for small nets on a CPU. Validates and tests on RAF-DB like rafdb_64.py, so that results show the
# effect of the other dataset.
_base_ = 'rafdb_64.py'

train_dataloader = dict(
    # Repeats rare classes of the joint dataset, as in rafdb_112.py.
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='ConcatDataset',
            datasets=[
                _base_.train_dataloader.dataset.dataset,
                dict(
                    type='FERPlus',
                    data_root='data/ferplus/',  # holds fer2013new.csv, and fer2013.csv or images/
                    split='train',
                    mode='majority',  # the label with more than half of the votes
                    # Faces of Contempt are skipped and counted in the log.
                    classes=(
                        *('Anger', 'Disgust', 'Fear', 'Sadness', 'Happiness', 'Surprise'),
                        'Neutral',
                    ),
                    pipeline=_base_.train_pipeline,
                ),
            ],
        )
    )
)
