// Makes system calls of a running program fail (LD_PRELOAD; faults.py is the other end).
//
// The file that the environment variable FAULTS names is mapped. The process with the other mapping of it (faults.py) arms
// and disarms the faults while the program runs. A fault is selected by the name of the call and the end of the file's
// name: the link in /proc/self/fd for descriptors, the given name for calls that take one.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// faults.py packs it.
struct fault {
    int armed;
    // The errno to set. 0 makes a write stop half way instead. DEATH makes the call, and kills the process before it
    // learns the result.
    int error;
    // The number of calls that still succeed.
    int passes;
    // The number of calls that have met the fault.
    int met;
    char call[16];
    char ending[48];
};

enum { FAULTS = 4, DEATH = -1 };
static struct fault *faults;

__attribute__((constructor)) static void map_faults(void) {
    const char *path = getenv("FAULTS");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0) abort();
    faults = mmap(NULL, FAULTS * sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (faults == MAP_FAILED) abort();
}

static int ends_with(const char *name, const char *ending) {
    size_t length = strlen(name), wanted = strlen(ending);
    return length >= wanted && strcmp(name + length - wanted, ending) == 0;
}

// The fault for this call, or NULL.
static struct fault *fault_of(const char *call, const char *name) {
    // The constructors of other libraries may open files before ours has run.
    if (!faults) return NULL;
    for (struct fault *fault = faults; fault < faults + FAULTS; fault++) {
        if (!__atomic_load_n(&fault->armed, __ATOMIC_ACQUIRE)) continue;
        if (strcmp(fault->call, call) != 0 || !ends_with(name, fault->ending)) continue;
        if (__atomic_fetch_sub(&fault->passes, 1, __ATOMIC_RELAXED) > 0) continue;
        __atomic_fetch_add(&fault->met, 1, __ATOMIC_RELAXED);
        return fault;
    }
    return NULL;
}

static struct fault *fault_on(const char *call, int descriptor) {
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, name, sizeof name - 1);
    name[length > 0 ? length : 0] = 0;
    return fault_of(call, name);
}

// Replaces the library's function CALL: it fails or kills if FOUND is a fault, and otherwise calls the original.
#define FAILING(RESULT, CALL, FOUND, PARAMETERS, ...)                             \
    RESULT CALL PARAMETERS {                                                      \
        struct fault *met = FOUND;                                                \
        if (met && met->error != DEATH) {                                         \
            errno = met->error;                                                   \
            return -1;                                                            \
        }                                                                         \
        RESULT(*real) PARAMETERS = (RESULT(*) PARAMETERS)dlsym(RTLD_NEXT, #CALL); \
        RESULT result = real(__VA_ARGS__);                                        \
        if (met) kill(getpid(), SIGKILL);                                         \
        return result;                                                            \
    }

FAILING(int, fsync, fault_on("fsync", file), (int file), file)
FAILING(int, fdatasync, fault_on("fdatasync", file), (int file), file)
FAILING(int, ftruncate, fault_on("ftruncate", file), (int file, off_t size), file, size)
FAILING(int, fallocate, fault_on("fallocate", file), (int file, int mode, off_t at, off_t size), file, mode, at, size)
FAILING(ssize_t, pread, fault_on("pread", file), (int file, void *to, size_t size, off_t at), file, to, size, at)
FAILING(int, mkdirat, fault_of("mkdirat", name), (int folder, const char *name, mode_t mode), folder, name, mode)
FAILING(int, unlinkat, fault_of("unlinkat", name), (int folder, const char *name, int flags), folder, name, flags)
FAILING(
    int, renameat2, fault_of("renameat2", name),
    (int folder, const char *name, int to_folder, const char *to_name, unsigned flags),
    folder, name, to_folder, to_name, flags)
FAILING(
    ssize_t, copy_file_range, fault_on("copy_file_range", to),
    (int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags),
    from, from_at, to, to_at, size, flags)

ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    struct fault *met = fault_on("pwrite", file);
    if (met && met->error) {
        errno = met->error;
        return -1;
    }
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    return real(file, bytes, met && size > 1 ? size / 2 : size, at);
}

// The program recognises a restart of the machine by this id. BOOT_ID names a file that replaces it.
int open(const char *name, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    const char *boot = getenv("BOOT_ID");
    if (boot && strcmp(name, "/proc/sys/kernel/random/boot_id") == 0) name = boot;
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    return real(name, flags, mode);
}

int openat(int folder, const char *name, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    struct fault *met = fault_of("openat", name);
    if (met) {
        errno = met->error;
        return -1;
    }
    int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat");
    return real(folder, name, flags, mode);
}
