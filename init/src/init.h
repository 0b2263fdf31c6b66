// What the parts of the init share. docs/init-protocol.md says what it does; docs/decisions/0035-init.md says why.
#ifndef CORDON_INIT_H
#define CORDON_INIT_H

#include <stdint.h>
#include <sys/types.h>

// files.c: does an operation of docs/init-protocol.md ("File operations") with the rights of the calling process. Input
// comes from descriptor 0, output goes to descriptor 1, both may block. Returns 0 or an errno.
int file_operation(int count, char **arguments);

#endif
