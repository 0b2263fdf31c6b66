// A supervisor up to the start of a program: what a command asks for, and users as hostile tables have them.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static jmp_buf back;
#define _exit(code) longjmp(back, 1)
#define vfork() (errno = EAGAIN, -1)
#include "../src/init.h"
#define become(user) ((user)->group_count > 64)
#include "../src/supervisor.c"

#include <assert.h>
#include <sys/stat.h>

int file_operation(int count, char **arguments) {
  assert(arguments[count] == NULL);
  return 0;
}

struct piece {
  const uint8_t *at;
  uint32_t length;
};

// Cuts off what is before the next 255.
static struct piece next_piece(struct piece *rest) {
  const uint8_t *end = rest->length == 0 ? NULL : memchr(rest->at, 255, rest->length);
  struct piece found = {rest->at, end == NULL ? rest->length : (uint32_t)(end - rest->at)};
  uint32_t used = found.length + (end != NULL);
  *rest = (struct piece){rest->at + used, rest->length - used};
  return found;
}

// The same over and over: names that are too long, and too many groups.
static void write_table(const char *path, struct piece content) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  for (int i = 0; i < 70; i++) assert(write(file, content.at, content.length) == (ssize_t)content.length);
  close(file);
}

static uint8_t *put_piece(uint8_t *at, struct piece piece) {
  at = put_number(at, piece.length, 4);
  memcpy(at, piece.at, piece.length);
  return at + piece.length;
}

// A well-formed order of the pieces.
static uint8_t *put_order(uint8_t *at, struct piece rest, bool file) {
  struct piece user = next_piece(&rest), list[64];
  uint32_t count = 0;
  if (!file) at = put_number(at, (BARE | SCRIPT) & user.length << 2, 1);
  at = put_number(at, 0, file ? 4 : 8);
  if (!file) at = put_number(at, 0, 4);
  at = put_piece(at, user);
  if (!file) at = put_piece(at, next_piece(&rest));
  while (rest.length > 0 && count < 64) list[count++] = next_piece(&rest);
  for (int i = file; i < 2; i++) {
    at = put_number(at, count, 4);
    for (uint32_t j = 0; j < count; j++) at = put_piece(at, list[j]);
  }
  return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (length == 0) return 0;
  if (control == 0) {
    mkdir("/etc", 0755);
    control = open("/dev/null", O_RDWR);
  }
  struct piece rest = {bytes + 1, length - 1};
  write_table("/etc/passwd", next_piece(&rest));
  write_table("/etc/group", next_piece(&rest));
  static uint8_t order[1 << 16];
  bool file = bytes[0] & 1;
  uint8_t *end = order;
  if (bytes[0] & 2) end = put_order(order, rest, file);
  else memcpy(order, rest.at, rest.length), end += rest.length;
  // Of its own size, so that a byte too many is seen.
  uint8_t *payload = malloc(end - order + 1);
  memcpy(payload, order, end - order);
  struct reader reader = {payload, payload + (end - order), false};
  if (setjmp(back) == 0) {
    if (file) do_file_operation(&reader);
    else start_program(&reader, &(unsigned){0}, &(pid_t){0});
  }
  free(payload);
  // What an end on the way left open, until there would be no more.
  close_from(control + 1);
  return 0;
}
