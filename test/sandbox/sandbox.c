/*
 * sandbox.c
 *		The program: options, start and end.
 */
#include "sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
	"usage: murallink-sandbox --ledger FILE [--port N] [--port-file FILE] [--no-sync] [--reading NAME=VALUE ...]\n"
	"  --ledger FILE        the truth ledger: made where missing, replayed where not\n"
	"  --port N             of 127.0.0.1 (default 0: a free one)\n"
	"  --port-file FILE     where the port is written once the sandbox listens\n"
	"  --no-sync            leaves it to the kernel when the ledger reaches the disk\n"
	"  --reading NAME=VALUE a setting, as in POST /sandbox/settings\n";

typedef struct Options
{
	const char *ledger;
	const char *port_file;
	unsigned port;
	bool sync;
} Options;

/*
 * fatal ends the sandbox: it cannot be the judge any more.
 */
void
fatal(const char *format, ...)
{
	va_list args;

	fputs("murallink-sandbox: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

/*
 * read_setting takes a setting from "name=value".
 */
static void
read_setting(const char *argument)
{
	const char *equals = strchr(argument, '=');
	char name[SETTING_SIZE];
	Message message;

	if (equals == NULL || equals - argument >= SETTING_SIZE)
		fatal("%s is not name=value", argument);
	snprintf(name, sizeof(name), "%.*s", (int) (equals - argument), argument);
	if (!setting_set(name, equals + 1, message))
		fatal("%s", message);
}

/*
 * read_port returns a port number.
 */
static unsigned
read_port(const char *argument)
{
	char *end;
	unsigned long port = strtoul(argument, &end, 10);

	if (*argument == '\0' || *end != '\0' || port > 65535)
		fatal("%s is no port", argument);
	return (unsigned) port;
}

/*
 * read_options takes the options; settings go where settings are kept.
 */
static Options
read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"ledger", required_argument, NULL, 'l'},
		{"port", required_argument, NULL, 'p'},
		{"port-file", required_argument, NULL, 'f'},
		{"no-sync", no_argument, NULL, 'n'},
		{"reading", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	Options options = {.sync = true};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (option)
		{
			case 'l':
				options.ledger = optarg;
				break;
			case 'p':
				options.port = read_port(optarg);
				break;
			case 'f':
				options.port_file = optarg;
				break;
			case 'n':
				options.sync = false;
				break;
			case 'r':
				read_setting(optarg);
				break;
			case 'h':
				fputs(usage, stdout);
				exit(0);
			default:
				fputs(usage, stderr);
				exit(2);
		}
	while (optind < argc)
		read_setting(argv[optind++]);
	if (options.ledger == NULL)
	{
		fputs(usage, stderr);
		exit(2);
	}
	return options;
}

/*
 * write_port writes the port to a file that is there only when complete.
 */
static void
write_port(const char *path, unsigned port)
{
	char *draft;
	FILE *file;

	if (asprintf(&draft, "%s.new", path) < 0)
		fatal("out of memory");
	file = fopen(draft, "w");
	if (file == NULL || fprintf(file, "%u\n", port) < 0 || fclose(file) != 0 || rename(draft, path) != 0)
		fatal("%s: %s", path, strerror(errno));
	free(draft);
}

/*
 * allow_connections makes room for as many connections as the machine permits.
 */
static void
allow_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		fatal("getrlimit: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		fatal("setrlimit: %s", strerror(errno));
}

/*
 * main serves until SIGTERM or SIGINT.
 */
int
main(int argc, char **argv)
{
	Options options;
	sigset_t signals;
	int signal_number;
	unsigned port;

	settings_init();
	options = read_options(argc, argv);
	settings_started();

	/* Blocked in every thread: only sigwait sees them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	allow_connections();
	partners_reset();
	ledger_open(options.ledger, options.sync);
	port = http_start(options.port);
	if (options.port_file != NULL)
		write_port(options.port_file, port);

	sigwait(&signals, &signal_number);
	clock_stop();
	http_stop();
	return 0;
}
