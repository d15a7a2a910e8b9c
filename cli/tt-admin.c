/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tt-admin - how a person drives ttd.
 */
#include "cli/cmd.h"

int
main(int argc, char **argv)
{

	return (cmd_main(argc, argv));
}
