/*
 * bare_request.c
 *		A TCP connection and a request to the sandbox, again and again, with the
 *		time at which each began: what no worker can be faster than.
 *
 * bare_request PORT COUNT: prints microseconds since 1970, a line each.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "POST /orderendpoint/v1/loadCards HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
							  "Connection: close\r\nContent-Length: 2\r\n\r\n{}";

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0)};
	const struct timespec pause = {.tv_nsec = 50000000};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int count = argc > 2 ? atoi(argv[2]) : 0; count > 0; count--)
	{
		struct timeval start;
		char answer[4096];
		int fd;

		nanosleep(&pause, NULL);
		gettimeofday(&start, NULL);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
			write(fd, request, strlen(request)) != (ssize_t) strlen(request) || read(fd, answer, sizeof(answer)) <= 0)
		{
			perror("bare_request");
			return 1;
		}
		close(fd);
		printf("%ld\n", start.tv_sec * 1000000L + start.tv_usec);
	}
	return 0;
}
