/*
 * session.c
 *		Sessions that partners hand out at a login and ask for afterwards.
 */
#include "sandbox.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#define SESSIONS_MAX 256

typedef struct Session
{
	const char *partner;
	int64_t opened_ms;
	int64_t life_ms;
	unsigned calls;
	char id[SESSION_SIZE];
} Session;

/* A new one takes the place of the oldest. */
static Session sessions[SESSIONS_MAX];
static unsigned opened = 0;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * session_open begins a session with a partner and gives its id, of lower-case
 * letters; life_ms is how long it is good, 0 for no end.
 */
void
session_open(const char *partner, int64_t life_ms, char id[SESSION_SIZE])
{
	Session session = {.partner = partner, .opened_ms = clock_ms(), .life_ms = life_ms};

	if (getrandom(session.id, SESSION_SIZE - 1, 0) != SESSION_SIZE - 1)
		fatal("no random bytes");
	for (int i = 0; i < SESSION_SIZE - 1; i++)
		session.id[i] = (char) ('a' + (unsigned char) session.id[i] % 26);
	strcpy(id, session.id);

	pthread_mutex_lock(&lock);
	sessions[opened++ % SESSIONS_MAX] = session;
	pthread_mutex_unlock(&lock);
}

/*
 * is_old returns whether a session is older than so many milliseconds, 0 for no end.
 */
static bool
is_old(const Session *session, int64_t ms_max)
{
	return ms_max != 0 && clock_ms() - session->opened_ms > ms_max;
}

/*
 * session_use counts a call against a partner's session, NULL for none, and returns
 * whether it is still good: for so many calls and milliseconds, 0 for no end.
 */
bool
session_use(const char *partner, const char *id, unsigned calls_max, unsigned ms_max)
{
	bool good = false;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; id != NULL && *id != '\0' && i < SESSIONS_MAX; i++)
		if (strcmp(sessions[i].id, id) == 0 && strcmp(sessions[i].partner, partner) == 0)
		{
			sessions[i].calls++;
			good = (calls_max == 0 || sessions[i].calls <= calls_max) &&
				   !is_old(&sessions[i], ms_max) && !is_old(&sessions[i], sessions[i].life_ms);
		}
	pthread_mutex_unlock(&lock);
	return good;
}

/*
 * session_end ends all sessions with a partner.
 */
void
session_end(const char *partner)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].partner != NULL && strcmp(sessions[i].partner, partner) == 0)
			sessions[i] = (Session){.partner = NULL};
	pthread_mutex_unlock(&lock);
}

/*
 * session_reset ends all sessions.
 */
void
session_reset(void)
{
	pthread_mutex_lock(&lock);
	memset(sessions, 0, sizeof(sessions));
	pthread_mutex_unlock(&lock);
}
