# Decoder of baselines and KT-Adapters: expression behind the paper's encoders, 224x224 pixels.
# Seven expressions.
decoder = dict(
    type='MLPClsHead',
    num_classes=7,
    in_channels=1024,  # of the encoder's last map
    hidden_channels=(256,),  # one hidden layer
    dropout_rate=0.0,
    loss=dict(type='CrossEntropyLoss'),
)
