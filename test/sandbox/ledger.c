/*
 * ledger.c
 *		The truth: every effect that a partner applied, as one JSON line of an
 *		append-only file, on disk before the answer leaves.
 *
 * Partners keep no other record: their state and the sums here come from the
 * entries alone, in the same way when one is written and when the file is read
 * again at the start.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int fd = -1;
static bool syncs = true;
static json_t *entries;
static json_t *references; /* of loads: how often each was applied */
static json_int_t loads;
static json_int_t orders;
static json_int_t duplicates; /* references applied more than once */
static int64_t loaded;

/* Lines written, lines known to be on disk, and whether a thread is at it. */
static uint64_t written = 0;
static uint64_t synced = 0;
static bool syncing = false;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sync_done = PTHREAD_COND_INITIALIZER;

/*
 * forget empties what is known of the entries.
 */
static void
forget(void)
{
	json_decref(entries);
	json_decref(references);
	entries = json_array();
	references = json_object();
	loads = orders = duplicates = 0;
	loaded = 0;
}

/*
 * count brings the sums forward by an entry.
 */
static void
count(const json_t *entry)
{
	const char *kind = json_string_value(json_object_get(entry, "ledger"));
	const char *reference = json_string_value(json_object_get(entry, "referenceId"));
	const char *amount = json_string_value(json_object_get(entry, "amount"));
	int64_t cents;

	if (strcmp(kind, "order") == 0)
		orders++;
	if (strcmp(kind, "load") != 0)
		return;
	loads++;
	if (amount != NULL && money_read(amount, &cents))
		loaded += cents;
	if (reference != NULL)
	{
		json_int_t times = json_integer_value(json_object_get(references, reference)) + 1;

		json_object_set_new(references, reference, json_integer(times));
		if (times == 2)
			duplicates++;
	}
}

/*
 * apply takes an entry over and brings the sums and the partner's state forward.
 * Returns false for what is no entry of this sandbox.
 */
static bool
apply(json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "partner"));
	const Partner *partner = name == NULL ? NULL : partner_named(name);

	if (partner == NULL || !json_is_string(json_object_get(entry, "ledger")))
		return false;
	json_array_append_new(entries, entry);
	count(entry);
	if (partner->replay != NULL)
		partner->replay(entry);
	return true;
}

/*
 * replay_file applies the lines of the file.  A last line without an end was being
 * written when a sandbox was killed: its effect was never answered, and is undone.
 */
static void
replay_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	off_t end = 0;

	if (file == NULL)
		fatal("%s: %s", path, strerror(errno));
	while ((length = getline(&line, &capacity, file)) > 0 && line[length - 1] == '\n')
	{
		if (!apply(json_loadb(line, (size_t) length, 0, NULL)))
			fatal("%s: line %zu is no ledger entry", path, json_array_size(entries) + 1);
		end += length;
	}
	free(line);
	fclose(file);
	if (ftruncate(fd, end) != 0)
		fatal("%s: %s", path, strerror(errno));
}

/*
 * ledger_open opens the ledger, or makes it, and replays it; no other sandbox may
 * use the same.  Without sync its lines survive the sandbox but not the machine.
 */
void
ledger_open(const char *path, bool sync)
{
	syncs = sync;
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		fatal("%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		fatal("%s is in use by another sandbox", path);
	forget();
	replay_file(path);
}

/*
 * ledger_write applies one effect of a partner: it adds the entry, made of the kind
 * ("load", "order", ...) and the fields, which it takes over.  The caller holds what
 * guards the partner's state.  dispatch calls ledger_sync before the answer leaves.
 */
void
ledger_write(const char *kind, const char *partner, json_t *fields)
{
	json_t *entry;
	char *text;
	char *line;
	int length;

	pthread_mutex_lock(&lock);
	entry = json_pack("{s:s, s:I, s:o, s:s}", "ledger", kind, "seq", (json_int_t) json_array_size(entries) + 1, "time",
					  clock_now(), "partner", partner);
	json_object_update(entry, fields);
	json_decref(fields);
	text = json_dumps(entry, JSON_COMPACT);
	length = asprintf(&line, "%s\n", text);
	if (write(fd, line, (size_t) length) != length)
		fatal("ledger: %s", strerror(errno));
	free(line);
	free(text);
	written++;
	if (!apply(entry))
		fatal("ledger: an entry of %s that cannot be replayed", partner);
	pthread_mutex_unlock(&lock);
}

/*
 * ledger_sync returns when every entry written so far is on disk.  One thread syncs
 * for all that came before it did.
 */
void
ledger_sync(void)
{
	uint64_t mine;

	if (!syncs)
		return;
	pthread_mutex_lock(&lock);
	mine = written;
	while (synced < mine)
	{
		uint64_t covered = written;

		if (syncing)
		{
			pthread_cond_wait(&sync_done, &lock);
			continue;
		}
		syncing = true;
		pthread_mutex_unlock(&lock);
		if (fdatasync(fd) != 0)
			fatal("ledger: %s", strerror(errno));
		pthread_mutex_lock(&lock);
		syncing = false;
		synced = covered;
		pthread_cond_broadcast(&sync_done);
	}
	pthread_mutex_unlock(&lock);
}

/*
 * is_alike returns whether an entry has the values of a filter, whose "kind" means
 * the entry's "ledger".
 */
static bool
is_alike(const json_t *entry, const json_t *filter)
{
	const char *name;
	json_t *wanted;

	json_object_foreach ((json_t *) filter, name, wanted)
	{
		json_t *value = json_object_get(entry, strcmp(name, "kind") == 0 ? "ledger" : name);
		char *other = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
		const char *text = other == NULL ? json_string_value(value) : other;
		bool alike = text != NULL && strcmp(text, json_string_value(wanted)) == 0;

		free(other);
		if (!alike)
			return false;
	}
	return true;
}

/*
 * ledger_json returns the entries that have the values of filter, an object of text.
 */
json_t *
ledger_json(const json_t *filter)
{
	json_t *array = json_array();
	json_t *entry;
	size_t i;

	pthread_mutex_lock(&lock);
	json_array_foreach (entries, i, entry)
	{
		if (is_alike(entry, filter))
			json_array_append(array, entry);
	}
	pthread_mutex_unlock(&lock);
	return array;
}

/*
 * ledger_summary returns the sums over all entries.
 */
json_t *
ledger_summary(void)
{
	json_t *summary;

	pthread_mutex_lock(&lock);
	summary = json_pack("{s:I, s:o, s:I, s:I, s:I}", "loads", loads, "loaded", money_text(loaded), "orders", orders,
						"references", (json_int_t) json_object_size(references), "duplicates", duplicates);
	pthread_mutex_unlock(&lock);
	return summary;
}

/*
 * ledger_reset empties the ledger.
 */
void
ledger_reset(void)
{
	pthread_mutex_lock(&lock);
	if (ftruncate(fd, 0) != 0)
		fatal("ledger: %s", strerror(errno));
	forget();
	pthread_mutex_unlock(&lock);
}
