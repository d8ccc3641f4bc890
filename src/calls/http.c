/*
 * http.c
 *	  HTTP requests in flight: libcurl behind one epoll descriptor, so that a
 *	  WaitEventSet can wait for all of them beside the latch.
 *
 * libcurl calls back into this file only, and these callbacks neither allocate
 * with palloc nor raise errors: a longjmp out of libcurl would leave it in an
 * unknown state, and its name resolver runs in threads of its own.
 */
#include "postgres.h"

#include <ctype.h>
#include <curl/curl.h>
#include <signal.h>
#include <sys/epoll.h>

#include "clock.h"
#include "crash_point.h"
#include "http.h"
#include "lib/ilist.h"
#include "storage/fd.h"

/* A longer body is refused. libcurl itself limits the headers. */
#define BODY_SIZE_MAX (1024 * 1024)

#define EVENTS_AT_ONCE 64

/*
 * A connection idle for longer than this (in seconds) is not used again: a
 * server that closes it at the same moment would leave the call in doubt.
 */
#define IDLE_MAX 4L

struct HttpCall
{
	dlist_node node; /* in ended */
	CURL *easy;
	struct curl_slist *headers;
	HttpRequest request;
	size_t body_size;
	size_t given; /* bytes of the body given to libcurl */
	bool repeated; /* libcurl has tried to repeat it */
	bool counted; /* as an external descriptor */
	char *received;
	size_t received_size;
	CURLcode ending;
	char error[CURL_ERROR_SIZE];
	void *owner;
};

static CURLM *multi = NULL;
static int epoll_fd = -1;
static Moment timer = MOMENT_NEVER; /* when to call libcurl */
static dlist_head ended = DLIST_STATIC_INIT(ended);

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known);
static bool watch(int fd, int what);
static int set_timer(CURLM *m, long ms, void *arg);
static size_t give_body(char *buffer, size_t size, size_t count, void *arg);
static int refuse_rewind(void *arg, curl_off_t offset, int origin);
static size_t take_body(char *data, size_t size, size_t count, void *arg);
static bool configure(HttpCall *call);
static bool add_headers(HttpCall *call);
static const char *words_of(HttpCall *call);
static void drop_measures(char *words);
static void block_signals(sigset_t *saved);

/*
 * Prepares this process for calls and returns the descriptor to wait for.
 * Raises an error if libcurl or the kernel fails.  libcurl must not be
 * initialised in the postmaster: it does not survive a fork.
 */
int
http_open(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (multi = curl_multi_init()) == NULL)
		ereport(ERROR, errmsg("murallink: could not initialise libcurl"));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		ereport(ERROR, errmsg("murallink: could not create an epoll descriptor: %m"));
	ReserveExternalFD();
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
	return epoll_fd;
}

/*
 * Returns what is wrong with the URL of a partner, or NULL.  It must be https,
 * or http on this machine, without user, query and fragment.  libcurl parses it
 * here as it does for calls.
 */
const char *
http_url_wrong(const char *url)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL;
	const char *wrong = NULL;

	if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK ||
		curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		wrong = "it is not a URL";
	else if (strpbrk(url, "?#") != NULL)
		wrong = "it has a query or a fragment";
	else if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && http_is_here(url)))
		wrong = "it neither uses https nor points to this machine";
	curl_free(scheme);
	curl_url_cleanup(parsed);
	return wrong;
}

/*
 * Returns whether a URL points to this machine.  libcurl resolves "localhost"
 * itself.
 */
bool
http_is_here(const char *url)
{
	CURLU *parsed = curl_url();
	char *host = NULL;
	bool here = parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
				curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
				(strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0);

	curl_free(host);
	curl_url_cleanup(parsed);
	return here;
}

/*
 * Returns a text escaped for a query string, which the caller frees, or NULL
 * if memory is short.
 */
char *
http_escape(const char *text)
{
	return curl_easy_escape(NULL, text, 0);
}

/*
 * Adds a header to a request.  Returns false if memory is short, or if the
 * value has a character that would end the header.
 */
bool
http_header(HttpRequest *request, const char *name, const char *value)
{
	size_t size = strlen(name) + 2 + (value == NULL ? 0 : strlen(value)) + 1;
	int i = 0;

	while (i < HTTP_HEADERS && request->headers[i] != NULL)
		i++;
	for (const char *c = value; c != NULL && *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			return false;
	if (value == NULL || i == HTTP_HEADERS || (request->headers[i] = malloc(size)) == NULL)
		return false;
	snprintf(request->headers[i], size, "%s: %s", name, value);
	return true;
}

/*
 * Starts a call; http_owner() returns owner.  Returns false if memory or
 * descriptors are short; then nothing was sent.  Takes over the strings of the
 * request in any case.
 */
bool
http_start(HttpRequest *request, void *owner)
{
	HttpCall *call = calloc(1, sizeof(HttpCall));

	if (call == NULL)
	{
		http_request_free(request);
		return false;
	}
	call->request = *request;
	call->owner = owner;
	call->body_size = request->body == NULL ? 0 : strlen(request->body);
	call->counted = AcquireExternalFD();
	if (call->counted && (call->easy = curl_easy_init()) != NULL && configure(call) &&
		curl_multi_add_handle(multi, call->easy) == CURLM_OK)
		return true;
	http_free(call);
	return false;
}

/*
 * Sets all options of libcurl.  Returns false if memory is short.
 *
 * If a kept connection ends before the answer, libcurl repeats the request and
 * reports success.  So the body is read through give_body(), which gives it
 * out once, and a request without a body has a connection of its own.
 *
 * Without CURLOPT_QUICK_EXIT, libcurl would wait for a name that is still
 * being resolved at the timeout, and all other calls with it.
 */
static bool
configure(HttpCall *call)
{
	CURL *easy = call->easy;
	HttpRequest *request = &call->request;

#define SET(option, value)                                 \
	if (curl_easy_setopt(easy, option, value) != CURLE_OK) \
	return false
	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PROTOCOLS_STR, pg_strncasecmp(request->url, "https:", 6) == 0 ? "https" : "http");
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout);
	SET(CURLOPT_TIMEOUT_MS, (long) request->timeout);
	SET(CURLOPT_MAXAGE_CONN, IDLE_MAX);
	SET(CURLOPT_ERRORBUFFER, call->error);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, call);
	if (!add_headers(call))
		return false;
	SET(CURLOPT_HTTPHEADER, call->headers);
	if (request->body == NULL)
	{
		SET(CURLOPT_FRESH_CONNECT, 1L);
		return true;
	}
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_CUSTOMREQUEST, request->method);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) call->body_size);
	SET(CURLOPT_READFUNCTION, give_body);
	SET(CURLOPT_READDATA, call);
	SET(CURLOPT_SEEKFUNCTION, refuse_rewind);
	SET(CURLOPT_SEEKDATA, call);
#undef SET
	return true;
}

/*
 * Makes libcurl's list of headers; returns false when memory is short.  An
 * Expect header would make libcurl send the request again without it.
 */
static bool
add_headers(HttpCall *call)
{
	const char *headers[HTTP_HEADERS + 3] = {"Accept: application/json", "Expect:"};
	char type[100];
	int count = 2;

	snprintf(type, sizeof(type), "Content-Type: %s",
			 call->request.content_type == NULL ? "application/json" : call->request.content_type);
	if (call->request.body != NULL)
		headers[count++] = type;
	for (int i = 0; i < HTTP_HEADERS; i++)
		if (call->request.headers[i] != NULL)
			headers[count++] = call->request.headers[i];
	for (int i = 0; i < count; i++)
	{
		struct curl_slist *longer = curl_slist_append(call->headers, headers[i]);

		if (longer == NULL)
			return false;
		call->headers = longer;
	}
	return true;
}

/*
 * Called by libcurl for the next part of the body.  If libcurl reads beyond
 * the end, it has started to repeat the request.
 */
static size_t
give_body(char *buffer, size_t size, size_t count, void *arg)
{
	HttpCall *call = arg;
	size_t part = Min(size * count, call->body_size - call->given);

	if (part == 0)
		return CURL_READFUNC_ABORT;
	memcpy(buffer, call->request.body + call->given, part);
	call->given += part;
	return part;
}

/*
 * Called by libcurl to repeat the body.  Refuses.
 */
static int
refuse_rewind(void *arg, curl_off_t offset, int origin)
{
	HttpCall *call = arg;

	call->repeated = true;
	return CURL_SEEKFUNC_FAIL;
}

/*
 * Called by libcurl with the next part of the answer.  To return less than its
 * size ends the call.
 */
static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	HttpCall *call = arg;
	size_t part = size * count;
	char *longer;

	if (call->received_size + part > BODY_SIZE_MAX)
		return 0;
	longer = realloc(call->received, call->received_size + part);
	if (longer == NULL)
		return 0;
	memcpy(longer + call->received_size, data, part);
	call->received = longer;
	call->received_size += part;
	return part;
}

/*
 * Called by libcurl to start or stop watching a socket.  It watches for
 * reading alone when all of a request has been sent.
 */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	if (what == CURL_POLL_IN)
		CRASH_POINT("call_sent");
	return watch(fd, what) ? 0 : -1;
}

/*
 * Watches a descriptor for the events that libcurl calls CURL_POLL_...
 * Returns false if the kernel refuses.
 */
static bool
watch(int fd, int what)
{
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return true;
	}
	event.events = ((what & CURL_POLL_IN) ? EPOLLIN : 0) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0);
	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0 ||
		   (errno == ENOENT && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

/*
 * Called by libcurl to set or clear its timer.
 */
static int
set_timer(CURLM *m, long ms, void *arg)
{
	timer = ms < 0 ? MOMENT_NEVER : clock_now() + ms * CLOCK_MS;
	return 0;
}

/*
 * Returns after how many milliseconds, at most that many, http_turn() must be
 * called even if no descriptor is ready.
 */
long
http_wait(long most)
{
	return clock_wait(timer, most);
}

/*
 * Lets libcurl read and write without waiting, and collects the calls that
 * have ended.
 */
void
http_turn(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	sigset_t saved;
	int running;
	int left;
	CURLMsg *message;
	int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, 0);

	block_signals(&saved);
	for (int i = 0; i < count; i++)
	{
		int what = ((events[i].events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
				   ((events[i].events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
				   ((events[i].events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);

		(void) curl_multi_socket_action(multi, events[i].data.fd, what, &running);
	}
	if (timer <= clock_now())
	{
		timer = MOMENT_NEVER;
		(void) curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		HttpCall *call;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &call);
		call->ending = message->data.result;
		dlist_push_tail(&ended, &call->node);
	}
	sigprocmask(SIG_SETMASK, &saved, NULL);
}

/*
 * Blocks all signals.  The threads in which libcurl resolves names inherit
 * this, because PostgreSQL's handlers must run only in the first thread.
 */
static void
block_signals(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, saved);
}

/*
 * Returns a call that has ended, which the caller frees, or NULL.
 */
HttpCall *
http_next_ended(void)
{
	if (dlist_is_empty(&ended))
		return NULL;
	return dlist_container(HttpCall, node, dlist_pop_head_node(&ended));
}

/*
 * Returns the owner that http_start() was given.
 */
void *
http_owner(HttpCall *call)
{
	return call->owner;
}

/*
 * Returns how a call ended.  The result points into the call.
 */
HttpAnswer
http_answer(HttpCall *call)
{
	HttpAnswer answer = {0};
	long request_size = 0;
	long status = 0;
	curl_off_t retry_after = 0;
	char *type = NULL;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_size);
	answer.sent = call->request.body == NULL ? request_size > 0 : call->given > 0;
	answer.complete = call->ending == CURLE_OK;
	answer.status = (int) status;
	answer.json = type != NULL && pg_strncasecmp(type, "application/json", 16) == 0 &&
				  (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
	answer.body = call->received;
	answer.size = call->received_size;
	answer.retry_after = (int) Min(retry_after, INT_MAX);
	answer.error = words_of(call);
	return answer;
}

/*
 * Returns why a call failed, in the same words for the same reason, so that
 * people can count them.
 */
static const char *
words_of(HttpCall *call)
{
	if (call->repeated || call->ending == CURLE_GOT_NOTHING)
		return "The connection ended before the answer";
	if (call->ending == CURLE_WRITE_ERROR)
		return "The answer is larger than 1 MB, or memory is exhausted";
	if (call->error[0] == '\0')
		return curl_easy_strerror(call->ending);
	drop_measures(call->error);
	return call->error;
}

/*
 * Removes durations and sizes from libcurl's words.
 */
static void
drop_measures(char *words)
{
	static const char *const measures[][2] = {
		{" after ", " ms"},
		{" after ", " milliseconds"},
		{" with ", " bytes received"},
		{" with ", " bytes remaining to read"},
	};

	for (int i = 0; i < lengthof(measures); i++)
	{
		char *start = strstr(words, measures[i][0]);
		char *end = start == NULL ? NULL : strstr(start, measures[i][1]);

		if (end == NULL || !isdigit((unsigned char) start[strlen(measures[i][0])]))
			continue;
		end += strlen(measures[i][1]);
		memmove(start, end, strlen(end) + 1);
	}
}

/*
 * Frees the strings of a request.
 */
void
http_request_free(HttpRequest *request)
{
	free(request->url);
	free(request->body);
	for (int i = 0; i < HTTP_HEADERS; i++)
		free(request->headers[i]);
}

/*
 * Frees a call, in flight or ended.
 */
void
http_free(HttpCall *call)
{
	if (call->easy != NULL)
	{
		(void) curl_multi_remove_handle(multi, call->easy);
		curl_easy_cleanup(call->easy);
	}
	if (call->counted)
		ReleaseExternalFD();
	curl_slist_free_all(call->headers);
	http_request_free(&call->request);
	free(call->received);
	free(call);
}
