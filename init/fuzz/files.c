// Unpacking and writing what nobody would pack. Whatever comes: nothing outside of the folder is touched.
#define _GNU_SOURCE
#include <ftw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
// For what it has buffered, which is another process's in the next run.
#include "../src/io.c"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../src/init.h"

#define INSIDE "/tmp/inside"
#define OUTSIDE "/tmp/outside"
#define SECRET OUTSIDE "/secret"

static uint8_t stream[1 << 18];
static size_t stream_length;
static struct stat outside, secret;

static void add(const void *bytes, size_t length) {
  if (length > sizeof stream - stream_length) length = sizeof stream - stream_length;
  memcpy(stream + stream_length, bytes, length);
  stream_length += length;
}

static void add_number(uint64_t number, int size) {
  uint8_t bytes[8];
  for (int i = 0; i < size; i++) bytes[i] = number >> (8 * i);
  add(bytes, size);
}

static void add_text(const char *text) {
  add_number(strlen(text), 4);
  add(text, strlen(text));
}

// A well-formed entry for each five bytes, with names that meet again: links are made, and then gone through.
static void add_entries(const uint8_t *at, const uint8_t *end) {
  static const char *const paths[] = {"a", "b", "a/b", "b/a", "a/b/c", "a/secret", "b/secret", "a/b/secret", "a/..", "/tmp/outside/x", "a//b", "../outside/x"};
  static const char *const targets[] = {"a", "b", "a/b", "..", "/tmp/outside", "../outside", "/tmp/outside/secret", "../outside/secret", "../../outside/secret", ""};
  for (; end - at >= 5; at += 5) {
    const char *path = paths[at[1] % 12], *target = targets[at[2] % 10];
    char type = "fdlho"[at[0] % 5];
    add_number(49 + strlen(path) + strlen(target), 4);
    add(&type, 1);
    add_number(at[3] * 64, 4);
    add_number(at[4] % 2, 4);
    add_number(at[4] / 2 % 2, 4);
    add_number(at[4], 8);
    add_number(at[4] * 1000, 8);
    add_number(at[4], 4);
    add_number(at[4] % 4, 8);
    add_text(path);
    add_text(target);
    if (type == 'f') add_text(at[4] % 3 == 0 ? "" : "content");
    if (type == 'f' && at[4] % 3 != 0) add_number(0, 4);
  }
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *where) {
  (void)st, (void)kind, (void)where;
  return remove(path);
}

static bool same(const struct stat *one, const struct stat *other) {
  return one->st_mode == other->st_mode && one->st_uid == other->st_uid && one->st_nlink == other->st_nlink &&
         one->st_size == other->st_size && one->st_ino == other->st_ino &&
         memcmp(&one->st_mtim, &other->st_mtim, sizeof one->st_mtim) == 0 && memcmp(&one->st_ctim, &other->st_ctim, sizeof one->st_ctim) == 0;
}

static void set_up(void) {
  int nothing = open("/dev/null", O_WRONLY);
  assert(mkdir(OUTSIDE, 0755) == 0 && nothing >= 0 && dup2(nothing, 1) == 1);
  int file = open(SECRET, O_WRONLY | O_CREAT, 0644);
  assert(write(file, "secret", 6) == 6);
  close(file);
  assert(stat(OUTSIDE, &outside) == 0 && stat(SECRET, &secret) == 0);
  file = memfd_create("input", 0);
  assert(file >= 0 && dup2(file, 0) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (outside.st_ino == 0) set_up();
  in.from = in.to = out.length = stream_length = 0;
  unsigned kind = length == 0 ? 0 : bytes[0] % 4;
  if (kind == 0 && length > 0) add(bytes + 1, length - 1);
  if (kind > 0) add_entries(bytes + 1, bytes + length);
  assert(ftruncate(0, 0) == 0 && pwrite(0, stream, stream_length, 0) == (ssize_t)stream_length && lseek(0, 0, SEEK_SET) == 0);
  assert(mkdir(INSIDE, 0755) == 0);
  char *unpack[] = {"unpack", INSIDE, NULL}, *write[] = {"write", INSIDE "/a/b", "644", "1", "2", NULL};
  if (kind < 3) file_operation(2, unpack);
  else file_operation(5, write);

  // A process that has ended has no descriptors either.
  syscall(SYS_close_range, 3, ~0u, 0);
  struct stat outside_now, secret_now;
  assert(stat(OUTSIDE, &outside_now) == 0 && stat(SECRET, &secret_now) == 0);
  assert(same(&outside, &outside_now) && same(&secret, &secret_now));
  assert(nftw(INSIDE, drop, 16, FTW_DEPTH | FTW_PHYS) == 0);
  return 0;
}
