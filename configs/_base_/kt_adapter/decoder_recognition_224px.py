# Decoder of baselines and KT-Adapters: recognition behind the paper's encoders, 224x224 pixels.
# People; verification compares their features (with_feat).
decoder = dict(
    type='MLPClsHead',
    num_classes=500,  # of CFP
    in_channels=1024,  # of the encoder's last map
    hidden_channels=(256,),  # one hidden layer
    dropout_rate=0.0,
    loss=dict(type='CrossEntropyLoss'),
    with_feat=True,
)
