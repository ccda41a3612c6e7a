// A library for LD_PRELOAD that measures how long a program waits for syncs. It counts and times fsync and fdatasync in
// the file that the environment variable SYNC_METER names (sides.py reads it). With SYNC_SKIP=1 the calls return at
// once and sync nothing, which leaves the time of the program itself. It is for measuring only.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct meter {
    uint64_t calls, nanoseconds;
};

static struct meter *meter;
static int skips;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SYNC_METER"), *skip = getenv("SYNC_SKIP");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) abort();
    meter = mmap(NULL, sizeof *meter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (meter == MAP_FAILED) abort();
    close(file);
    skips = skip && *skip == '1';
}

static int measured(const char *name, int file) {
    if (skips) return 0;
    int (*call)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    int result = call(file);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    uint64_t passed = (ended.tv_sec - began.tv_sec) * 1000000000ll + ended.tv_nsec - began.tv_nsec;
    __atomic_fetch_add(&meter->calls, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&meter->nanoseconds, passed, __ATOMIC_RELAXED);
    return result;
}

int fsync(int file) { return measured("fsync", file); }

int fdatasync(int file) { return measured("fdatasync", file); }
