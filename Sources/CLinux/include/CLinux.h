// Linux calls that Swift's Glibc module lacks, because glibc declares them only under _GNU_SOURCE. Each function is the
// call itself under a plain name, with the same arguments, the same result and the same errno.

#ifndef CLINUX_H
#define CLINUX_H

#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/// renameat2(2) with RENAME_NOREPLACE. EEXIST: the new name exists. EINVAL: the file system does not support it.
int linux_rename_no_replace(int from_directory, const char *from, int to_directory, const char *to);

/// fcntl(2) F_OFD_SETLK / F_OFD_SETLKW with F_WRLCK on `length` bytes from `offset` (length 0: without an end).
/// Without `wait`, it fails with EAGAIN if another open file description holds a lock there.
int linux_lock(int descriptor, int64_t offset, int64_t length, bool wait);

/// fcntl(2) F_OFD_SETLK with F_UNLCK: releases the locks of this open file description in that range.
int linux_unlock(int descriptor, int64_t offset, int64_t length);

/// open(2) with O_TMPFILE: a file without a name in that directory, which is removed when it is closed.
int linux_open_nameless(int directory);

/// fsetxattr(2), fgetxattr(2), fremovexattr(2) of `user.resumabled`.
int linux_set_attribute(int descriptor, const void *bytes, size_t length);
ssize_t linux_get_attribute(int descriptor, void *bytes, size_t length);
int linux_remove_attribute(int descriptor);

/// fallocate(2) of the first `size` bytes, which makes the file that long. EOPNOTSUPP: the file system does not support
/// it.
int linux_reserve(int descriptor, int64_t size);

/// copy_file_range(2) at offsets; the positions of the descriptors stay. Returns the number of bytes, 0 at the end.
ssize_t linux_copy(int from, int64_t from_offset, int to, int64_t to_offset, size_t length);

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: starts the write-out of the file without waiting for it. The next
/// fsync(2) reports a failure.
void linux_start_write_back(int descriptor);

/// accept4(2) with SOCK_CLOEXEC: the connection's descriptor, which is blocking even if the socket is not.
int linux_accept(int socket);

/// memfd_create(2): a file in memory, which is removed when it is closed.
int linux_memory_file(const char *name);

/// eventfd(2) with the value 0: it becomes readable when something is written.
int linux_event(void);

/// posix_spawn_file_actions_addclosefrom_np(3): closes all descriptors from `first` on in the child.
int linux_spawn_close_from(posix_spawn_file_actions_t *actions, int first);

/// epoll_create1(2): waits for events of several descriptors.
int linux_epoll(void);

/// epoll_ctl(2) EPOLL_CTL_ADD for EPOLLIN, with EPOLLEXCLUSIVE if `exclusive`: an event wakes one of several waiters.
int linux_epoll_add(int epoll, int descriptor, bool exclusive);

/// epoll_wait(2) for one event: the ready descriptor, -2 after `milliseconds` (-1: no limit), -1 on error.
int linux_epoll_wait(int epoll, int milliseconds);

/// pthread_timedjoin_np(3) until `deadline`, in seconds of the real-time clock: 0, or an errno value.
int linux_join_until(pthread_t thread, time_t deadline);

/// memmem(3): the first occurrence of `wanted` in `bytes`, or NULL.
const void *linux_find(const void *bytes, size_t length, const void *wanted, size_t wanted_length);

#endif
