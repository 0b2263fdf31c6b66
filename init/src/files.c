#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "init.h"

#define MOST_GATHERED (64 * 1024)

static int op_stat(char **arguments, int count) {
  struct stat st;
  char target[PATH_MAX] = "";
  bool follow = count > 1 && strcmp(arguments[1], "1") == 0;
  if (fstatat(AT_FDCWD, arguments[0], &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) return errno;
  if (S_ISLNK(st.st_mode)) {
    ssize_t length = readlink(arguments[0], target, sizeof target - 1);
    if (length < 0) return errno;
    target[length] = '\0';
  }
  return output_entry(type_of(&st), &st, arguments[0], target);
}

static int op_read(char **arguments, int count) {
  int64_t offset = 0, length = -1;
  struct stat st;
  int file, error = 0;
  if (count > 1) error = parse_number(arguments[1], 10, 0, INT64_MAX, &offset);
  if (!error && count > 2) error = parse_number(arguments[2], 10, -1, INT64_MAX, &length);
  if (!error) error = open_regular(AT_FDCWD, arguments[0], true, &file, &st);
  if (error) return error;
  if (offset > 0 && lseek(file, offset, SEEK_SET) < 0) {
    // Further than any file reaches here.
    if (errno != EINVAL) return errno;
    length = 0;
  }
  error = output_entry('f', &st, arguments[0], "");
  return error ? error : output_content(file, length < 0 ? UINT64_MAX : (uint64_t)length, false);
}

// The folder and the name that a write to a path changes, behind links; missing folders are made.
static int open_target(const char *path, int *folder, char name[256]) {
  char link[PATH_MAX], next[PATH_MAX];
  int base = AT_FDCWD;
  for (int links = 0; links < 40; links++) {
    size_t length = strlen(path);
    if (length == 0 || path[length - 1] == '/') return EISDIR;
    int error = open_parent(base, path, true, folder, name);
    if (error) return error == EINVAL ? EISDIR : error;
    if (base != AT_FDCWD) close(base);
    ssize_t got = readlinkat(*folder, name, link, sizeof link - 1);
    if (got < 0) return errno == EINVAL || errno == ENOENT ? 0 : errno;
    link[got] = '\0';
    memcpy(next, link, (size_t)got + 1);
    path = next;
    base = *folder;
  }
  return ELOOP;
}

static int op_write(char **arguments, int count) {
  struct attributes wanted = {.mode = 0644, .times = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}}};
  const char *bits = count > 1 ? arguments[1] : "", *seconds = count > 2 ? arguments[2] : "";
  int64_t mode = 0, second = 0, nanosecond = 0;
  int folder, error = 0;
  char name[256];
  struct stat st;
  if (*bits) error = parse_number(bits, 8, 0, 07777, &mode);
  if (!error && *seconds) {
    error = parse_number(seconds, 10, INT64_MIN, INT64_MAX, &second);
    if (!error && count > 3 && *arguments[3])
      error = parse_number(arguments[3], 10, 0, 999999999, &nanosecond);
    wanted.times[1] = (struct timespec){.tv_sec = second, .tv_nsec = nanosecond};
  }
  if (!error) error = open_target(arguments[0], &folder, name);
  if (error) return error;
  if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISREG(st.st_mode)) return S_ISDIR(st.st_mode) ? EISDIR : ENXIO;
    if (faccessat(folder, name, W_OK, 0) != 0) return errno;
    wanted.mode = st.st_mode & 07777;
    wanted.own = true;
    wanted.user = st.st_uid;
    wanted.group = st.st_gid;
  } else if (errno != ENOENT) {
    return errno;
  }
  if (*bits) wanted.mode = (mode_t)mode;
  return input_file(folder, name, wanted);
}

static int list_visit(struct walk *walk, int folder, const char *name, const struct stat *st) {
  char target[PATH_MAX] = "";
  ssize_t length = S_ISLNK(st->st_mode) ? readlinkat(folder, name, target, sizeof target - 1) : 0;
  if (length < 0) return 0;
  target[length] = '\0';
  return output_entry(type_of(st), st, walk->path, target);
}

static int op_list(char **arguments, int count) {
  static struct walk walk;
  walk.visit = list_visit;
  int top, error = count > 1 ? parse_number(arguments[1], 10, 0, INT64_MAX, &walk.depth) : 0;
  if (!error) error = open_folder(AT_FDCWD, arguments[0], false, &top);
  if (error) return error;
  if (count > 2) {
    walk.skip = arguments + 2;
    walk.skips = count - 2;
  }
  return walk_folder(&walk, top);
}

static int op_mkdir(char **arguments, int count) {
  int folder;
  (void)count;
  return open_folder(AT_FDCWD, arguments[0], true, &folder);
}

static int op_remove(char **arguments, int count) {
  int folder;
  char name[256];
  struct stat st;
  int error = open_parent(AT_FDCWD, arguments[0], false, &folder, name);
  if (error) return error;
  if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  if (unlinkat(folder, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0) return 0;
  if (!S_ISDIR(st.st_mode) || (errno != ENOTEMPTY && errno != EEXIST)) return errno;
  return count > 1 && strcmp(arguments[1], "1") == 0 ? remove_tree(folder, name) : ENOTEMPTY;
}

// Copies to another file system by packing and unpacking, beside the target first.
static int move_copy(int from, const char *source, int to, const char *target) {
  char beside[32];
  int ends[2], state = 0, error = temporary_name(beside);
  struct stat st;
  if (error) return error;
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  pid_t packer = fork();
  if (packer < 0) return errno;
  if (packer == 0) _exit(dup2(ends[1], 1) < 0 || close(ends[0]) ? EIO : pack(from, source, beside));
  close(ends[1]);
  if (dup2(ends[0], 0) < 0) error = errno;
  close(ends[0]);
  if (!error) error = unpack(to, true);
  // The packer that is not listened to any more ends.
  close(0);
  while (waitpid(packer, &state, 0) < 0 && errno == EINTR) continue;
  if (!error) error = WIFEXITED(state) ? WEXITSTATUS(state) : EIO;
  if (!error && renameat(to, beside, to, target) != 0) error = errno;
  if (fstatat(error ? to : from, error ? beside : source, &st, AT_SYMLINK_NOFOLLOW) != 0) return error;
  int last = 0;
  if (S_ISDIR(st.st_mode)) last = remove_tree(error ? to : from, error ? beside : source);
  else if (unlinkat(error ? to : from, error ? beside : source, 0) != 0) last = errno;
  return error ? error : last;
}

static int op_move(char **arguments, int count) {
  int from, to;
  char source[256], target[256];
  struct stat st, other;
  (void)count;
  int error = open_parent(AT_FDCWD, arguments[0], false, &from, source);
  if (error) return error;
  if (fstatat(from, source, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  // Errors from here on concern the second path.
  if ((error = output("t", 1)) || (error = output_flush())) return error;
  if ((error = open_parent(AT_FDCWD, arguments[1], true, &to, target))) return error;
  if (fstatat(to, target, &other, 0) == 0 && S_ISDIR(other.st_mode)) return EEXIST;
  if (fstatat(to, target, &other, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) return EEXIST;
  if (faccessat(to, ".", W_OK, 0) != 0) return errno;
  if (renameat(from, source, to, target) == 0) return 0;
  return errno == EXDEV ? move_copy(from, source, to, target) : errno;
}

static int op_chmod(char **arguments, int count) {
  int64_t mode;
  (void)count;
  int error = parse_number(arguments[1], 8, 0, 07777, &mode);
  if (error) return error;
  return chmod(arguments[0], (mode_t)mode) == 0 ? 0 : errno;
}

// Of a folder that the engine made for somebody else; root's rights must reach nothing more than that.
static int op_own(char **arguments, int count) {
  struct user user;
  int above, error;
  char name[256];
  (void)count;
  if (geteuid() != 0) return EPERM;
  if ((error = find_user(arguments[1], &user))) return error;
  if ((error = open_parent(AT_FDCWD, arguments[0], false, &above, name))) return error;
  int file = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *folder = file < 0 ? NULL : fdopendir(file);
  if (!folder) return errno;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(folder));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return ENOTEMPTY;
  if (errno != 0) return errno;
  return fchown(file, user.uid, user.gid) == 0 ? 0 : errno;
}

static int op_pack(char **arguments, int count) {
  int folder;
  (void)count;
  int error = open_folder(AT_FDCWD, arguments[0], false, &folder);
  return error ? error : pack(folder, NULL, NULL);
}

static int op_unpack(char **arguments, int count) {
  int folder;
  (void)count;
  int error = open_folder(AT_FDCWD, arguments[0], true, &folder);
  if (!error && faccessat(folder, ".", W_OK | X_OK, 0) != 0) error = errno;
  return error ? error : unpack(folder, false);
}

static int gather(const char *path) {
  static char content[MOST_GATHERED];
  struct stat st;
  size_t length = 0;
  int file;
  // Processes come and go.
  if (open_regular(AT_FDCWD, path, true, &file, &st)) return 0;
  while (length < sizeof content) {
    ssize_t got = read(file, content + length, sizeof content - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += (size_t)got;
  }
  close(file);
  int error = output_string(path, strlen(path));
  return error ? error : output_string(content, length);
}

static int op_gather(char **arguments, int count) {
  for (int i = 0; i < count; i++) {
    char path[PATH_MAX];
    const char *star = strstr(arguments[i], "/*");
    int error = 0;
    if (!star) {
      error = gather(arguments[i]);
      if (error) return error;
      continue;
    }
    int above = (int)(star - arguments[i]);
    if (snprintf(path, sizeof path, "%.*s/", above, arguments[i]) >= PATH_MAX) return ENAMETOOLONG;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !error && (entry = readdir(folder));) {
      if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name)) continue;
      int length = snprintf(path, sizeof path, "%.*s/%s%s", above, arguments[i], entry->d_name, star + 2);
      if (length < PATH_MAX) error = gather(path);
    }
    if (folder) closedir(folder);
    if (error) return error;
  }
  return 0;
}

// If the sandbox's environment sets HOME, that is a command's HOME.
static int op_identify(char **arguments, int count) {
  static struct user user;
  (void)count;
  int error = find_user(arguments[0], &user);
  const char *home = getenv("HOME");
  if (!home) home = user.home;
  if (!error) error = output_number(user.uid, 4);
  if (!error) error = output_number(user.gid, 4);
  if (!error) error = output_number((uint64_t)user.group_count, 4);
  for (int i = 0; i < user.group_count && !error; i++) error = output_number(user.groups[i], 4);
  return error ? error : output_string(home, strlen(home));
}

static const struct {
  const char *name;
  int least, most;
  int (*run)(char **arguments, int count);
} operations[] = {
    {"stat", 1, 2, op_stat},       {"read", 1, 3, op_read},
    {"write", 1, 4, op_write},     {"list", 1, INT_MAX, op_list},
    {"mkdir", 1, 1, op_mkdir},     {"remove", 1, 2, op_remove},
    {"move", 2, 2, op_move},       {"chmod", 2, 2, op_chmod},
    {"pack", 1, 1, op_pack},       {"unpack", 1, 1, op_unpack},
    {"search", 2, INT_MAX, search}, {"watch", 1, INT_MAX, watch},
    {"gather", 1, INT_MAX, op_gather}, {"own", 2, 2, op_own},
    {"identify", 1, 1, op_identify},
};

int file_operation(int count, char **arguments) {
  umask(022);
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
    if (count < 1 || strcmp(arguments[0], operations[i].name) != 0) continue;
    int given = count - 1;
    if (given < operations[i].least || given > operations[i].most) return EINVAL;
    bool names_path = operations[i].run != op_identify;
    if (names_path && arguments[1][0] != '/') return EINVAL;
    int error = operations[i].run(arguments + 1, given);
    // Results from before an error are still useful.
    int last = output_flush();
    return error ? error : last;
  }
  return ENOSYS;
}
