// Moves the wall clock of a running program by two days (LD_PRELOAD) as soon as there is a file with the name in the
// environment variable MOVED_CLOCK. The program's store takes the time from time(2).

#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *path = getenv("MOVED_CLOCK");
    if (path && access(path, F_OK) == 0) now.tv_sec += 2 * 86400;
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
