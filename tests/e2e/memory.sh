#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 10 s of it; the long form takes a minute.
[ -z "${TT_LONG:-}" ] || export TT_MEMORY_SECONDS=60
exec "$TT_BIN/tests/e2e-memory"
