# Decoder of baselines and KT-Adapters: expression behind the small encoders, 64x64 pixels.
# Seven expressions.
decoder = dict(
    type='MLPClsHead',
    num_classes=7,
    in_channels=128,  # of the encoder's last map
    hidden_channels=(64,),  # one hidden layer
    dropout_rate=0.0,
    loss=dict(type='CrossEntropyLoss'),
)
