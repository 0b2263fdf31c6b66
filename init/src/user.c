// Users and groups from /etc/passwd and /etc/group, if those are regular files: opening anything else could hang.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_TABLE = 4 << 20 };

// The whole file with a NUL at its end; NULL where there is none that can be read.
static char *read_table(const char *path) {
  int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return NULL;
  struct stat info;
  char *text = NULL;
  if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= MAX_TABLE &&
      (text = malloc(info.st_size + 1)) != NULL) {
    ssize_t have = 0, got = 0;
    while (have < info.st_size && (got = read(file, text + have, info.st_size - have)) > 0) have += got;
    text[have] = 0;
  }
  close(file);
  return text;
}

// Cuts the next line into fields at its colons. Returns what follows it, NULL at the end.
static char *next_entry(char *text, char **fields, int wanted) {
  while (*text != 0) {
    char *line = text, *end = strchr(text, '\n');
    text = end == NULL ? text + strlen(text) : end + 1;
    if (end != NULL) *end = 0;
    int count = 0;
    for (char *at = line; count < wanted; count++) {
      fields[count] = at;
      char *colon = strchr(at, ':');
      if (colon == NULL) {
        count++;
        break;
      }
      *colon = 0;
      at = colon + 1;
    }
    if (count == wanted) return text;
  }
  return NULL;
}

static bool parse_id(const char *text, uint32_t *id) {
  if (*text < '0' || *text > '9') return false;
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  // The last one means "leave as it is" to the kernel.
  if (errno != 0 || *end != 0 || number >= UINT32_MAX) return false;
  *id = number;
  return true;
}

static bool lists_member(char *members, const char *name) {
  for (char *rest, *member = strtok_r(members, ",", &rest); member != NULL; member = strtok_r(NULL, ",", &rest))
    if (strcmp(member, name) == 0) return true;
  return false;
}

static int find_group(const char *wanted, gid_t *gid) {
  char *text = read_table("/etc/group"), *fields[3];
  bool found = false;
  for (char *at = text; at != NULL && !found && (at = next_entry(at, fields, 3)) != NULL;)
    found = strcmp(fields[0], wanted) == 0 && parse_id(fields[2], gid);
  free(text);
  return found || parse_id(wanted, gid) ? 0 : EINVAL;
}

static void find_groups(const char *name, struct user *user) {
  char *text = read_table("/etc/group"), *fields[4];
  gid_t gid;
  for (char *at = text; at != NULL && (at = next_entry(at, fields, 4)) != NULL;)
    if (user->group_count < 64 && lists_member(fields[3], name) && parse_id(fields[2], &gid) && gid != user->gid)
      user->groups[user->group_count++] = gid;
  free(text);
}

int find_user(const char *wanted, struct user *found) {
  char name[256];
  const char *colon = strchr(wanted, ':');
  size_t length = colon == NULL ? strlen(wanted) : (size_t)(colon - wanted);
  if (length >= sizeof name) return EINVAL;
  memcpy(name, wanted, length);
  name[length] = 0;
  if (length == 0) strcpy(name, "0");

  *found = (struct user){.home = "/"};
  uint32_t number = 0;
  bool is_number = parse_id(name, &number), known = false;
  char *text = read_table("/etc/passwd"), *fields[6], entry[256] = "";
  for (char *at = text; at != NULL && !known && (at = next_entry(at, fields, 6)) != NULL;) {
    uint32_t uid, gid;
    if (!parse_id(fields[2], &uid) || !parse_id(fields[3], &gid)) continue;
    if (strcmp(fields[0], name) != 0 && !(is_number && uid == number)) continue;
    known = true;
    found->uid = uid;
    found->gid = gid;
    if (*fields[5] == '/' && strlen(fields[5]) < sizeof found->home) strcpy(found->home, fields[5]);
    if (strlen(fields[0]) < sizeof entry) strcpy(entry, fields[0]);
  }
  free(text);
  if (!known) {
    if (!is_number) return EINVAL;
    found->uid = number;
    if (number == 0) strcpy(found->home, "/root");
  }
  // As in the engine's exec: with an explicit group, the user has only that group.
  if (colon != NULL) return find_group(colon + 1, &found->gid);
  if (known) find_groups(entry, found);
  return 0;
}

int become(const struct user *user) {
  // Not the C library's functions: they synchronise threads, and write to memory that a vfork shares.
  if (syscall(SYS_setgroups, user->group_count, user->groups) != 0) return errno;
  if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) != 0) return errno;
  if (syscall(SYS_setresuid, user->uid, user->uid, user->uid) != 0) return errno;
  return 0;
}
