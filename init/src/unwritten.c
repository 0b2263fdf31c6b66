// Until files.c is there.
#include "init.h"

#include <errno.h>

__attribute__((weak)) int file_operation(int count, char **arguments) {
  (void)count, (void)arguments;
  return ENOSYS;
}
