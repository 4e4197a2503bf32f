# Decoder of baselines and KT-Adapters: landmarks behind the small encoders, 64x64 pixels.
# The 98 points of WFLW.
decoder = dict(
    type='LandmarkHead',
    input_size=64,
    in_channels=128,  # of the encoder's last map
    hidden_channels=(64,),  # one hidden layer
    dropout_rate=0.0,
    loss=dict(type='WingLoss'),  # in pixels of the input
)
