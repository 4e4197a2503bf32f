# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
