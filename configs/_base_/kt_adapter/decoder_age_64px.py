# Decoder of baselines and KT-Adapters: age behind the small encoders, 64x64 pixels.
# Years.
decoder = dict(
    type='AgeHead',
    in_channels=128,  # of the encoder's last map
    hidden_channels=(64,),  # one hidden layer
    dropout_rate=0.0,
    loss=dict(type='WingLoss'),  # in years
)
