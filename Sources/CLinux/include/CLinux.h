// Linux calls that the Glibc module does not show, because glibc declares them only under _GNU_SOURCE.
// Each is the call itself under a plain name: the same arguments, the same result, errno set as by the call.

#ifndef CLINUX_H
#define CLINUX_H

#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/// renameat2(2) with RENAME_NOREPLACE: fails with EEXIST if the new name is taken. EINVAL: not on this file system.
int linux_rename_no_replace(int from_directory, const char *from, int to_directory, const char *to);

/// fcntl(2) F_OFD_SETLK / F_OFD_SETLKW with F_WRLCK on `length` bytes from `offset` (0: up to any end).
/// Without `wait`, a lock that another open file description holds gives -1 and EAGAIN.
int linux_lock(int descriptor, int64_t offset, int64_t length, bool wait);

/// fcntl(2) F_OFD_SETLK with F_UNLCK: gives back what this open file description holds of that range.
int linux_unlock(int descriptor, int64_t offset, int64_t length);

/// open(2) with O_TMPFILE: a file without a name in that directory, gone when it is closed.
int linux_open_nameless(int directory);

/// fallocate(2) of the first `size` bytes, which makes the file that long. EOPNOTSUPP: not on this file system.
int linux_reserve(int descriptor, int64_t size);

/// copy_file_range(2) at offsets; neither descriptor's own position moves. Returns how many bytes, 0 at the end.
ssize_t linux_copy(int from, int64_t from_offset, int to, int64_t to_offset, size_t length);

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: write-out of the file begins, nobody waits. A failure shows in the
/// next fsync(2).
void linux_start_write_back(int descriptor);

/// accept4(2) with SOCK_CLOEXEC: the connection's descriptor, blocking whatever the socket is.
int linux_accept(int socket);

/// memfd_create(2): a file in memory, gone when it is closed.
int linux_memory_file(const char *name);

/// eventfd(2) of the value 0: ready to read once something was written.
int linux_event(void);

/// posix_spawn_file_actions_addclosefrom_np(3): the child has no descriptor from that one on.
int linux_spawn_close_from(posix_spawn_file_actions_t *actions, int first);

/// epoll_create1(2): something to wait on for several descriptors.
int linux_epoll(void);

/// epoll_ctl(2) EPOLL_CTL_ADD for EPOLLIN, and EPOLLEXCLUSIVE where `exclusive`: of several waiters one is woken.
int linux_epoll_add(int epoll, int descriptor, bool exclusive);

/// epoll_wait(2) for one event: the descriptor that is ready, -2 when `milliseconds` passed (-1: for ever), -1 on error.
int linux_epoll_wait(int epoll, int milliseconds);

/// pthread_timedjoin_np(3) until `deadline`, in seconds of the real-time clock: 0, or an errno value.
int linux_join_until(pthread_t thread, time_t deadline);

/// memmem(3): where `wanted` stands first in `bytes`, or NULL.
const void *linux_find(const void *bytes, size_t length, const void *wanted, size_t wanted_length);

#endif
