/*
 * mail_connection.c
 *	  Connections to mail servers, which are kept for a short time for other
 *	  mails.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "mail_part.h"
#include "storage/fd.h"

/* Descriptors that a handle of libcurl's uses: its socket, and a pair to wake its thread. */
#define DESCRIPTORS 3

/*
 * A connection idle for longer than this is not used again: a server that
 * closes it at the same moment would make the next mail fail.
 */
#define CONNECTION_IDLE_MAX (4 * CLOCK_S)

static dlist_head idle = DLIST_STATIC_INIT(idle); /* the one that has been idle longest comes first */

static char *key_of(const MailRequest *request);
static bool acquire_descriptors(void);
static void close_idle(Moment until);

/*
 * Returns the key of the connections that can serve a request, or NULL if
 * memory is short.
 */
static char *
key_of(const MailRequest *request)
{
	const char *parts[] = {request->username, request->password, request->ca_file};
	char *key;

	for (int i = 0; i < lengthof(parts); i++)
		parts[i] = parts[i] == NULL ? "" : parts[i];
	return asprintf(&key, "%s\n%s\n%s\n%s\n%d", request->url, parts[0], parts[1], parts[2], request->plain) < 0 ? NULL
																												: key;
}

/*
 * Returns a connection for a request: an idle one, or a new one, which libcurl
 * will open.  Returns NULL if memory or descriptors are short.
 */
MailConnection *
mail_connection_for(const MailRequest *request)
{
	char *key = key_of(request);
	MailConnection *connection;
	dlist_iter iter;

	if (key == NULL)
		return NULL;
	dlist_reverse_foreach(iter, &idle)
	{
		connection = dlist_container(MailConnection, node, iter.cur);
		if (strcmp(connection->key, key) == 0 && clock_now() < connection->until)
		{
			dlist_delete(iter.cur);
			free(key);
			return connection;
		}
	}
	connection = calloc(1, sizeof(MailConnection));
	if (connection == NULL || !acquire_descriptors())
	{
		free(connection);
		free(key);
		return NULL;
	}
	connection->key = key;
	connection->easy = curl_easy_init();
	if (connection->easy != NULL)
		return connection;
	mail_connection_close(connection);
	return NULL;
}

/*
 * Reserves the descriptors of a connection in PostgreSQL's budget; closes idle
 * connections if necessary.  Returns false if there are too few.
 */
static bool
acquire_descriptors(void)
{
	for (int i = 0; i < DESCRIPTORS; i++)
	{
		if (AcquireExternalFD())
			continue;
		close_idle(PG_INT64_MAX);
		if (AcquireExternalFD())
			continue;
		while (i-- > 0)
			ReleaseExternalFD();
		return false;
	}
	return true;
}

/*
 * Closes a connection that no mail uses.  libcurl sends QUIT and would wait
 * minutes for the answer, so the socket is shut down for reading first.
 */
void
mail_connection_close(MailConnection *connection)
{
	curl_socket_t fd;

	if (connection->easy != NULL && curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
		fd != CURL_SOCKET_BAD)
		(void) shutdown(fd, SHUT_RD);
	curl_easy_cleanup(connection->easy);
	for (int i = 0; i < DESCRIPTORS; i++)
		ReleaseExternalFD();
	free(connection->key);
	free(connection);
}

/*
 * Keeps a connection that its mail has ended with for other mails.
 */
void
mail_connection_keep(MailConnection *connection)
{
	connection->until = clock_now() + CONNECTION_IDLE_MAX;
	dlist_push_tail(&idle, &connection->node);
}

/*
 * Returns when mail_connections_turn() must be called.
 */
Moment
mail_connections_until(void)
{
	return dlist_is_empty(&idle) ? MOMENT_NEVER : dlist_container(MailConnection, node, dlist_head_node(&idle))->until;
}

/*
 * Closes the connections that have been idle for too long.
 */
void
mail_connections_turn(void)
{
	close_idle(clock_now());
}

/*
 * Closes the connections whose idle time ends at that moment or before.
 */
static void
close_idle(Moment until)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &idle)
	{
		MailConnection *connection = dlist_container(MailConnection, node, iter.cur);

		if (until < connection->until)
			return;
		dlist_delete(iter.cur);
		mail_connection_close(connection);
	}
}
