/*
 * clock.c
 *		A library to be preloaded into a server, whose clock can then be set: the
 *		time of day is moved by as many microseconds as the file says that the
 *		environment names.  CLOCK_MONOTONIC stays what it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "MURALLINK_CLOCK"

/* In the file; read by all processes at any time. */
static volatile const int64_t *moved;

/*
 * Maps the file.  A process that cannot ends, because a test must not run by
 * another clock than it believes.
 */
__attribute__((constructor)) static void
begin(void)
{
	const char *name = getenv(FILE_NAME);
	int fd = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
	void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		_exit(127);
	close(fd);
	moved = page;
}

/*
 * Returns the time of day in nanoseconds, as the kernel knows it, moved.
 */
static int64_t
now(clockid_t clock)
{
	static int (*known)(clockid_t, struct timespec *) = NULL;
	struct timespec time;

	if (known == NULL)
		known = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
	known(clock, &time);
	return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec +
		   (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? *moved * 1000 : 0);
}

int
clock_gettime(clockid_t clock, struct timespec *time)
{
	int64_t at = now(clock);

	*time = (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
	return 0;
}

int
gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	int64_t at = now(CLOCK_REALTIME);

	(void) zone;
	*time = (struct timeval){.tv_sec = at / 1000000000, .tv_usec = at / 1000 % 1000000};
	return 0;
}

time_t
time(time_t *seconds)
{
	time_t at = now(CLOCK_REALTIME) / 1000000000;

	if (seconds != NULL)
		*seconds = at;
	return at;
}
