/*
 * bastion_webhook.c
 *		Bastion's events: where they go, and when, how often and in which order.
 */
#include "bastion.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 10000L
#define HELD_MS 10

/* What the ledger's entries add up to: webhookURL and webhookAccessKey. */
static json_t *config;

/* The events that wait for their thread, the oldest first. */
static json_t *waiting;

/* One event leaves at a time; the lock guards the above and is the inner one. */
static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * wrong_url checks where events are to go.
 */
static const char *
wrong_url(const json_t *value)
{
	CURLU *url = curl_url();
	char *scheme = NULL;
	bool good = curl_url_set(url, CURLUPART_URL, json_string_value(value), 0) == CURLUE_OK &&
				curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && list_has("http,https", scheme);

	curl_free(scheme);
	curl_url_cleanup(url);
	return good ? NULL : "is no URL";
}

static const Key config_keys[] = {
	{.name = "webhookURL", .type = KEY_TEXT, .required = true, .wrong = wrong_url},
	{.name = "webhookAccessKey", .type = KEY_TEXT},
	{.name = NULL},
};

/*
 * bastion_config changes where events go.
 */
void
bastion_config(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, config_keys, answer);

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	ledger_write("webhook_config", "bastion", call);
	pthread_mutex_unlock(&lock);
	bastion_answer(answer, json_pack("{s:b, s:s}", "status", 1, "message", "Configuration updated successfully!"));
}

/*
 * ignore takes what the receiver of an event answers.
 */
static size_t
ignore(char *data, size_t size, size_t count, void *context)
{
	(void) data;
	(void) context;
	return size * count;
}

/*
 * post sends an event and returns the HTTP status of the answer, 0 for none.
 */
static long
post(const json_t *event)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char *body = json_dumps(json_object_get(event, "payload"), JSON_COMPACT);
	long status = 0;

	if (curl == NULL || headers == NULL || body == NULL)
		fatal("out of memory");
	curl_easy_setopt(curl, CURLOPT_URL, json_string_value(json_object_get(event, "webhookURL")));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	free(body);
	return status;
}

/*
 * send_event posts an event as often as the setting says, and notes it each time; one
 * that goes nowhere is noted once.  It takes the event over.
 */
static void
send_event(json_t *event)
{
	bool posts = !setting_is("bastion.webhook", "off") && json_object_get(event, "webhookURL") != NULL;
	unsigned times = posts ? setting_number("bastion.webhook_times") : 1;

	for (unsigned i = 0; i < times; i++)
	{
		json_t *entry = json_copy(event);

		json_object_set_new(entry, "status", json_integer(posts ? post(event) : 0));
		ledger_write("webhook", "bastion", entry);
	}
	json_decref(event);
}

/*
 * next_event takes the event whose turn it is, or NULL after a reset.
 */
static json_t *
next_event(void)
{
	json_t *event;
	size_t i;

	pthread_mutex_lock(&lock);
	i = setting_is("bastion.webhook_order", "newest") ? json_array_size(waiting) - 1 : 0;
	event = json_incref(json_array_get(waiting, i));
	json_array_remove(waiting, i);
	pthread_mutex_unlock(&lock);
	return event;
}

/*
 * deliver is the thread of an event: it sends one when the time has come.
 */
static void *
deliver(void *context)
{
	bool go_on = clock_pause(setting_number("bastion.webhook_delay_ms"));
	json_t *event;

	while (go_on && setting_is("bastion.webhook", "held"))
		go_on = clock_pause(HELD_MS);
	if (!go_on)
		return context;
	pthread_mutex_lock(&sending);
	event = next_event();
	if (event != NULL)
		send_event(event);
	pthread_mutex_unlock(&sending);
	ledger_sync();
	return context;
}

/*
 * bastion_notify has the vendor told of an event, or only notes it.
 */
void
bastion_notify(const char *name, json_t *data)
{
	json_t *event = json_pack("{s:s, s:O, s:{s:s, s:O}}", "event", name, "memberId",
							  json_object_get(data, "memberId"), "payload", "event", name, "data", data);
	pthread_t thread;

	pthread_mutex_lock(&lock);
	if (json_object_get(config, "webhookURL") != NULL)
		json_object_set(event, "webhookURL", json_object_get(config, "webhookURL"));
	if (json_object_get(config, "webhookAccessKey") != NULL)
		json_object_set(json_object_get(event, "payload"), "accessKey", json_object_get(config, "webhookAccessKey"));
	if (!setting_is("bastion.webhook", "off"))
	{
		json_array_append_new(waiting, event);
		if (pthread_create(&thread, NULL, deliver, NULL) != 0 || pthread_detach(thread) != 0)
			fatal("no thread for an event");
		event = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (event != NULL)
		send_event(event);
}

/*
 * bastion_webhook_reset forgets where events go, and those on their way.
 */
void
bastion_webhook_reset(void)
{
	pthread_mutex_lock(&sending);
	pthread_mutex_lock(&lock);
	json_decref(config);
	json_decref(waiting);
	config = json_object();
	waiting = json_array();
	pthread_mutex_unlock(&lock);
	pthread_mutex_unlock(&sending);
}

/*
 * bastion_webhook_replay brings the configuration forward by an entry of the ledger.
 */
void
bastion_webhook_replay(const char *kind, json_t *entry)
{
	static const char *const names[] = {"webhookURL", "webhookAccessKey"};

	for (size_t i = 0; i < lengthof(names) && strcmp(kind, "webhook_config") == 0; i++)
		if (json_object_get(entry, names[i]) != NULL)
			json_object_set(config, names[i], json_object_get(entry, names[i]));
}
