/*
 * dash_answer.c
 *	  What Dash's answers mean, and the facts in them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dash.h"

/* A list with this many rows, or a multiple of that, may be a page of a longer list. */
#define PAGE_LEAST 10
#define PAGE_STEP 5

/* The kinds of rows in a list of loads. */
typedef enum Kind
{
	KIND_LOAD,
	KIND_OTHER,
	KIND_UNKNOWN
} Kind;

static Verdict understand_change(const char *operation, json_t *params, json_t *answer, json_t *facts);
static Verdict understand_rows(const char *rows, json_t *answer, json_t *facts);
static Verdict understand_loads(json_t *params, json_t *answer, json_t *facts);
static Verdict own_status(const json_t *answer);
static void add_rows(const char *rows, json_t *value, json_t *list);
static bool shows_other(const char *operation, json_t *params, json_t *answer);
static bool other_word(json_t *params, const char *name, json_t *answer, const char *const *names);
static bool shows_error(json_t *value);
static void count_statuses(json_t *value, int *accepted, int *refused, int *unknown);
static bool is_digits(const char *text);
static bool same_card(const json_t *shown, const char *proxy_key);
static size_t listed_fact(json_t *facts, const char *fact, json_t *answer, const char *proxy_key,
						  const char *const *names);
static bool add_listed(json_t *value, const char *proxy_key, const char *const *names, json_t *list);
static bool says_more(json_t *value, size_t rows);
static bool says_all(json_t *value);
static Kind kind_of(json_t *load);
static json_t *load_facts(json_t *load);
static void moment_fact(json_t *facts, const json_t *load);

static const char *const session_names[] = {"sessionId", NULL};
static const char *const message_names[] = {"message", "errorMessage", "error", "description", NULL};
static const char *const error_names[] = {"error", "errors", "errorMessage", "errorCode", "errorDescription", NULL};
static const char *const no_error_words[] = {"none", "no", "ok", "success", "no error", "null", NULL};
static const char *const order_names[] = {"orderId", NULL};
static const char *const proxy_names[] = {"proxyKey", "panProxy", NULL};
static const char *const person_names[] = {"personId", NULL};
static const char *const first_names[] = {"firstName", NULL};
static const char *const last_names[] = {"lastName", NULL};
static const char *const phone_names[] = {"phone", NULL};
static const char *const email_names[] = {"email", NULL};
static const char *const ordered_names[] = {"proxyKey", "panProxy", "personId", "email", "phone", "lastName", NULL};
static const char *const new_balance_names[] = {"newBalance", "balanceAfter", "currentBalance", "cardBalance", NULL};
static const char *const balance_names[] = {"balance", "availableBalance", NULL};
static const char *const loads_names[] = {"loads", "loadDetails", "transactions", NULL};
static const char *const unloads_names[] = {"unloads", "unloadDetails", NULL};

/* The words for the kinds of rows; the first that fits decides. */
static const char *const kind_names[] = {"type", "transactionType", "loadType", "kind", "category", "direction",
										 "entryType", "creditDebit", NULL};
static const char *const undone_words[] = {"revers", "void", "cancel", "return", "refund", "charge", NULL};
static const char *const other_words[] = {"unload", "debit", "purchase", "withdraw", "fee", "atm", NULL};
static const char *const load_words[] = {"load", "credit", "deposit", NULL};

/* Names by which an answer says that it lists only some: a flag or link for the next page, how many pages or rows. */
static const char *const more_names[] = {"hasMore", "more", "moreRecords", "hasNext", "hasNextPage", "next", "nextPage",
										 "nextLink", "nextUrl", "nextCursor", "nextToken", "nextPageToken", "truncated",
										 NULL};
static const char *const pages_names[] = {"pages", "totalPages", "pageCount", NULL};
static const char *const total_names[] = {"total", "totalCount", "totalRecords", "totalRows", "totalItems",
										  "totalElements", "totalLoads", "count", "recordCount", "loadCount", NULL};
static const char *const reference_names[] = {"referenceId", NULL};
static const char *const amount_names[] = {"amount", "loadAmount", NULL};
static const char *const currency_names[] = {"currency", "currencyCode", NULL};

/* Names for when a load was made, the likeliest first. If it is a day, the time may be in another member. */
static const char *const moment_names[] = {"timestamp", "loadTimestamp", "loadDateTime", "transactionDateTime",
										   "transactionTimestamp", "dateTime", "loadedAt", "loadDate", "loadTime",
										   "transactionDate", "transactionTime", "postedDate", "createdDate", "createdAt",
										   "date", "time", NULL};
static const char *const day_time_names[] = {"time", "loadTime", "transactionTime", NULL};
static const char *const customer_names[] = {"customerId", NULL};
static const char *const program_names[] = {"custProgId", "custProgramId", "customerProgramId", "cpId", NULL};
static const char *const account_names[] = {"fundingId", NULL};
static const char *const name_names[] = {"name", "customerName", "programName", "accountName", NULL};
static const char *const shipping_names[] = {"shippingStatus", NULL};
static const char *const carrier_names[] = {"carrier", NULL};
static const char *const tracking_names[] = {"trackingNumber", NULL};
static const char *const expiry_names[] = {"expirationDate", "expiryDate", "expiresOn", "cardExpirationDate",
										   "cardExpiryDate", "expiration", "expiry", NULL};

/* The facts of a row, by the fact that lists the rows. A row is what has one of the first names. */
static const struct
{
	const char *rows;
	const char *fact; /* NULL: none */
	const char *const *names;
} row_facts[] = {
	{"cards", "proxy_key", proxy_names},
	{"cards", "person_id", person_names},
	{"cards", "shipping_status", shipping_names},
	{"cards", "carrier", carrier_names},
	{"cards", "tracking_number", tracking_names},
	{"cards", "expires_on", expiry_names},
	{"ordered", NULL, ordered_names}, /* a card that is not finished has no key */
	{"ordered", "proxy_key", proxy_names},
	{"ordered", "person_id", person_names},
	{"ordered", "first_name", first_names},
	{"ordered", "last_name", last_names},
	{"ordered", "phone", phone_names},
	{"ordered", "email", email_names},
	{"ordered", "expires_on", expiry_names},
	{"customers", "id", customer_names},
	{"customers", "name", name_names},
	{"programs", "id", program_names},
	{"programs", "name", name_names},
	{"accounts", "id", account_names},
	{"accounts", "name", name_names},
	{"accounts", "balance", balance_names},
};

/*
 * Returns what the answer to an operation means; rows: the fact that lists the
 * rows, or NULL.
 */
Verdict
dash_understand(const char *operation, const char *rows, json_t *params, json_t *answer, json_t *facts)
{
	partner_fact(facts, "message", answer, message_names);
	if (rows != NULL)
		return understand_rows(rows, answer, facts);
	return strcmp(operation, "look_up") == 0 ? understand_loads(params, answer, facts)
											 : understand_change(operation, params, answer, facts);
}

/*
 * Returns what the answer to a call that changes something means.  It is
 * unclear if statuses contradict each other; if an order has no key of the
 * card, which is needed to load it; if a bulk order has no number, which is
 * needed to ask for the keys; if it shows another card, person, amount or
 * payout than was sent, or this one with an unknown status; or if it shows an
 * error.
 */
static Verdict
understand_change(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	int accepted = 0;
	int refused = 0;
	int unknown = 0;
	bool complete = true;

	count_statuses(answer, &accepted, &refused, &unknown);
	if (strcmp(operation, "login") == 0)
		complete = partner_fact(facts, "session", answer, session_names);
	else
	{
		bool ordered = partner_fact(facts, "order_id", answer, order_names);

		partner_fact(facts, "person_id", answer, person_names);
		if (strcmp(operation, "order") == 0)
			partner_fact(facts, "expires_on", answer, expiry_names);
		if (!partner_fact(facts, "balance", answer, new_balance_names))
			partner_fact(facts, "balance", answer, balance_names);
		complete = partner_fact(facts, "proxy_key", answer, proxy_names);
		if (complete && !is_digits(json_string_value(json_object_get(facts, "proxy_key"))))
		{
			json_object_del(facts, "proxy_key");
			complete = false;
		}
		if (strcmp(operation, "bulk_order") == 0)
			complete = ordered;
	}
	if (shows_other(operation, params, answer) || shows_error(answer))
		complete = false;
	else if (json_object_get(params, "proxy_key") != NULL)
		complete = unknown == 0 && (!complete || same_card(json_object_get(facts, "proxy_key"),
														   json_string_value(json_object_get(params, "proxy_key"))));

	if (refused > 0)
		return accepted > 0 ? VERDICT_UNCLEAR : VERDICT_REFUSED;
	return accepted > 0 && complete ? VERDICT_ACCEPTED : VERDICT_UNCLEAR;
}

/*
 * Returns whether an answer shows another amount or payout than was sent, or
 * another person.  The partner's own references do not count, and names may be
 * shortened or in other letters.
 */
static bool
shows_other(const char *operation, json_t *params, json_t *answer)
{
	json_t *shown = json_pack("{}");
	const char *amount = json_string_value(json_object_get(params, "amount"));
	const char *reference = json_string_value(json_object_get(params, "reference"));
	const char *text;
	bool other = false;

	if (amount != NULL && partner_fact(shown, "amount", answer, amount_names))
	{
		text = json_string_value(json_object_get(shown, "amount"));
		other = strtod(text, NULL) != strtod(amount, NULL);
	}
	if (reference != NULL && partner_fact(shown, "reference", answer, reference_names))
	{
		text = json_string_value(json_object_get(shown, "reference"));
		other = other || (strlen(text) == strlen(reference) && strcmp(text, reference) != 0);
	}
	if (strcmp(operation, "order") == 0)
		other = other || other_word(params, "email", answer, email_names) ||
				other_word(params, "first_name", answer, first_names) ||
				other_word(params, "last_name", answer, last_names);
	json_decref(shown);
	return other;
}

/*
 * Returns whether an answer shows another word than was sent: neither begins
 * with the other.  The comparison ends at the first character that is not
 * ASCII.
 */
static bool
other_word(json_t *params, const char *name, json_t *answer, const char *const *names)
{
	json_t *shown = json_pack("{}");
	const char *sent = json_string_value(json_object_get(params, name));
	const char *text = partner_fact(shown, name, answer, names) ? json_string_value(json_object_get(shown, name)) : NULL;
	bool other = false;

	for (; text != NULL && sent != NULL && *text != '\0' && *sent != '\0' && !other; text++, sent++)
	{
		const char x[] = {*text, '\0'};
		const char y[] = {*sent, '\0'};

		if ((unsigned char) *sent > '~')
			break;
		other = !partner_same_word(x, y);
	}
	json_decref(shown);
	return other;
}

/*
 * Returns whether an answer shows an error at any depth.
 */
static bool
shows_error(json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		if (shows_error(member))
			return true;
	json_object_foreach (value, name, member)
	{
		const char *text = json_string_value(member);

		if (shows_error(member))
			return true;
		if (!partner_is_named(name, error_names))
			continue;
		if (json_array_size(member) > 0 || json_object_size(member) > 0 || json_is_true(member) ||
			(json_is_number(member) && json_number_value(member) != 0) ||
			(text != NULL && strspn(text, "0") != strlen(text) && !partner_is_named(text, no_error_words)))
			return true;
	}
	return false;
}

/*
 * Counts the statuses of an answer, at any depth: those that mean success,
 * those that mean failure, and others.
 */
static void
count_statuses(json_t *value, int *accepted, int *refused, int *unknown)
{
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		count_statuses(member, accepted, refused, unknown);
	json_object_foreach (value, name, member)
	{
		const char *text = json_string_value(member);

		count_statuses(member, accepted, refused, unknown);
		if (!partner_same_word(name, "status") || text == NULL)
			continue;
		++*(partner_same_word(text, "success") ? accepted : partner_same_word(text, "failure") ? refused
																							   : unknown);
	}
}

/*
 * Returns whether a text consists of digits, at least one.
 */
static bool
is_digits(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

/*
 * Returns whether a key in an answer is that of a card.  As a number, it has
 * lost its leading zeros.
 */
static bool
same_card(const json_t *shown, const char *proxy_key)
{
	char number[32] = "";
	const char *text = json_is_string(shown) ? json_string_value(shown) : number;

	if (proxy_key == NULL || (!json_is_string(shown) && !json_is_integer(shown)))
		return false;
	if (json_is_integer(shown))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(shown));
	return strcmp(text + strspn(text, "0"), proxy_key + strspn(proxy_key, "0")) == 0;
}

/*
 * Returns what the answer to a look-up means, by the status at its top only,
 * because others may belong to loads.  The facts: loads and unloads of the
 * card; more, if there may be others.
 */
static Verdict
understand_loads(json_t *params, json_t *answer, json_t *facts)
{
	const char *proxy_key = json_string_value(json_object_get(params, "proxy_key"));
	size_t rows = listed_fact(facts, "loads", answer, proxy_key, loads_names) +
				  listed_fact(facts, "unloads", answer, proxy_key, unloads_names);

	if (says_more(answer, rows))
		json_object_set_new(facts, "more", json_true());
	else if (says_all(answer))
		json_object_del(facts, "more");
	return own_status(answer);
}

/*
 * Adds, as a fact, the entries of a card that are listed under one of these
 * names, if all of them were understood.  Returns how many entries there are,
 * and adds the fact more if they may be one page of several.
 */
static size_t
listed_fact(json_t *facts, const char *fact, json_t *answer, const char *proxy_key,
			const char *const *names)
{
	json_t *listed = json_array();
	bool listing = add_listed(answer, proxy_key, names, listed);
	size_t rows = json_array_size(listed);
	json_t *loads = json_array();
	size_t skipped = 0; /* those of other cards, and those that are no loads */
	json_t *load;
	size_t i;

	json_array_foreach (listed, i, load)
	{
		json_t *shown = json_pack("{}");
		Kind kind = names == loads_names ? kind_of(load) : KIND_LOAD;

		if (partner_fact(shown, "key", load, proxy_names) && !same_card(json_object_get(shown, "key"), proxy_key))
			kind = KIND_OTHER;
		if (kind == KIND_LOAD)
			json_array_append_new(loads, load_facts(load));
		skipped += kind == KIND_OTHER;
		json_decref(shown);
	}
	if (listing && json_array_size(loads) + skipped == rows)
		json_object_set(facts, fact, loads);
	if (rows >= PAGE_LEAST && rows % PAGE_STEP == 0)
		json_object_set_new(facts, "more", json_true());
	json_decref(loads);
	json_decref(listed);
	return rows;
}

/*
 * Returns what an answer with rows means, by the status at its top, and adds
 * the rows to the facts.
 */
static Verdict
understand_rows(const char *rows, json_t *answer, json_t *facts)
{
	json_t *list = json_array();

	add_rows(rows, answer, list);
	json_object_set_new(facts, rows, list);
	return own_status(answer);
}

/*
 * Returns the verdict at the top of an answer.
 */
static Verdict
own_status(const json_t *answer)
{
	const char *status = json_string_value(json_object_get(answer, "status"));

	if (status != NULL && partner_same_word(status, "success"))
		return VERDICT_ACCEPTED;
	return status != NULL && partner_same_word(status, "failure") ? VERDICT_REFUSED : VERDICT_UNCLEAR;
}

/*
 * Adds the rows in a value, but not those within a row.
 */
static void
add_rows(const char *rows, json_t *value, json_t *list)
{
	const char *const *key = NULL;
	bool is_row = false;
	const char *name;
	json_t *member;
	json_t *row;
	size_t i;

	for (i = 0; key == NULL; i++)
		key = strcmp(row_facts[i].rows, rows) == 0 ? row_facts[i].names : NULL;
	json_array_foreach (value, i, member)
		add_rows(rows, member, list);
	json_object_foreach (value, name, member)
		is_row = is_row || partner_is_named(name, key);
	if (!is_row)
	{
		json_object_foreach (value, name, member)
			add_rows(rows, member, list);
		return;
	}
	row = json_pack("{}");
	for (i = 0; i < sizeof(row_facts) / sizeof(row_facts[0]); i++)
		if (strcmp(row_facts[i].rows, rows) == 0 && row_facts[i].fact != NULL)
			partner_fact(row, row_facts[i].fact, value, row_facts[i].names);
	json_array_append_new(list, row);
}

/*
 * Adds the rows of all lists with one of these names that are beside a card's
 * key, at any depth: there may be one for each order.  Returns whether there
 * is such a list.
 */
static bool
add_listed(json_t *value, const char *proxy_key, const char *const *names, json_t *list)
{
	bool found = false;
	json_t *key = NULL;
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		found = add_listed(member, proxy_key, names, list) || found;
	json_object_foreach (value, name, member)
	{
		if (partner_is_named(name, proxy_names))
			key = member;
		found = add_listed(member, proxy_key, names, list) || found;
	}
	if (!same_card(key, proxy_key))
		return found;
	json_object_foreach (value, name, member)
		if (partner_is_named(name, names) && json_is_array(member))
		{
			json_array_extend(list, member);
			found = true;
		}
	return found;
}

/*
 * Returns whether an answer says, at any depth, that there are more rows than
 * it lists.
 */
static bool
says_more(json_t *value, size_t rows)
{
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		if (says_more(member, rows))
			return true;
	json_object_foreach (value, name, member)
		if (says_more(member, rows) ||
			(partner_is_named(name, more_names) &&
			 (json_is_true(member) || json_string_length(member) > 0 || json_integer_value(member) != 0 ||
			  json_object_size(member) > 0)) ||
			(partner_is_named(name, pages_names) && json_integer_value(member) > 1) ||
			(partner_is_named(name, total_names) && json_integer_value(member) > (json_int_t) rows))
			return true;
	return false;
}

/*
 * Returns whether an answer says, at any depth, that it lists all rows, so
 * that their number says nothing.
 */
static bool
says_all(json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		if (says_all(member))
			return true;
	json_object_foreach (value, name, member)
		if (says_all(member) || (partner_is_named(name, more_names) && json_is_false(member)) ||
			(partner_is_named(name, pages_names) && json_integer_value(member) == 1))
			return true;
	return false;
}

/*
 * Returns the kind of a row in a list of loads, by its own words.  A row
 * without any is a load.
 */
static Kind
kind_of(json_t *load)
{
	Kind kind = KIND_LOAD;
	const char *name;
	json_t *member;

	json_object_foreach (load, name, member)
	{
		const char *text = json_string_value(member);

		if (text == NULL || *text == '\0' || !partner_is_named(name, kind_names))
			continue;
		if (partner_has_word(text, undone_words))
			return KIND_UNKNOWN;
		if (partner_has_word(text, other_words))
			kind = kind == KIND_LOAD ? KIND_OTHER : kind;
		else if (!partner_has_word(text, load_words))
			kind = KIND_UNKNOWN;
	}
	return kind;
}

/*
 * Returns a load or an unload with murallink's names, or NULL if its amount or
 * status is not understood, or if it has failed.
 */
static json_t *
load_facts(json_t *load)
{
	json_t *facts = json_pack("{}");
	const char *amount;
	int accepted = 0;
	int refused = 0;
	int unknown = 0;

	count_statuses(load, &accepted, &refused, &unknown);
	partner_fact(facts, "amount", load, amount_names);
	partner_fact(facts, "reference", load, reference_names);
	partner_fact(facts, "order_id", load, order_names);
	partner_fact(facts, "currency", load, currency_names);
	moment_fact(facts, load);
	amount = json_string_value(json_object_get(facts, "amount"));
	if (refused + unknown == 0 && amount != NULL && *amount != '\0' && strspn(amount, "0123456789.") == strlen(amount) &&
		strchr(amount, '.') == strrchr(amount, '.') && strcmp(amount, ".") != 0)
		return facts;
	json_decref(facts);
	return NULL;
}

/*
 * Adds the fact "at": when a load was made, as the answer has it, with the
 * time of day if that is in another member.
 */
static void
moment_fact(json_t *facts, const json_t *load)
{
	json_t *apart = json_pack("{}");
	const char *day;
	const char *time;

	for (const char *const *name = moment_names; *name != NULL; name++)
	{
		const char *const one[] = {*name, NULL};

		if (partner_fact(facts, "at", load, one))
			break;
	}
	day = json_string_value(json_object_get(facts, "at"));
	partner_fact(apart, "time", load, day_time_names);
	time = json_string_value(json_object_get(apart, "time"));
	if (day != NULL && time != NULL && strlen(day) == strlen("yyyy-mm-dd") && strchr(day, '-') != NULL &&
		strchr(time, ':') != NULL)
		json_object_set_new(facts, "at", json_sprintf("%sT%s", day, time));
	json_decref(apart);
}
