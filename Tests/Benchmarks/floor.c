// The least that a FastCGI program can do to store a small file durably: it receives a form, and writes the file that is
// in it with the disk calls that resumabled makes for a file in one chunk (WholeFileWriter.swift). It checks nothing and
// keeps no log. So its speed is about the highest that a program can have behind this nginx and on this disk. It is for
// measuring only.
//
//     floor serve --socket PATH --root DIR

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

// As many as the program has.
enum { THREADS = 8, CAPACITY = 1 << 18, HEAD = 8 };
// The kinds of records (FastCGI 1.0, section 8).
enum { END = 3, PARAMETERS = 4, INPUT = 5, OUTPUT = 6 };

static int listener, root, state;
static atomic_uint files;

static void fail(const char *what) {
    perror(what);
    _exit(1);
}

// Reads a request. Moves the content of the input records to the front of the buffer; returns its length.
static size_t receive(int connection, uint8_t *buffer) {
    size_t filled = 0, next = 0, length = 0;
    for (;;) {
        ssize_t count = recv(connection, buffer + filled, CAPACITY - filled, 0);
        if (count <= 0) return 0;
        filled += count;
        while (filled - next >= HEAD) {
            const uint8_t *head = buffer + next;
            size_t content = head[4] << 8 | head[5], whole = HEAD + content + head[6];
            if (head[1] == INPUT && content == 0) return length;
            if (filled - next < whole) break;
            next += whole;
            if (head[1] != INPUT) continue;
            memmove(buffer + length, head + HEAD, content);
            length += content;
        }
    }
}

// The first place behind a text.
static const uint8_t *behind(const char *text, const uint8_t *from, const uint8_t *to) {
    const uint8_t *found = memmem(from, to - from, text, strlen(text));
    if (!found) fail("the form has another shape");
    return found + strlen(text);
}

// Stores the file of a form as Resumable.js sends it. Its part is the last one.
static void store(const uint8_t *form, size_t length) {
    const uint8_t *end = memrchr(form, '\r', length - 2);
    if (!end) fail("the form has another shape");
    const uint8_t *name = behind("name=\"resumableFilename\"\r\n\r\n", form, end);
    const uint8_t *data = behind("\r\n\r\n", behind("filename=", name, end), end);
    char text[256], temporary[128];
    int letters = behind("\r", name, end) - name - 1;
    snprintf(text, sizeof text, "%.*s", letters, name);
    snprintf(temporary, sizeof temporary, "%064u-%016u.data", atomic_fetch_add(&files, 1), 0);

    // As long as the program's records.
    static const char record[54];
    int file = openat(state, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 || pwrite(file, data, end - data, 0) != end - data) fail("write");
    if (fsetxattr(file, "user.resumabled", record, sizeof record, 0) || fsync(file)) fail("sync the file");
    if (renameat2(state, temporary, root, text, RENAME_NOREPLACE) || fsync(root)) fail("publish the file");
    if (fsetxattr(file, "user.resumabled", record, sizeof record, 0)) fail("mark the file");
    close(file);
}

static void answer(int connection) {
    static const char text[] = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
    uint8_t bytes[256] = {1, OUTPUT, 0, 1, 0, sizeof text - 1};
    memcpy(bytes + HEAD, text, sizeof text - 1);
    uint8_t *end = bytes + HEAD + sizeof text - 1;
    memcpy(end, (uint8_t[2 * HEAD]){1, END, 0, 1, 0, HEAD}, 2 * HEAD);
    if (send(connection, bytes, end + 2 * HEAD - bytes, MSG_NOSIGNAL) < 0) fail("answer");
}

static void *work(void *unused) {
    uint8_t *buffer = malloc(CAPACITY);
    if (!buffer) fail("memory");
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) fail("accept");
        size_t length = receive(connection, buffer);
        if (length > 0) {
            store(buffer, length);
            answer(connection);
        }
        close(connection);
    }
    return unused;
}

int main(int count, char **arguments) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = NULL;
    for (int index = 1; index + 1 < count; index++) {
        if (!strcmp(arguments[index], "--socket")) {
            snprintf(address.sun_path, sizeof address.sun_path, "%s", arguments[index + 1]);
        }
        if (!strcmp(arguments[index], "--root")) path = arguments[index + 1];
    }
    root = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (root < 0 || mkdirat(root, ".resumabled", 0700)) fail("--root");
    state = openat(root, ".resumabled", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0) fail("--root");

    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("--socket");
    for (int number = 0; number < THREADS; number++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL)) fail("threads");
    }
    int signal;
    sigwait(&stop, &signal);
    unlink(address.sun_path);
    _exit(0);
}
