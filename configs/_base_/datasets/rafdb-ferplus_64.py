# RAF-DB and FERPlus as one training set of the seven expressions that both have, at 64x64 pixels
# for small nets on a CPU. Validated and tested on RAF-DB, as rafdb_64.py is, so that results show
# what the other set adds.
_base_ = 'rafdb_64.py'

train_dataloader = dict(
    # Rare classes of both together appear more often, as in rafdb_112.py.
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
                    mode='majority',  # the label that more than half of the votes are for
                    # Faces of Contempt are skipped, and the log has their number.
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
