/*
 * smtp.c
 *	  A mail server, as a partner: one operation, a message to one person.
 *
 * No word of a message can become a header or a command: addresses have no
 * character that would end them, control characters of subjects and names are
 * blanks, and what is not plain is encoded.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "partner.h"

/* Bytes of UTF-8 in an encoded word, which may have 75 characters. */
#define WORD_SIZE 42

/* Characters in a line of quoted-printable. */
#define LINE_LENGTH 76

/* What means nothing but itself in the name before an address. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "

typedef struct Text
{
	char *start;
	size_t size;
	bool failed; /* memory is short */
} Text;

static bool build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				  HttpRequest *request);
static PartnerAnswer judge(json_t *params, const HttpAnswer *answer);
static void add(Text *text, const char *part, size_t size);
static void add_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_words(Text *text, const char *words, const char *plain);
static void add_mailbox(Text *text, const char *header, const char *name, const char *address);
static void add_date(Text *text);
static void add_list(Text *text, const PartnerConfig *config, const char *token);
static void add_quoted(Text *text, const char *body);

static const PartnerSetting settings[] = {
	PARTNER_SETTINGS,
	{.name = "from", .kind = SETTING_ADDRESS},
	{.name = "from_name", .kind = SETTING_TEXT, .optional = true},
	{.name = "reply_to", .kind = SETTING_ADDRESS, .optional = true},
	{.name = "unsubscribe_url", .kind = SETTING_LINK, .optional = true},
	{.name = "require_tls", .kind = SETTING_FLAG, .initial = "false"},
	{.name = "ca_file", .kind = SETTING_PATH, .optional = true},
	{.name = "resend_after", .kind = SETTING_NUMBER, .optional = true, .least = 3600, .most = 86400},
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "username", .kind = SETTING_TEXT, .optional = true, .with = "password"},
	{.name = "password", .kind = SETTING_TEXT, .optional = true, .with = "username"},
	{.name = NULL},
};

const Partner smtp_partner = {.name = "smtp", .settings = settings, .secrets = secrets, .build = build, .judge = judge};

/*
 * What the ending of a mail means; the first row that fits holds.
 *
 * A server takes a message over with its answer to the end of it, and with no
 * other word: what it refuses for now (4xx) was not sent, at whatever step.
 * What it says of the recipient or of the message is no failure of its own;
 * what it says before it has heard of either is about us, and all mail waits.
 */
static const struct
{
	int first; /* status, from */
	int last; /* to */
	MailStep from;
	Outcome outcome;
	bool works;
} endings[] = {
	{200, 299, MAIL_BODY, OUTCOME_DONE, true},
	{421, 421, MAIL_CONNECT, OUTCOME_NOT_SENT, false},
	{530, 538, MAIL_CONNECT, OUTCOME_NOT_SENT, false}, /* it wants us to sign in, or TLS */
	{400, 499, MAIL_RECIPIENT, OUTCOME_NOT_SENT, true},
	{500, 599, MAIL_RECIPIENT, OUTCOME_DECLINED, true},
	{0, 999, MAIL_CONNECT, OUTCOME_NOT_SENT, false},
};

/*
 * Fills in a message.  params: uid, to, name, subject, text, and of one that goes
 * to many, unsubscribe.
 */
static bool
build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params, HttpRequest *request)
{
	const char *from = json_string_value(json_object_get(config->settings, "from"));
	const char *from_name = json_string_value(json_object_get(config->settings, "from_name"));
	const char *reply_to = json_string_value(json_object_get(config->settings, "reply_to"));
	const char *ca_file = json_string_value(json_object_get(config->settings, "ca_file"));
	const char *username = json_string_value(json_object_get(config->secrets, "username"));
	const char *password = json_string_value(json_object_get(config->secrets, "password"));
	const char *token = json_string_value(json_object_get(params, "unsubscribe"));
	const char *uid, *to, *name, *subject, *body;
	Text text = {0};

	if (strcmp(operation, "message") != 0 ||
		json_unpack(params, "{s:s, s:s, s:s, s:s, s:s}", "uid", &uid, "to", &to, "name", &name, "subject", &subject,
					"text", &body) != 0 ||
		!mail_address_fits(to))
		return false;
	add_mailbox(&text, "From", from_name == NULL ? "" : from_name, from);
	add_mailbox(&text, "To", name, to);
	if (reply_to != NULL)
		add_mailbox(&text, "Reply-To", "", reply_to);
	add_format(&text, "Subject:");
	add_words(&text, subject, PLAIN "!\"#$%&'()*+,-./:;<>@[\\]^_`{|}~");
	add_format(&text, "\r\n");
	add_date(&text);
	/* The same in each attempt: who gets a message twice sees it once. */
	add_format(&text, "Message-ID: <%s%s>\r\n", uid, strchr(from, '@'));
	if (token != NULL)
		add_list(&text, config, token);
	add_format(&text, "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n"
					  "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
	add_quoted(&text, body);
	request->body = text.start;
	request->url = strdup(config->base_url);
	request->sender = strdup(from);
	request->recipient = strdup(to);
	request->username = username == NULL ? NULL : strdup(username);
	request->password = password == NULL ? NULL : strdup(password);
	request->ca_file = ca_file == NULL ? NULL : strdup(ca_file);
	request->plain = strncmp(config->base_url, "smtp:", 5) == 0 && http_is_here(config->base_url) &&
					 !json_is_true(json_object_get(config->settings, "require_tls"));
	return !text.failed && request->url != NULL && request->sender != NULL && request->recipient != NULL &&
		   (request->username == NULL) == (username == NULL) && (request->password == NULL) == (password == NULL) &&
		   (request->ca_file == NULL) == (ca_file == NULL);
}

/*
 * Returns what the ending of a mail means.
 */
static PartnerAnswer
judge(json_t *params, const HttpAnswer *http)
{
	PartnerAnswer answer = {.outcome = http->sent ? OUTCOME_IN_DOUBT : OUTCOME_NOT_SENT, .facts = json_pack("{}")};

	(void) params;
	if (http->complete)
		for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
			if (http->status >= endings[i].first && http->status <= endings[i].last && http->step >= endings[i].from)
			{
				answer.outcome = endings[i].outcome;
				answer.works = endings[i].works;
				break;
			}
	answer.quoted = http->complete;
	partner_say(&answer, http->error);
	return answer;
}

/*
 * Appends bytes to a text.
 */
static void
add(Text *text, const char *part, size_t size)
{
	char *longer = text->failed ? NULL : realloc(text->start, text->size + size + 1);

	if (longer == NULL)
	{
		text->failed = true;
		return;
	}
	memcpy(longer + text->size, part, size);
	text->start = longer;
	text->size += size;
	longer[text->size] = '\0';
}

/*
 * Appends what is short.
 */
static void
add_format(Text *text, const char *format, ...)
{
	char part[1024];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(part, sizeof(part), format, args);
	va_end(args);
	if (size >= (int) sizeof(part))
		text->failed = true;
	else
		add(text, part, size);
}

/*
 * Appends how who gets a message that goes to many has no more of them: by an
 * answer, and, where there is a link for it, by one click (RFC 2369, RFC 8058).
 */
static void
add_list(Text *text, const PartnerConfig *config, const char *token)
{
	const char *from = json_string_value(json_object_get(config->settings, "from"));
	const char *reply_to = json_string_value(json_object_get(config->settings, "reply_to"));
	const char *link = json_string_value(json_object_get(config->settings, "unsubscribe_url"));

	add_format(text, "Precedence: bulk\r\nList-Unsubscribe: ");
	if (link != NULL)
		add_format(text, "<%s%s>,\r\n ", link, token);
	add_format(text, "<mailto:%s?subject=unsubscribe&body=unsubscribe>\r\n", reply_to != NULL ? reply_to : from);
	if (link != NULL)
		add_format(text, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
}

/*
 * Appends words to a header, after a blank: as they are where they are short and
 * of these characters, else as encoded words, none of which ends within a
 * character.
 */
static void
add_words(Text *text, const char *words, const char *plain)
{
	size_t size = strlen(words);
	char *clean = strdup(words);
	char encoded[sodium_base64_ENCODED_LEN(WORD_SIZE, sodium_base64_VARIANT_ORIGINAL)];
	size_t part;

	if (clean == NULL)
	{
		text->failed = true;
		return;
	}
	for (char *c = clean; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 127)
			*c = ' ';
	if (size < LINE_LENGTH - 20 && strspn(clean, plain) == size)
		add_format(text, " %s", clean);
	else
		for (size_t i = 0; i < size; i += part)
		{
			part = size - i < WORD_SIZE ? size - i : WORD_SIZE;
			while (part > 1 && ((unsigned char) clean[i + part] & 0xC0) == 0x80)
				part--;
			sodium_bin2base64(encoded, sizeof(encoded), (unsigned char *) clean + i, part,
							  sodium_base64_VARIANT_ORIGINAL);
			add_format(text, "%s=?utf-8?B?%s?=", i == 0 ? " " : "\r\n ", encoded);
		}
	free(clean);
}

/*
 * Appends a header with somebody's address.
 */
static void
add_mailbox(Text *text, const char *header, const char *name, const char *address)
{
	add_format(text, "%s:", header);
	add_words(text, name, PLAIN);
	add_format(text, "\r\n <%s>\r\n", address);
}

/*
 * Appends the header with the time, in words that no locale changes.
 */
static void
add_date(Text *text)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = time(NULL);
	struct tm at;

	gmtime_r(&now, &at);
	add_format(text, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * at.tm_wday, at.tm_mday,
			   months + 3 * at.tm_mon, at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

/*
 * Appends a body as quoted-printable, whose lines end with CR and LF however
 * they ended.
 */
static void
add_quoted(Text *text, const char *body)
{
	int column = 0;

	for (const char *c = body; *c != '\0'; c++)
	{
		bool ends = c[1] == '\n' || c[1] == '\r' || c[1] == '\0';
		bool plain = (*c > ' ' && *c <= '~' && *c != '=') || ((*c == ' ' || *c == '\t') && !ends);

		if (*c == '\r' && c[1] == '\n')
			continue;
		if (*c == '\n' || *c == '\r')
		{
			add(text, "\r\n", 2);
			column = 0;
			continue;
		}
		if (column + (plain ? 1 : 3) >= LINE_LENGTH)
		{
			add(text, "=\r\n", 3);
			column = 0;
		}
		if (plain)
			add(text, c, 1);
		else
			add_format(text, "=%02X", (unsigned char) *c);
		column += plain ? 1 : 3;
	}
	add(text, "\r\n", 2);
}
