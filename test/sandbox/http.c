/*
 * http.c
 *		HTTP by libmicrohttpd: gathers calls and sends answers, also in the ways
 *		that no sane server would.
 *
 * Each connection has a thread, so that an operation, a delay or a slow body simply
 * waits without keeping others from being served.
 */
#include "sandbox.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define BODY_MAX (1024 * 1024)
#define BLOCK_SIZE 4096

/* Enough for the deepest nesting that jansson reads. */
#define STACK_SIZE (2 * 1024 * 1024)

static struct MHD_Daemon *server;

/* A body that leaves in parts. */
typedef struct Parts
{
	char *body;
	size_t size;
	Manner manner;
	unsigned pause_ms;
} Parts;

/*
 * request_free frees a call, which may be NULL.
 */
static void
request_free(Request *request)
{
	if (request == NULL)
		return;
	json_decref(request->headers);
	json_decref(request->arguments);
	free(request->body);
	free(request);
}

/*
 * add_body adds a block to the body of a call, up to a limit.
 */
static void
add_body(Request *request, const char *block, size_t size)
{
	if (request->oversized || request->size + size > BODY_MAX)
	{
		request->oversized = true;
		return;
	}
	if (request->size + size > request->capacity)
	{
		request->capacity = 2 * (request->size + size);
		request->body = realloc(request->body, request->capacity);
		if (request->body == NULL)
			fatal("out of memory");
	}
	memcpy(request->body + request->size, block, size);
	request->size += size;
}

/*
 * add_value adds a header or an argument to a JSON object; repeated ones are joined
 * as HTTP joins them, so that none is lost to those who check.
 */
static bool
add_value(json_t *object, const char *name, const char *value)
{
	const char *before = json_string_value(json_object_get(object, name));

	if (value == NULL)
		value = "";
	return json_object_set_new(object, name,
							   before == NULL ? json_string(value) : json_sprintf("%s, %s", before, value)) == 0;
}

/*
 * add_header adds a header to a call.  One that is not UTF-8 is passed over.
 */
static enum MHD_Result
add_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	Request *request = context;
	char *lower = strdup(name);

	(void) kind;
	for (char *c = lower; *c != '\0'; c++)
		*c = (char) tolower((unsigned char) *c);
	add_value(request->headers, lower, value);
	free(lower);
	return MHD_YES;
}

/*
 * add_argument adds an argument of the query string to a call.
 */
static enum MHD_Result
add_argument(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	Request *request = context;

	(void) kind;
	if (add_value(request->arguments, name, value))
		return MHD_YES;
	json_decref(request->arguments);
	request->arguments = NULL;
	return MHD_NO;
}

/*
 * complete adds to a call what is known once its body has come.
 */
static void
complete(Request *request, struct MHD_Connection *connection, const char *method, const char *path)
{
	const union MHD_ConnectionInfo *client = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	request->method = method;
	request->path = path;
	request->port = ntohs(((const struct sockaddr_in *) client->client_addr)->sin_port);
	request->headers = json_object();
	request->arguments = json_object();
	MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, request);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, request);
}

/*
 * reset_connection ends a connection by RST.  Its socket is still libmicrohttpd's to
 * close, which would send FIN first: on Linux, connecting it to nowhere sends RST now.
 */
static void
reset_connection(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	if (connect(info->connect_fd, &nowhere, sizeof(nowhere)) != 0)
		fatal("a connection cannot be reset");
}

/*
 * next_part gives libmicrohttpd the next part of a body, or its end.
 */
static ssize_t
next_part(void *context, uint64_t position, char *block, size_t room)
{
	Parts *parts = context;
	size_t size = room;

	if (parts->pause_ms > 0 && !clock_pause(parts->pause_ms))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (parts->manner == MANNER_ENDLESS)
	{
		memset(block, ' ', room);
		return (ssize_t) room;
	}
	if (parts->manner == MANNER_SLOW)
		size = 1;
	else if (position >= parts->size / 2)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	else if (size > parts->size / 2 - position)
		size = parts->size / 2 - position;
	memcpy(block, parts->body + position, size);
	return (ssize_t) size;
}

/*
 * free_parts frees a body that left in parts.
 */
static void
free_parts(void *context)
{
	Parts *parts = context;

	free(parts->body);
	free(parts);
}

/*
 * respond_in_parts returns a response that takes the answer's body over and sends it
 * bit by bit.
 */
static struct MHD_Response *
respond_in_parts(Answer *answer)
{
	Parts *parts = malloc(sizeof(Parts));

	if (parts == NULL)
		fatal("out of memory");
	*parts = (Parts){
		.body = answer->body, .size = answer->size, .manner = answer->manner, .pause_ms = answer->pause_ms};
	return MHD_create_response_from_callback(answer->manner == MANNER_ENDLESS ? MHD_SIZE_UNKNOWN : answer->size,
											 BLOCK_SIZE, next_part, parts, free_parts);
}

/*
 * add_response_header adds a header unless its value is empty.
 */
static void
add_response_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (*value != '\0')
		MHD_add_response_header(response, name, value);
}

/*
 * respond sends an answer, whose body it takes over, in the manner it asks for.
 * MHD_NO ends the connection by FIN.
 */
static enum MHD_Result
respond(struct MHD_Connection *connection, Answer *answer)
{
	struct MHD_Response *response;
	enum MHD_Result queued;

	switch (answer->manner)
	{
		case MANNER_CRASH:
			kill(getpid(), SIGKILL);
			break;
		case MANNER_RESET:
			reset_connection(connection);
			break;
		case MANNER_MALFORMED:
			answer->size -= answer->size > 0;
			break;
		case MANNER_EMPTY:
			answer->size = 0;
			break;
		default:
			break;
	}
	if (answer->manner == MANNER_CLOSE || answer->manner == MANNER_RESET)
	{
		free(answer->body);
		return MHD_NO;
	}

	if (answer->manner == MANNER_TRUNCATED || answer->manner == MANNER_SLOW || answer->manner == MANNER_ENDLESS)
		response = respond_in_parts(answer);
	else
		response = MHD_create_response_from_buffer(answer->size, answer->body, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		fatal("out of memory");
	add_response_header(response, "Content-Type", answer->content_type);
	add_response_header(response, "Location", answer->location);
	add_response_header(response, "Retry-After", answer->retry_after);
	add_response_header(response, "Allow", answer->allow);
	queued = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return queued;
}

/*
 * handle is called by libmicrohttpd when the head of a call has come, for each block
 * of its body, and at its end.
 */
static enum MHD_Result
handle(void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
	   const char *block, size_t *block_size, void **state)
{
	Request *request = *state;
	Answer answer = {.body = NULL};

	(void) context;
	(void) version;
	if (request == NULL)
	{
		*state = calloc(1, sizeof(Request));
		return *state == NULL ? MHD_NO : MHD_YES;
	}
	if (*block_size > 0)
	{
		add_body(request, block, *block_size);
		*block_size = 0;
		return MHD_YES;
	}
	complete(request, connection, method, path);
	dispatch(request, &answer);
	return respond(connection, &answer);
}

/*
 * finish frees a call when its answer has left, or never will.
 */
static void
finish(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
	(void) context;
	(void) connection;
	(void) why;
	request_free(*state);
	*state = NULL;
}

/*
 * http_start listens on a port of 127.0.0.1, a free one for 0, and returns it.
 */
unsigned
http_start(unsigned port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t) port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const union MHD_DaemonInfo *info;

	server = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, handle, NULL,
							  MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &address, MHD_OPTION_NOTIFY_COMPLETED, finish,
							  NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS_MAX,
							  MHD_OPTION_THREAD_STACK_SIZE, (size_t) STACK_SIZE, MHD_OPTION_END);
	if (server == NULL)
		fatal("cannot listen on port %u of 127.0.0.1", port);
	info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT);
	return info->port;
}

/*
 * http_stop ends all connections; clock_stop comes before it.
 */
void
http_stop(void)
{
	MHD_stop_daemon(server);
}
