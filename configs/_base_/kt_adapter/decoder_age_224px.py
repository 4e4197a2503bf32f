# Decoder of baselines and KT-Adapters: age behind the paper's encoders, 224x224 pixels.
# Years.
decoder = dict(
    type='AgeHead',
    in_channels=1024,  # of the encoder's last map
    hidden_channels=(256,),  # one hidden layer
    dropout_rate=0.0,
    loss=dict(type='WingLoss'),  # in years
)
