#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"

// Names of folders that are still to be entered, and the folders that are entered.
#define MOST_NAMES (16 * 1024 * 1024)
#define MOST_LEVELS (16 * 1024 * 1024)

#define FOLDER (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

// A record of the kernel's getdents64.
struct record {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

struct level {
  dev_t device;
  ino_t inode;
  size_t name;   // of the folder itself among the names
  size_t first;  // of the folders in it
  size_t path;   // length of its path
};

bool walk_skips(const struct walk *walk, const char *name) {
  if (!walk->all && temporary(name)) return true;
  for (int i = 0; i < walk->skips; i++) {
    if (fnmatch(walk->skip[i], name, 0) == 0) return true;
  }
  return false;
}

static bool name_path(struct walk *walk, size_t above, const char *name) {
  if (walk->pathless) return true;
  size_t length = strlen(name), slash = above > 0;
  if (above + slash + length > LONGEST_PATH) return false;
  if (slash) walk->path[above] = '/';
  memcpy(walk->path + above + slash, name, length + 1);
  walk->length = above + slash + length;
  return true;
}

// Reads a whole folder: keeps the names of folders to be entered, and visits the rest.
static int read_folder(struct walk *walk, int folder, bool deeper, struct heap *names) {
  static _Alignas(struct record) char block[32 * 1024];
  const size_t above = walk->length;
  for (;;) {
    long size = syscall(SYS_getdents64, folder, block, sizeof block);
    if (size < 0) return walk->strict ? errno : 0;
    if (size == 0) return 0;
    for (long at = 0; at < size;) {
      const struct record *record = (const struct record *)(block + at);
      const char *name = record->name;
      struct stat st = {.st_mode = DTTOIF(record->type)};
      bool known = walk->kinds || (deeper && record->type == DT_DIR);
      int error = 0;
      at += record->length;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || walk_skips(walk, name)) continue;
      if ((!known || record->type == DT_UNKNOWN) &&
          fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        error = errno == ENOENT || !walk->strict ? 0 : errno;
      } else if (deeper && S_ISDIR(st.st_mode)) {
        error = heap_add(names, name, strlen(name) + 1, MOST_NAMES);
      } else if (name_path(walk, above, name)) {
        error = walk->visit(walk, folder, name, &st);
      } else if (walk->strict) {
        error = ENAMETOOLONG;
      }
      walk->length = above;
      if (error) return error;
    }
  }
}

// A folder that can be entered and left again.
static int open_below(int folder, const char *name, int *below, struct stat *st) {
  *below = openat(folder, name, O_RDONLY | FOLDER);
  if (*below < 0) return errno;
  if (fstatat(*below, ".", st, 0) == 0) return 0;
  int error = errno;
  close(*below);
  return error;
}

// One descriptor at a time, and no recursion: a tree may be deeper than either would allow.
int walk_folder(struct walk *walk, int top) {
  struct heap names = {0}, levels = {0};
  struct level level = {0};
  struct stat st;
  int folder, error = open_below(top, ".", &folder, &st);
  if (error) return error;
  size_t depth = 1;
  walk->length = 0;
  if (walk->prefix && !name_path(walk, 0, walk->prefix)) error = ENAMETOOLONG;
  level.path = walk->length;
  level.device = st.st_dev;
  level.inode = st.st_ino;
  if (!error) error = read_folder(walk, folder, walk->depth != 1, &names);
  while (!error) {
    if (names.length > level.first) {
      size_t start = names.length - 1;
      while (start > level.first && names.at[start - 1] != '\0') start--;
      int below, reason = open_below(folder, names.at + start, &below, &st);
      bool named = name_path(walk, level.path, names.at + start);
      if (reason && fstatat(folder, names.at + start, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        error = errno == ENOENT || !walk->strict ? 0 : errno;
      } else if (!named) {
        error = walk->strict ? ENAMETOOLONG : 0;
      } else {
        error = walk->visit(walk, folder, names.at + start, &st);
        if (!error && reason) error = walk->strict ? reason : 0;
        if (!error && reason && walk->leave)
          error = walk->leave(walk, folder, names.at + start, reason);
        if (!error && !reason && walk->enter) error = walk->enter(walk, below);
      }
      if (reason == 0 && (error || !named)) close(below);
      if (reason || !named || error) {
        names.length = start;
        continue;
      }
      close(folder);
      folder = below;
      error = heap_add(&levels, &level, sizeof level, MOST_LEVELS);
      level = (struct level){st.st_dev, st.st_ino, start, names.length, walk->length};
      depth++;
      if (!error) {
        error = read_folder(walk, folder, walk->depth == 0 || (int64_t)depth < walk->depth, &names);
      }
    } else if (depth == 1) {
      break;
    } else {
      int above = openat(folder, "..", O_PATH | FOLDER);
      error = above < 0 || fstat(above, &st) != 0 ? errno : 0;
      close(folder);
      folder = above;
      const size_t name = level.name;
      depth--;
      levels.length -= sizeof level;
      memcpy(&level, levels.at + levels.length, sizeof level);
      // Somebody has moved the folder while it was looked into.
      if (!error && (st.st_dev != level.device || st.st_ino != level.inode)) error = ESTALE;
      if (!error && walk->leave) error = walk->leave(walk, folder, names.at + name, 0);
      names.length = name;
      walk->length = level.path;
    }
  }
  if (folder >= 0) close(folder);
  free(names.at);
  free(levels.at);
  return error;
}
