# A small APViT on FERPlus from scratch, for CPUs: six in seven faces right within the hour.
_base_ = [
    '../_base_/models/apvit_ir18-vit-tiny.py',
    '../_base_/datasets/ferplus_48.py',
    '../_base_/schedules/sgd_ema_30e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        # 48x48 pixels -> 128 channels on a 6x6 grid. A processor's time goes to large maps: the
        # stem has stride 2.
        cnn=dict(
            _delete_=True,
            type='SmallImageResNet',
            depth=18,
            num_stages=3,
            stem_channels=32,
            base_channels=32,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
            zero_init_residual=False,
        ),
        img_size=48,
        app=dict(keep_num=28),
        atp=dict(keep_rate=0.8),
    ),
    head=dict(num_classes=8, loss=dict(use_soft=True)),
)
