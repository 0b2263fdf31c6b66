// A file operation as a program of its own, for tests: its exit code is the errno.
#include "../src/init.h"

#include <signal.h>

int main(int count, char **arguments) {
  signal(SIGPIPE, SIG_IGN);
  return file_operation(count - 1, arguments + 1);
}
