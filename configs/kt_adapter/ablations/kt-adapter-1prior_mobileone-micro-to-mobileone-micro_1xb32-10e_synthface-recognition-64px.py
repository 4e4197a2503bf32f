# Table 5, M, "1 encoder": the first of the three priors only, for recognition.
_base_ = '../kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-recognition-64px.py'
model = dict(num_priors=1)
