# Decoder of baselines and KT-Adapters: landmarks behind the paper's encoders, 224x224 pixels.
# The 98 points of WFLW.
decoder = dict(
    type='LandmarkHead',
    input_size=224,
    in_channels=1024,  # of the encoder's last map
    hidden_channels=(256,),  # one hidden layer
    dropout_rate=0.0,
    loss=dict(type='WingLoss'),  # in pixels of the input
)
