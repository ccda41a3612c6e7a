#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

int linux_rename_no_replace(int from_directory, const char *from, int to_directory, const char *to) {
    return renameat2(from_directory, from, to_directory, to, RENAME_NOREPLACE);
}

static int set_lock(int descriptor, int command, short type, int64_t offset, int64_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = length};
    return fcntl(descriptor, command, &lock);
}

int linux_lock(int descriptor, int64_t offset, int64_t length, bool wait) {
    return set_lock(descriptor, wait ? F_OFD_SETLKW : F_OFD_SETLK, F_WRLCK, offset, length);
}

int linux_unlock(int descriptor, int64_t offset, int64_t length) {
    return set_lock(descriptor, F_OFD_SETLK, F_UNLCK, offset, length);
}

int linux_open_nameless(int directory) {
    return openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static const char attribute[] = "user.resumabled";

int linux_set_attribute(int descriptor, const void *bytes, size_t length) {
    return fsetxattr(descriptor, attribute, bytes, length, 0);
}

ssize_t linux_get_attribute(int descriptor, void *bytes, size_t length) {
    return fgetxattr(descriptor, attribute, bytes, length);
}

int linux_remove_attribute(int descriptor) { return fremovexattr(descriptor, attribute); }

int linux_reserve(int descriptor, int64_t size) { return fallocate(descriptor, 0, 0, size); }

ssize_t linux_copy(int from, int64_t from_offset, int to, int64_t to_offset, size_t length) {
    return copy_file_range(from, &from_offset, to, &to_offset, length, 0);
}

void linux_start_write_back(int descriptor) {
    sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int linux_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }

int linux_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int linux_event(void) { return eventfd(0, EFD_CLOEXEC); }

int linux_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

int linux_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int linux_epoll_add(int epoll, int descriptor, bool exclusive) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (exclusive) event.events |= EPOLLEXCLUSIVE;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int linux_epoll_wait(int epoll, int milliseconds) {
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, milliseconds);
    return count == 1 ? event.data.fd : count == 0 ? -2 : -1;
}

int linux_join_until(pthread_t thread, time_t deadline) {
    struct timespec until = {.tv_sec = deadline};
    return pthread_timedjoin_np(thread, NULL, &until);
}

const void *linux_find(const void *bytes, size_t length, const void *wanted, size_t wanted_length) {
    return memmem(bytes, length, wanted, wanted_length);
}
