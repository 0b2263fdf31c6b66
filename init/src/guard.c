// `init guard PORT [ADDRESS[/BITS]...]`: blocks destinations outside its network namespace by routing rules in the kernel.
// The engine runs it with CAP_NET_ADMIN. Nothing else in a sandbox has this capability, so code inside can't remove the
// rules. UDP to PORT goes nowhere: it is where nodes of a swarm take packets for overlay networks from whoever sends them.
// Nothing goes to the ADDRESSES (the nodes' own, or those of a cloud's metadata) and to the gateway, but questions to a
// name server there.
#define _GNU_SOURCE
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 100, DNS_PORT = 53, WHOLE = 32 };

struct rule {
  uint8_t family, action, protocol; // any protocol where 0
  uint16_t port;                    // any port where 0
  uint32_t address, priority;       // any address where 0, else of IPv4, in network order
  uint8_t bits;                     // of the address that count
};

static void put(struct nlmsghdr *message, uint16_t type, const void *value, uint16_t size) {
  struct rtattr *attribute = (struct rtattr *)((uint8_t *)message + NLMSG_ALIGN(message->nlmsg_len));
  *attribute = (struct rtattr){.rta_len = RTA_LENGTH(size), .rta_type = type};
  memcpy(RTA_DATA(attribute), value, size);
  message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

// Returns 0 or an errno.
static int add_rule(int kernel, const struct rule *rule) {
  union {
    struct nlmsghdr header;
    uint8_t bytes[256];
  } message = {.header = {
                   .nlmsg_len = NLMSG_LENGTH(sizeof(struct fib_rule_hdr)),
                   .nlmsg_type = RTM_NEWRULE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
               }};
  struct fib_rule_hdr *header = NLMSG_DATA(&message.header);
  header->family = rule->family;
  header->action = rule->action;
  header->table = rule->action == FR_ACT_TO_TBL ? RT_TABLE_MAIN : RT_TABLE_UNSPEC;
  put(&message.header, FRA_PRIORITY, &rule->priority, sizeof rule->priority);
  if (rule->protocol != 0) put(&message.header, FRA_IP_PROTO, &rule->protocol, sizeof rule->protocol);
  struct fib_rule_port_range range = {rule->port, rule->port};
  if (rule->port != 0) put(&message.header, FRA_DPORT_RANGE, &range, sizeof range);
  if (rule->address != 0) {
    header->dst_len = rule->bits;
    put(&message.header, FRA_DST, &rule->address, sizeof rule->address);
  }
  if (send(kernel, &message, message.header.nlmsg_len, 0) < 0) return errno;
  ssize_t got = recv(kernel, &message, sizeof message, 0);
  if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || message.header.nlmsg_type != NLMSG_ERROR) return EPROTO;
  int error = -((struct nlmsgerr *)NLMSG_DATA(&message.header))->error;
  return error == EEXIST ? 0 : error;
}

static int close_address(int kernel, uint32_t address, uint8_t bits) {
  const struct rule rules[] = {
      {AF_INET, FR_ACT_TO_TBL, IPPROTO_UDP, DNS_PORT, address, FIRST + 1, bits},
      {AF_INET, FR_ACT_TO_TBL, IPPROTO_TCP, DNS_PORT, address, FIRST + 1, bits},
      {AF_INET, FR_ACT_UNREACHABLE, 0, 0, address, FIRST + 2, bits},
  };
  int error = 0;
  for (size_t i = 0; i < sizeof rules / sizeof *rules && error == 0; i++) error = add_rule(kernel, &rules[i]);
  return error;
}

// Lines of /proc/net/route: interface, destination, gateway, flags, ..., numbers in hexadecimal as they are in memory.
static int close_gateways(int kernel) {
  FILE *routes = fopen("/proc/net/route", "re");
  if (routes == NULL) return errno;
  char line[512];
  int error = 0;
  // The first one names the columns.
  (void)!fgets(line, sizeof line, routes);
  while (error == 0 && fgets(line, sizeof line, routes) != NULL) {
    char *at = line + strcspn(line, "\t");
    strtoul(at, &at, 16);
    uint32_t gateway = strtoul(at, &at, 16);
    if (gateway != 0) error = close_address(kernel, gateway, WHOLE);
  }
  fclose(routes);
  return error;
}

static int guard(int kernel, int port, char **addresses) {
  struct rule overlay = {AF_INET, FR_ACT_BLACKHOLE, IPPROTO_UDP, port, 0, FIRST, 0};
  int error = add_rule(kernel, &overlay);
  if (error != 0) return error;
  overlay.family = AF_INET6;
  error = add_rule(kernel, &overlay);
  // A kernel without IPv6 has no way to close.
  if (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP) return error;
  for (error = close_gateways(kernel); error == 0 && *addresses != NULL; addresses++) {
    struct in_addr address;
    char *length = strchr(*addresses, '/');
    int bits = length == NULL ? WHOLE : atoi(length + 1);
    if (length != NULL) *length = 0;
    if (inet_pton(AF_INET, *addresses, &address) != 1 || bits < 1 || bits > WHOLE) return EINVAL;
    error = close_address(kernel, address.s_addr, bits);
  }
  return error;
}

int run_guard(char **arguments) {
  int port = arguments[0] == NULL ? 0 : atoi(arguments[0]);
  int kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int error = port < 1 || port > 65535 ? EINVAL : kernel < 0 ? errno : guard(kernel, port, arguments + 1);
  if (error != 0) fprintf(stderr, "cordon-init: guard: %s\n", strerror(error));
  return error == 0 ? 0 : 1;
}
