#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "files.h"

#define PLACE (O_PATH | O_DIRECTORY | O_CLOEXEC)

int parse_number(const char *text, int base, int64_t least, int64_t most, int64_t *number) {
  char *end;
  const char *digits = *text == '-' ? text + 1 : text;
  if (*digits < '0' || *digits > '9') return EINVAL;
  errno = 0;
  long long value = strtoll(text, &end, base);
  if (errno != 0 || *end != '\0' || value < least || value > most) return EINVAL;
  *number = value;
  return 0;
}

// A folder to be used as a place only; links are followed as ever.
int open_folder(int base, const char *path, bool make, int *folder) {
  char rest[PATH_MAX], *save = NULL;
  *folder = openat(base, path, PLACE);
  if (*folder >= 0) return 0;
  if (errno != ENOENT || !make) return errno;
  size_t length = strlen(path);
  if (length >= sizeof rest) return ENAMETOOLONG;
  memcpy(rest, path, length + 1);
  int at = openat(base, *path == '/' ? "/" : ".", PLACE);
  for (char *name = strtok_r(rest, "/", &save); at >= 0 && name != NULL;
       name = strtok_r(NULL, "/", &save)) {
    int next = openat(at, name, PLACE), error = errno;
    if (next < 0 && error == ENOENT) {
      if (mkdirat(at, name, 0777) == 0 || errno == EEXIST) {
        next = openat(at, name, PLACE);
        // A link that leads nowhere.
        error = errno == ENOENT ? ENOTDIR : errno;
      } else {
        error = errno;
      }
    }
    close(at);
    at = next;
    if (at < 0) return error;
  }
  *folder = at;
  return at < 0 ? errno : 0;
}

// A folder below another one, by a path without `..`; links are followed nowhere.
int descend(int from, const char *path, size_t length, bool make, int *folder) {
  int at = openat(from, ".", PLACE | O_NOFOLLOW);
  for (size_t start = 0; at >= 0 && start < length;) {
    const char *slash = memchr(path + start, '/', length - start);
    size_t part = slash ? (size_t)(slash - path) - start : length - start;
    char name[256];
    if (part > 255) part = 255;
    memcpy(name, path + start, part);
    name[part] = '\0';
    int next = openat(at, name, PLACE | O_NOFOLLOW);
    if (next < 0 && errno == ENOENT && make && (mkdirat(at, name, 0777) == 0 || errno == EEXIST)) {
      next = openat(at, name, PLACE | O_NOFOLLOW);
    }
    int error = errno;
    close(at);
    at = next;
    if (at < 0) return error;
    start += part + 1;
  }
  *folder = at;
  return at < 0 ? errno : 0;
}

// Splits a path into its folder and the name in it. Trailing slashes are ignored.
int open_parent(int base, const char *path, bool make, int *folder, char name[256]) {
  char above[PATH_MAX];
  size_t length = strlen(path);
  while (length > 0 && path[length - 1] == '/') length--;
  size_t start = length;
  while (start > 0 && path[start - 1] != '/') start--;
  if (length - start > 255 || start >= sizeof above) return ENAMETOOLONG;
  memcpy(name, path + start, length - start);
  name[length - start] = '\0';
  if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return EINVAL;
  memcpy(above, path, start);
  above[start] = '\0';
  return open_folder(base, start == 0 ? "." : above, make, folder);
}

static int regular(const struct stat *st) {
  return S_ISREG(st->st_mode) ? 0 : S_ISDIR(st->st_mode) ? EISDIR : ENXIO;
}

// Opens a regular file for reading. Other files are not even opened: the writer of a FIFO would notice.
int open_regular(int folder, const char *name, bool follow, int *file, struct stat *st) {
  if (fstatat(folder, name, st, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) return errno;
  int error = regular(st);
  if (error) return error;
  int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  *file = openat(folder, name, follow ? flags : flags | O_NOFOLLOW);
  if (*file < 0) return errno;
  error = fstat(*file, st) != 0 ? errno : regular(st);
  if (error) close(*file);
  return error;
}

int temporary_name(char name[32]) {
  uint64_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return EIO;
  snprintf(name, 32, ".cordon-%016llx", (unsigned long long)random);
  return 0;
}

bool temporary(const char *name) { return strncmp(name, ".cordon-", 8) == 0; }

char type_of(const struct stat *st) {
  return S_ISREG(st->st_mode) ? 'f' : S_ISDIR(st->st_mode) ? 'd' : S_ISLNK(st->st_mode) ? 'l' : 'o';
}
