#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
TT_FAULT_SO="$TT_BIN/tests/libtt-fault-disk.so" exec "$TT_BIN/tests/e2e-disk"
