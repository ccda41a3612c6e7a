// A network interface behind which this machine meets itself, over a line with a delay and a limited rate.
//
//     long_line DELAY RATE QUEUE PORT
//
// DELAY is the time of one direction in microseconds. Packets to PORT are sent at RATE bytes a second, at most QUEUE
// bytes wait for their turn, and further ones are lost, as in a router. Packets of the other direction are delayed
// only. The interface has the address 10.255.77.1. A client that connects to 10.255.77.2 reaches the servers that
// listen on 10.255.77.1. The program prints a line when the interface is ready, and ends with its standard input. It
// needs the rights of root, and is best run in a network namespace of its own.
//
// Theory of operation: the kernel hands packets for 10.255.77.2 to this program through a TUN device. The program
// exchanges source and destination, and returns each packet when it is due. So the client's packet arrives as one from
// 10.255.77.2, and the answer goes the same way. Both ends are the kernel's own TCP, with slow start, windows and
// retransmission. Checksums stay valid: that of IPv4 and that of TCP are sums of 16-bit words, in any order.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    // The interface's largest packet, as on Ethernet.
    PACKET_BYTES = 1500,
    // Packets of one direction that are on their way: 100 ms at 40 MB/s, twice over, and their acknowledgements.
    PACKETS = 16384,
    IPV4_HEADER = 20,
};

struct packet {
    uint64_t due;
    ssize_t length;
    unsigned char bytes[PACKET_BYTES];
};

// Packets of one direction. All have the same delay, so they are due in the order in which they came.
struct direction {
    struct packet *packets;
    size_t first, count;
    double rate;       // bytes a nanosecond; 0: unlimited
    uint64_t free_at;  // when the packets that came so far have been sent
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int open_interface(void) {
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device < 0) fail("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strcpy(request.ifr_name, "long%d");
    if (ioctl(device, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
    int control = socket(AF_INET, SOCK_DGRAM, 0);
    if (control < 0) fail("socket");
    struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = inet_addr("10.255.77.1");
    if (ioctl(control, SIOCSIFADDR, &request) < 0) fail("SIOCSIFADDR");
    address->sin_addr.s_addr = inet_addr("255.255.255.252");
    if (ioctl(control, SIOCSIFNETMASK, &request) < 0) fail("SIOCSIFNETMASK");
    request.ifr_mtu = PACKET_BYTES;
    if (ioctl(control, SIOCSIFMTU, &request) < 0) fail("SIOCSIFMTU");
    // A queue that holds what the senders may have on their way, so that only the line loses packets.
    request.ifr_qlen = PACKETS;
    if (ioctl(control, SIOCSIFTXQLEN, &request) < 0) fail("SIOCSIFTXQLEN");
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0) fail("SIOCGIFFLAGS");
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0) fail("SIOCSIFFLAGS");
    close(control);
    return device;
}

// The number of a packet's destination port, or -1.
static int destination_port(const unsigned char *bytes, ssize_t length) {
    if (length < IPV4_HEADER || bytes[0] >> 4 != 4) return -1;
    ssize_t header = (bytes[0] & 15) * 4;
    if (header < IPV4_HEADER || length < header + 4) return -1;
    return bytes[header + 2] << 8 | bytes[header + 3];
}

// Reads all packets that the kernel has sent.
static void take(int device, struct direction *to_server, struct direction *to_client, int port, uint64_t delay,
                 uint64_t queue) {
    for (;;) {
        struct packet packet;
        packet.length = read(device, packet.bytes, sizeof packet.bytes);
        if (packet.length < 0) {
            if (errno == EAGAIN) return;
            fail("read");
        }
        int destination = destination_port(packet.bytes, packet.length);
        if (destination < 0) continue;
        unsigned char source[4];
        memcpy(source, packet.bytes + 12, 4);
        memcpy(packet.bytes + 12, packet.bytes + 16, 4);
        memcpy(packet.bytes + 16, source, 4);
        struct direction *way = destination == port ? to_server : to_client;
        uint64_t time = now();
        if (way->free_at < time) way->free_at = time;
        if (way->count == PACKETS) continue;
        if (way->rate > 0) {
            if ((double)(way->free_at - time) * way->rate > (double)queue) continue;
            way->free_at += (uint64_t)((double)packet.length / way->rate);
        }
        packet.due = way->free_at + delay;
        way->packets[(way->first + way->count++) % PACKETS] = packet;
    }
}

// Returns the packets that are due, and the time of the next one.
static uint64_t give(int device, struct direction *way) {
    uint64_t time = now();
    while (way->count > 0) {
        struct packet *packet = &way->packets[way->first];
        if (packet->due > time) return packet->due;
        // A packet that the kernel does not take is lost.
        if (write(device, packet->bytes, (size_t)packet->length) < 0 && errno != EAGAIN && errno != EINVAL) {
            fail("write");
        }
        way->first = (way->first + 1) % PACKETS;
        way->count--;
    }
    return UINT64_MAX;
}

int main(int count, char **values) {
    if (count != 5) {
        fprintf(stderr, "usage: long_line DELAY RATE QUEUE PORT\n");
        return 2;
    }
    uint64_t delay = strtoull(values[1], NULL, 10) * 1000;
    uint64_t queue = strtoull(values[3], NULL, 10);
    int port = atoi(values[4]);
    struct direction to_server = {.rate = strtod(values[2], NULL) / 1e9}, to_client = {.rate = 0};
    to_server.packets = calloc(PACKETS, sizeof(struct packet));
    to_client.packets = calloc(PACKETS, sizeof(struct packet));
    if (!to_server.packets || !to_client.packets) fail("calloc");
    int device = open_interface();
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        uint64_t next = give(device, &to_server), other = give(device, &to_client), time = now();
        if (other < next) next = other;
        uint64_t wait = next == UINT64_MAX ? 1000000000 : next > time ? next - time : 0;
        struct timespec timeout = {(time_t)(wait / 1000000000), (long)(wait % 1000000000)};
        struct pollfd polled[] = {{.fd = device, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
        if (ppoll(polled, 2, &timeout, NULL) < 0 && errno != EINTR) fail("ppoll");
        if (polled[1].revents) return 0;
        if (polled[0].revents) take(device, &to_server, &to_client, port, delay, queue);
    }
}
