// The benchmark's load generator. It sends prepared requests over persistent HTTP/1.1 connections and records how long
// each took.
//
//     load PLAN POOL PORT SECONDS RESULTS
//
// The generator has no knowledge of uploads and computes no statistics: plan.py writes the requests to PLAN and reads
// RESULTS. It shares the processors with the server that is measured, so it must use little of them: one thread serves
// all connections (epoll), and the bodies are slices of POOL, which is mapped. If requests are still unanswered after
// SECONDS, it prints a line and exits with status 1.
//
// PLAN is a sequence of groups, each followed by its requests. Numbers are little-endian and not padded:
//
//     group:    u32 connections, u32 requests, u32 source, u32 delay, u64 rate
//               source: local address of the first connection, the others count up from it; 0: the kernel's choice
//               delay: milliseconds before the group begins
//               rate: bytes a second of one connection; 0: unlimited
//     request:  u32 head length, u32 tail length, u64 body offset, u64 body length, head, tail
//               the bytes sent are the head, the body's slice of POOL, and the tail
//
// The connections of a group take its requests in order. RESULTS has one entry for each request, in the order of PLAN:
//
//     u32 status (0: the connection broke), u64 begin, u64 end (nanoseconds of CLOCK_MONOTONIC)

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    // The longest response head.
    ANSWER_BYTES = 16 << 10,
    // How often connections with a rate are served.
    TICK_MILLISECONDS = 10,
    // The least that a connection with a rate sends at once, except at the end of a request: the payload of a packet.
    MINIMUM_SEND = 1448,
};

struct __attribute__((packed)) group_header {
    uint32_t connections, requests, source, delay;
    uint64_t rate;
};

struct __attribute__((packed)) request_header {
    uint32_t head, tail;
    uint64_t offset, length;
};

struct __attribute__((packed)) result {
    uint32_t status;
    uint64_t begin, end;
};

struct request {
    struct iovec parts[3];
    uint64_t length;
};

struct group {
    struct group_header header;
    uint32_t taken;
    // The index of its first request in `requests` and `results`.
    size_t first;
};

struct connection {
    struct group *group;
    int socket;
    uint32_t number;
    // The index of the request under way. It is meaningful only while `busy`.
    size_t request;
    int busy;
    uint64_t sent;
    // The part of the response's head that has arrived, and the number of bytes that its body still lacks.
    char answer[ANSWER_BYTES + 1];
    size_t answered;
    int has_head, closes;
    uint32_t status;
    uint64_t missing;
};

static const char *pool;
static size_t pool_length;
static struct request *requests;
static struct result *results;
static struct sockaddr_in server = {.sin_family = AF_INET};
static int epoll;
static size_t unfinished;

static void give_up(const char *what, const char *why) {
    fprintf(stderr, "load: %s: %s\n", what, why);
    exit(1);
}

// Reports a system call that failed, and exits.
static void fail(const char *what) { give_up(what, strerror(errno)); }

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static const char *map(const char *path, size_t *length) {
    int file = open(path, O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) fail(path);
    *length = status.st_size;
    const char *bytes = mmap(NULL, *length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (bytes == MAP_FAILED) fail(path);
    close(file);
    return bytes;
}

// Returns the next bytes of the plan, and advances it.
static const char *take(const char **plan, const char *end, size_t length) {
    if ((size_t)(end - *plan) < length) give_up("the plan", "ends in the middle of a request");
    const char *bytes = *plan;
    *plan += length;
    return bytes;
}

static struct group *read_plan(const char *plan, size_t length, size_t *groups) {
    const char *end = plan + length;
    struct group *all = NULL;
    size_t count = 0;
    for (*groups = 0; plan < end; ++*groups) {
        all = realloc(all, (*groups + 1) * sizeof *all);
        struct group *group = &all[*groups];
        memset(group, 0, sizeof *group);
        memcpy(&group->header, take(&plan, end, sizeof group->header), sizeof group->header);
        group->first = count;
        count += group->header.requests;
        requests = realloc(requests, count * sizeof *requests);
        for (size_t number = group->first; number < count; number++) {
            struct request_header header;
            memcpy(&header, take(&plan, end, sizeof header), sizeof header);
            if (header.offset > pool_length || header.length > pool_length - header.offset) {
                give_up("the plan", "a body is not in the pool");
            }
            struct request *request = &requests[number];
            request->parts[0] = (struct iovec){(void *)take(&plan, end, header.head), header.head};
            request->parts[1] = (struct iovec){(void *)(pool + header.offset), header.length};
            request->parts[2] = (struct iovec){(void *)take(&plan, end, header.tail), header.tail};
            request->length = header.head + header.length + header.tail;
        }
    }
    results = calloc(count, sizeof *results);
    unfinished = count;
    return all;
}

static void open_connection(struct connection *connection) {
    const struct group_header *group = &connection->group->header;
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->socket < 0) fail("socket");
    int on = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (group->source) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        source.sin_addr.s_addr = htonl(group->source + connection->number);
        if (bind(connection->socket, (struct sockaddr *)&source, sizeof source) != 0) fail("bind");
    }
    // On a loopback address this waits only if the server's queue is full.
    if (connect(connection->socket, (struct sockaddr *)&server, sizeof server) != 0) fail("connect");
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    // The events are edge-triggered, so they are set up once for both directions. Connections with a rate send by the
    // clock.
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (!group->rate) event.events |= EPOLLOUT;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0) fail("epoll_ctl");
}

static void end_request(struct connection *connection) {
    struct result *result = &results[connection->request];
    result->status = connection->status;
    result->end = now();
    connection->busy = 0;
    unfinished--;
}

// Gives an idle connection the next request of its group. Returns false if there is none.
static int begin_request(struct connection *connection) {
    struct group *group = connection->group;
    if (group->taken == group->header.requests) return 0;
    if (connection->socket < 0) open_connection(connection);
    connection->request = group->first + group->taken++;
    connection->busy = 1;
    connection->sent = connection->answered = 0;
    connection->has_head = connection->closes = 0;
    connection->status = 0;
    results[connection->request].begin = now();
    return 1;
}

static void break_off(struct connection *connection) {
    close(connection->socket);
    connection->socket = -1;
}

// Returns how many bytes of the request the connection's rate permits by now.
static uint64_t allowance(const struct connection *connection) {
    uint64_t length = requests[connection->request].length, rate = connection->group->header.rate;
    if (!rate) return length;
    uint64_t earned = (now() - results[connection->request].begin) / 1000 * rate / 1000000;
    if (earned >= length) return length;
    return earned - connection->sent >= MINIMUM_SEND ? earned : connection->sent;
}

// Sends as much as possible. Returns false if the connection is broken.
static int send_more(struct connection *connection) {
    const struct request *request = &requests[connection->request];
    uint64_t limit = allowance(connection);
    while (connection->sent < limit) {
        struct iovec parts[3];
        size_t count = 0;
        uint64_t skip = connection->sent, room = limit - connection->sent;
        for (int part = 0; part < 3 && room > 0; part++) {
            uint64_t length = request->parts[part].iov_len;
            if (skip >= length) {
                skip -= length;
                continue;
            }
            uint64_t piece = length - skip < room ? length - skip : room;
            parts[count++] = (struct iovec){(char *)request->parts[part].iov_base + skip, piece};
            room -= piece;
            skip = 0;
        }
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(connection->socket, &message, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        connection->sent += sent;
    }
    return 1;
}

// Returns the value of a header of the response, or NULL.
static const char *header(const struct connection *connection, const char *name) {
    const char *line = connection->answer;
    while ((line = strstr(line, "\r\n")) && strncmp(line, "\r\n\r\n", 4) != 0) {
        line += 2;
        size_t length = strlen(name);
        if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
        const char *value = line + length + 1;
        return value + strspn(value, " ");
    }
    return NULL;
}

// Reads the response. Returns false if the connection has ended.
static int receive(struct connection *connection) {
    static char body[64 << 10];
    while (1) {
        if (connection->has_head) {
            ssize_t count = 0;
            while (connection->missing > 0) {
                size_t room = connection->missing < sizeof body ? connection->missing : sizeof body;
                count = recv(connection->socket, body, room, 0);
                if (count <= 0) return count < 0 && errno == EAGAIN;
                connection->missing -= count;
            }
            // A connection cannot be used again if the response came before the whole request was sent.
            int whole = connection->sent == requests[connection->request].length;
            end_request(connection);
            if (!whole || connection->closes) return 0;
            if (!begin_request(connection)) return 1;
            if (!send_more(connection)) return 0;
        }
        size_t room = ANSWER_BYTES - connection->answered;
        if (room == 0) return 0;
        ssize_t count = recv(connection->socket, connection->answer + connection->answered, room, 0);
        if (count <= 0) return count < 0 && errno == EAGAIN;
        if (!connection->busy) return 0;
        connection->answered += count;
        connection->answer[connection->answered] = 0;
        const char *end = strstr(connection->answer, "\r\n\r\n");
        if (!end) continue;
        connection->has_head = 1;
        connection->status = atoi(connection->answer + strcspn(connection->answer, " "));
        const char *length = header(connection, "Content-Length"), *persistence = header(connection, "Connection");
        // Without a length, the end of the body is known for these two only (RFC 9112, section 6.3).
        if (!length && connection->status != 204 && connection->status != 304) give_up("a response", "has no length");
        uint64_t came = connection->answer + connection->answered - (end + 4);
        connection->missing = length ? strtoull(length, NULL, 10) : 0;
        if (came > connection->missing) give_up("a response", "is longer than announced");
        connection->missing -= came;
        connection->closes = persistence && strncasecmp(persistence, "close", 5) == 0;
    }
}

// Sends and receives as much as possible without waiting.
static void serve(struct connection *connection) {
    while (1) {
        if (!connection->busy && !begin_request(connection)) return;
        // The response may have arrived even if nothing more can be sent.
        int can_send = send_more(connection), can_receive = receive(connection);
        if (can_send && can_receive) return;
        if (connection->busy) {
            connection->status = 0;
            end_request(connection);
        }
        break_off(connection);
    }
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: load PLAN POOL PORT SECONDS RESULTS\n");
        return 2;
    }
    size_t length, groups, connections = 0;
    pool = map(arguments[2], &pool_length);
    const char *plan = map(arguments[1], &length);
    server.sin_port = htons(atoi(arguments[3]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct group *all = read_plan(plan, length, &groups);
    size_t total = unfinished;
    for (size_t number = 0; number < groups; number++) connections += all[number].header.connections;
    struct connection *table = calloc(connections, sizeof *table);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!table || epoll < 0) fail("epoll_create1");

    struct connection *next = table;
    for (size_t number = 0; number < groups; number++) {
        for (uint32_t one = 0; one < all[number].header.connections; one++) {
            *next++ = (struct connection){.group = &all[number], .socket = -1, .number = one};
        }
    }

    uint64_t began = now(), seconds = strtoull(arguments[4], NULL, 10), ticked = 0;
    while (unfinished > 0) {
        uint64_t passed = now() - began;
        if (passed > seconds * 1000000000) {
            fprintf(stderr, "load: %zu of %zu requests are not answered after %ju s\n", unfinished, total,
                    (uintmax_t)seconds);
            return 1;
        }
        // Serve the connections that wait for the beginning of their group, or for their rate.
        if (passed - ticked >= TICK_MILLISECONDS * 1000000ull || ticked == 0) {
            ticked = passed;
            for (struct connection *each = table; each < next; each++) {
                const struct group_header *group = &each->group->header;
                if (passed / 1000000 < group->delay) continue;
                if (each->busy ? group->rate > 0 && each->sent < requests[each->request].length
                               : each->group->taken < group->requests) serve(each);
            }
        }
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, TICK_MILLISECONDS);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int number = 0; number < ready; number++) {
            struct connection *connection = events[number].data.ptr;
            if (connection->busy) serve(connection);
        }
    }

    FILE *file = fopen(arguments[5], "wb");
    if (!file || fwrite(results, sizeof *results, total, file) != total || fclose(file) != 0) fail(arguments[5]);
    return 0;
}
