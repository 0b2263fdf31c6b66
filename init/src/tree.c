#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

#define PLACE (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

// Files with several names that are told from others while packing; one more is packed as a file of its own.
#define MOST_LINKED (64 * 1024)
#define MOST_LINKED_NAMES (16 * 1024 * 1024)
// The limit of the folders whose attributes are kept until everything is unpacked.
#define MOST_FOLDERS (32 * 1024 * 1024)
// The largest entry: its numbers, its path, a link's target, and additions of later versions.
#define MOST_ENTRY (72 * 1024)

// The input's chunks as a file: whole or not at all.
int input_file(int folder, const char *name, struct attributes wanted) {
  char beside[32];
  int error = temporary_name(beside);
  if (error) return error;
  int file = openat(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  error = input_chunks(file);
  // Bits that give away an owner's rights are of no other owner.
  if (!error && wanted.own && fchown(file, wanted.user, wanted.group) != 0) wanted.mode &= 01777;
  if (!error && fchmod(file, wanted.mode) != 0) error = errno;
  if (!error && futimens(file, wanted.times) != 0) error = errno;
  if (close(file) != 0 && !error) error = errno;
  if (!error && renameat(folder, beside, folder, name) != 0) error = errno;
  if (error) unlinkat(folder, beside, 0);
  return error;
}

// --- Packing

struct linked {
  dev_t device;
  ino_t inode;
  size_t path;  // where it is among the paths, and one: 0 is a free slot
};

struct packing {
  struct linked *linked;
  size_t count;
  struct heap paths;
  bool whole;
};

// The path under which the file was packed already, or NULL.
static const char *packed_as(struct packing *packing, const struct stat *st, const char *path) {
  const size_t slots = 2 * MOST_LINKED;
  if (!packing->linked) packing->linked = calloc(slots, sizeof *packing->linked);
  if (!packing->linked) return NULL;
  size_t slot = (st->st_ino * 0x9e3779b97f4a7c15u ^ st->st_dev) % slots;
  for (struct linked *at; (at = &packing->linked[slot])->path != 0; slot = (slot + 1) % slots) {
    if (at->device == st->st_dev && at->inode == st->st_ino) return packing->paths.at + at->path - 1;
  }
  size_t start = packing->paths.length;
  if (packing->count < MOST_LINKED &&
      heap_add(&packing->paths, path, strlen(path) + 1, MOST_LINKED_NAMES) == 0) {
    packing->linked[slot] = (struct linked){st->st_dev, st->st_ino, start + 1};
    packing->count++;
  }
  return NULL;
}

static int pack_visit(struct walk *walk, int folder, const char *name, const struct stat *st) {
  struct packing *packing = walk->data;
  if (S_ISLNK(st->st_mode)) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(folder, name, target, sizeof target - 1);
    if (length < 0) return errno == ENOENT || errno == EINVAL ? 0 : errno;
    target[length] = '\0';
    return output_entry('l', st, walk->path, target);
  }
  if (!S_ISREG(st->st_mode)) {
    if (packing->whole && !S_ISDIR(st->st_mode)) return EXDEV;
    return output_entry(type_of(st), st, walk->path, "");
  }
  struct stat now;
  int file, error = open_regular(folder, name, false, &file, &now);
  // It is gone, or another kind of file by now.
  if (error == ENOENT || error == ELOOP || error == ENXIO || error == EISDIR) return 0;
  if (error) return error;
  const char *first = now.st_nlink > 1 ? packed_as(packing, &now, walk->path) : NULL;
  if (first) {
    error = output_entry('h', &now, walk->path, first);
  } else {
    error = output_entry('f', &now, walk->path, "");
    // No more than it had: a log may grow faster than it is read.
    if (!error) error = output_content(file, (uint64_t)now.st_size, true);
  }
  close(file);
  return error;
}

// Packs the content of a folder, or a single entry of it under another name and without exclusions.
int pack(int folder, const char *single, const char *as) {
  static struct walk walk;
  struct packing packing = {.whole = single != NULL};
  walk.strict = true;
  walk.all = single != NULL;
  walk.prefix = as;
  walk.data = &packing;
  walk.visit = pack_visit;
  int error = 0;
  if (single) {
    struct stat st;
    if (fstatat(folder, single, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    snprintf(walk.path, sizeof walk.path, "%s", as);
    error = pack_visit(&walk, folder, single, &st);
    if (error || !S_ISDIR(st.st_mode)) return error ? error : output_flush();
    folder = openat(folder, single, PLACE);
    if (folder < 0) return errno;
  }
  error = walk_folder(&walk, folder);
  return error ? error : output_flush();
}

// --- Unpacking

struct entry {
  char type;
  struct attributes attributes;
  char *path, *target;
  size_t path_length, target_length;
};

struct unpacking {
  int top;
  int folder;  // the one that was used last, a place below the top
  char path[LONGEST_PATH + 1];
  size_t length;
  struct heap folders;
  size_t last;  // length of the last of them
};

// The stored attributes of a folder, followed by its path.
struct kept {
  struct attributes attributes;
  size_t before;  // length of the one before
  size_t path_length;
};

static bool below(const char *path, size_t length) {
  if (length == 0 || length > LONGEST_PATH || memchr(path, '\0', length)) return false;
  for (size_t start = 0; start <= length;) {
    const char *slash = memchr(path + start, '/', length - start);
    size_t part = slash ? (size_t)(slash - path) - start : length - start;
    const char *name = path + start;
    if (part == 0 || part > 255 || (name[0] == '.' && (part == 1 || (part == 2 && name[1] == '.')))) {
      return false;
    }
    start += part + 1;
  }
  return true;
}

// Goes to a folder from the one before, where that is on the way.
static int go(struct unpacking *to, const char *path, size_t length, bool make) {
  size_t known = to->length, from = 0;
  if (known <= length && memcmp(path, to->path, known) == 0) {
    if (known == length) return 0;
    if (known > 0 && path[known] == '/') from = known + 1;
  }
  int folder, error = descend(from > 0 ? to->folder : to->top, path + from, length - from, make, &folder);
  if (error) return error;
  if (to->folder != to->top) close(to->folder);
  to->folder = folder;
  memcpy(to->path, path, length);
  to->length = length;
  return 0;
}

static size_t above(const char *path, size_t length) {
  const char *slash = memrchr(path, '/', length);
  return slash ? (size_t)(slash - path) : 0;
}

static int input_entry(struct entry *entry, bool *end) {
  static char bytes[MOST_ENTRY + 2];
  const uint8_t *at = (const uint8_t *)bytes;
  uint8_t head[4], *first;
  size_t got;
  int error = input_some(1, &first, &got);
  *end = !error && got == 0;
  if (error || *end) return error;
  head[0] = *first;
  if ((error = input_exact(head + 1, 3))) return error;
  size_t length = number_at(head, 4);
  if (length < 41 + 4 + 4 || length > MOST_ENTRY) return EBADMSG;
  if ((error = input_exact(bytes, length))) return error;
  entry->type = bytes[0];
  entry->attributes = (struct attributes){
      .mode = number_at(at + 1, 4) & 07777,
      .user = (uid_t)number_at(at + 5, 4),
      .group = (gid_t)number_at(at + 9, 4),
      .times = {{.tv_nsec = UTIME_OMIT},
                {.tv_sec = (time_t)number_at(at + 21, 8), .tv_nsec = (long)number_at(at + 29, 4)}},
  };
  entry->path_length = number_at(at + 41, 4);
  if (entry->path_length > length - 49) return EBADMSG;
  entry->target_length = number_at(at + 45 + entry->path_length, 4);
  if (entry->target_length > length - 49 - entry->path_length) return EBADMSG;
  entry->path = bytes + 45;
  entry->target = entry->path + entry->path_length + 4;
  // In place of the length of the target, and of what stands after it.
  entry->path[entry->path_length] = '\0';
  entry->target[entry->target_length] = '\0';
  bool path = below(entry->path, entry->path_length);
  return path && entry->attributes.times[1].tv_nsec < 1000000000 ? 0 : EBADMSG;
}

static int unpack_folder(struct unpacking *to, const char *name, const struct entry *entry) {
  struct stat st;
  // As much as it takes to fill it.
  while (mkdirat(to->folder, name, 0700) != 0) {
    if (errno != EEXIST) return errno;
    if (fstatat(to->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    if (S_ISDIR(st.st_mode)) break;
    if (unlinkat(to->folder, name, 0) != 0) return errno;
  }
  const struct kept kept = {entry->attributes, to->last, entry->path_length};
  to->last = sizeof kept + kept.path_length;
  int error = heap_add(&to->folders, &kept, sizeof kept, MOST_FOLDERS);
  return error ? error : heap_add(&to->folders, entry->path, kept.path_length, MOST_FOLDERS);
}

// A link comes into place by being renamed, as a file does.
static int unpack_link(struct unpacking *to, const char *name, const struct entry *entry, bool own) {
  char beside[32], first[256];
  int from = -1, error = temporary_name(beside);
  if (error) return error;
  if (entry->type == 'l') {
    if (entry->target_length == 0 || entry->target_length >= PATH_MAX) return EBADMSG;
    if (memchr(entry->target, '\0', entry->target_length)) return EBADMSG;
    if (symlinkat(entry->target, to->folder, beside) != 0) return errno;
    // Best effort: some file systems support neither for links.
    utimensat(to->folder, beside, entry->attributes.times, AT_SYMLINK_NOFOLLOW);
    if (own && fchownat(to->folder, beside, entry->attributes.user, entry->attributes.group,
                        AT_SYMLINK_NOFOLLOW) != 0)
      error = errno == EPERM ? 0 : errno;
  } else {
    struct stat st;
    if (!below(entry->target, entry->target_length)) return EBADMSG;
    size_t length = above(entry->target, entry->target_length);
    if ((error = descend(to->top, entry->target, length, false, &from))) return error;
    snprintf(first, sizeof first, "%s", entry->target + (length > 0 ? length + 1 : 0));
    if (fstatat(from, first, &st, AT_SYMLINK_NOFOLLOW) != 0) error = errno;
    else if (!S_ISREG(st.st_mode)) error = EBADMSG;
    else if (linkat(from, first, to->folder, beside, 0) != 0) error = errno;
    close(from);
  }
  if (!error && renameat(to->folder, beside, to->folder, name) != 0) error = errno;
  // It stays where both are names of one file already.
  if (error || entry->type == 'h') unlinkat(to->folder, beside, 0);
  return error;
}

static int unpack_entry(struct unpacking *to, struct entry *entry, bool own) {
  size_t length = above(entry->path, entry->path_length);
  const char *name = entry->path + (length > 0 ? length + 1 : 0);
  int error = entry->type == 'o' ? 0 : go(to, entry->path, length, true);
  if (error) return error;
  entry->attributes.own = own;
  // Without its owner a file has no use for the bits that give away the owner's rights.
  if (!own) entry->attributes.mode &= 01777;
  switch (entry->type) {
    case 'f':
      return input_file(to->folder, name, entry->attributes);
    case 'd':
      return unpack_folder(to, name, entry);
    case 'l':
    case 'h':
      return unpack_link(to, name, entry, own);
    case 'o':
      return 0;
    default:
      return EBADMSG;
  }
}

static int settle(struct unpacking *to, size_t at, bool closing) {
  struct kept kept;
  memcpy(&kept, to->folders.at + at, sizeof kept);
  const struct attributes *wanted = &kept.attributes;
  if (closing != !(wanted->mode & 0100)) return 0;
  int error = go(to, to->folders.at + at + sizeof kept, kept.path_length, false);
  if (error) return error;
  // By standing in it: its descriptor is good for nothing else, and needs no right to read it.
  mode_t mode = wanted->mode;
  if (fchdir(to->folder) != 0) return errno;
  if (wanted->own && chown(".", wanted->user, wanted->group) != 0) mode &= 01777;
  // A folder that was there may be somebody else's.
  if (utimensat(AT_FDCWD, ".", wanted->times, 0) != 0 && errno != EPERM) return errno;
  return chmod(".", mode) != 0 && errno != EPERM ? errno : 0;
}

// Gives the folders their attributes; those that can't be entered any more come last, from below.
static int settle_all(struct unpacking *to) {
  int error = 0;
  for (size_t at = 0; at < to->folders.length && !error;) {
    struct kept kept;
    memcpy(&kept, to->folders.at + at, sizeof kept);
    error = settle(to, at, false);
    at += sizeof kept + kept.path_length;
  }
  for (size_t at = to->folders.length - to->last; to->folders.length > 0 && !error;) {
    struct kept kept;
    memcpy(&kept, to->folders.at + at, sizeof kept);
    error = settle(to, at, true);
    if (at == 0) break;
    at -= kept.before;
  }
  return error;
}

int unpack(int folder, bool own) {
  static struct unpacking to;
  struct entry entry;
  bool end;
  to.top = to.folder = folder;
  to.length = to.folders.length = to.last = 0;
  int error;
  do {
    error = input_entry(&entry, &end);
    if (!error && !end) error = unpack_entry(&to, &entry, own);
  } while (!error && !end);
  int last = settle_all(&to);
  return error ? error : last;
}

// --- Removing

static int remove_visit(struct walk *walk, int folder, const char *name, const struct stat *st) {
  int *failed = walk->data;
  // The rest goes even so, as with rm.
  if (!S_ISDIR(st->st_mode) && unlinkat(folder, name, 0) != 0 && errno != ENOENT && !*failed) {
    *failed = errno;
  }
  return 0;
}

static int remove_leave(struct walk *walk, int folder, const char *name, int reason) {
  int *failed = walk->data;
  if (unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT && !*failed) {
    *failed = reason ? reason : errno;
  }
  return 0;
}

int remove_tree(int folder, const char *name) {
  int failed = 0;
  // More than once: there are file systems that pass over names when others go, and others write on.
  for (int tries = 0; tries < 3; tries++) {
    static struct walk walk;
    int top = openat(folder, name, PLACE);
    if (top < 0) return errno;
    failed = 0;
    walk.all = walk.kinds = walk.pathless = true;
    walk.data = &failed;
    walk.visit = remove_visit;
    walk.leave = remove_leave;
    int error = walk_folder(&walk, top);
    close(top);
    if (error && !failed) failed = error;
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0) return 0;
    if (!failed) failed = errno;
    if (failed != ENOTEMPTY && failed != EEXIST) return failed;
  }
  return failed;
}
