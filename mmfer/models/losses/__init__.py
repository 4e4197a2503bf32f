# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from .wing_loss import WingLoss, wing

__all__ = ['WingLoss', 'wing']
