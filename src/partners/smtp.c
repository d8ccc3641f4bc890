/*
 * smtp.c
 *	  Mail servers, as a partner: one operation, a message to one person.
 *
 * No text of a message can become a header or a command: addresses have no
 * character that would end them, control characters in subjects and names
 * become blanks, and other characters are encoded.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "partner.h"

/* Bytes of UTF-8 in an encoded word: after the longest name of a header, the line has no more than 76 characters. */
#define WORD_SIZE 39

/* The most bytes of a text that is not encoded: a longer one does not fit in the line of its header. */
#define PLAIN_LONGEST 55

/* Characters without a special meaning in the name before an address. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "

static bool compose(const PartnerConfig *config, const char *operation, json_t *params, MailRequest *request);
static PartnerAnswer judge(const MailAnswer *mail);
static bool add_server(MailRequest *request, const PartnerConfig *config);
static bool copy(char **to, const char *text);
static bool add_mailbox(MailRequest *request, const char *header, const char *name, const char *address);
static bool add_date(MailRequest *request);
static bool add_list(MailRequest *request, const PartnerConfig *config, const char *token);
static char *words_of(const char *text, const char *plain);
static char *lines_of(const char *text);

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

const Partner smtp_partner = {
	.name = "smtp", .settings = settings, .secrets = secrets, .compose = compose, .judge = judge};

/*
 * What the end of a mail means; the first row that fits applies.
 *
 * A server accepts a message only by its reply to the end of it.  A temporary
 * refusal (4xx) means that the message was not sent, at every step.  A refusal
 * of the recipient or of the message is not a failure of the server.  One that
 * comes before these is about us, so all mail waits.
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
	{530, 538, MAIL_CONNECT, OUTCOME_NOT_SENT, false}, /* it requires authentication or TLS */
	{400, 499, MAIL_RECIPIENT, OUTCOME_NOT_SENT, true},
	{500, 599, MAIL_RECIPIENT, OUTCOME_DECLINED, true},
	{0, 999, MAIL_CONNECT, OUTCOME_NOT_SENT, false},
};

/*
 * Fills in a message.  params: uid, to, name, subject, text, and for a message
 * to many people, unsubscribe.
 */
static bool
compose(const PartnerConfig *config, const char *operation, json_t *params, MailRequest *request)
{
	const char *from = json_string_value(json_object_get(config->settings, "from"));
	const char *from_name = json_string_value(json_object_get(config->settings, "from_name"));
	const char *reply_to = json_string_value(json_object_get(config->settings, "reply_to"));
	const char *token = json_string_value(json_object_get(params, "unsubscribe"));
	const char *uid, *to, *name, *subject, *text;
	char *words;
	bool built;

	if (strcmp(operation, "message") != 0 ||
		json_unpack(params, "{s:s, s:s, s:s, s:s, s:s}", "uid", &uid, "to", &to, "name", &name, "subject", &subject,
					"text", &text) != 0 ||
		!mail_address_fits(to))
		return false;
	words = words_of(subject, PLAIN "!\"#$%&'()*+,-./:;<>@[\\]^_`{|}~");
	/* Each attempt has the same Message-ID, so that a mail program shows a message once even if it arrives twice. */
	built = words != NULL && add_server(request, config) && copy(&request->sender, from) &&
			copy(&request->recipient, to) && add_mailbox(request, "From", from_name == NULL ? "" : from_name, from) &&
			add_mailbox(request, "To", name, to) &&
			(reply_to == NULL || add_mailbox(request, "Reply-To", "", reply_to)) &&
			mail_header(request, "Subject: %s", words) && add_date(request) &&
			mail_header(request, "Message-ID: <%s%s>", uid, strchr(from, '@')) &&
			(token == NULL || add_list(request, config, token)) &&
			mail_header(request, "Auto-Submitted: auto-generated") && (request->text = lines_of(text)) != NULL;
	free(words);
	return built;
}

/*
 * Fills in the server and how to connect to it.  Returns false if memory is
 * short.
 */
static bool
add_server(MailRequest *request, const PartnerConfig *config)
{
	request->plain = strncmp(config->base_url, "smtp:", 5) == 0 && http_is_here(config->base_url) &&
					 !json_is_true(json_object_get(config->settings, "require_tls"));
	return copy(&request->url, config->base_url) &&
		   copy(&request->username, json_string_value(json_object_get(config->secrets, "username"))) &&
		   copy(&request->password, json_string_value(json_object_get(config->secrets, "password"))) &&
		   copy(&request->ca_file, json_string_value(json_object_get(config->settings, "ca_file")));
}

/*
 * Copies a text, which may be NULL.  Returns false if memory is short.
 */
static bool
copy(char **to, const char *text)
{
	*to = text == NULL ? NULL : strdup(text);
	return (*to == NULL) == (text == NULL);
}

/*
 * Returns what the ending of a mail means.
 */
static PartnerAnswer
judge(const MailAnswer *mail)
{
	bool sent = mail->step == MAIL_BODY;
	PartnerAnswer answer = {.outcome = sent ? OUTCOME_IN_DOUBT : OUTCOME_NOT_SENT, .facts = json_pack("{}")};

	if (mail->status != 0)
		for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
			if (mail->status >= endings[i].first && mail->status <= endings[i].last && mail->step >= endings[i].from)
			{
				answer.outcome = endings[i].outcome;
				answer.works = endings[i].works;
				break;
			}
	answer.quoted = mail->status != 0;
	partner_say(&answer, mail->words);
	return answer;
}

/*
 * Adds a header with a name and an address.
 */
static bool
add_mailbox(MailRequest *request, const char *header, const char *name, const char *address)
{
	char *words = words_of(name, PLAIN);
	bool added = words != NULL && mail_header(request, "%s: %s\r\n <%s>", header, words, address);

	free(words);
	return added;
}

/*
 * Adds the header Date, in English in every locale.
 */
static bool
add_date(MailRequest *request)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = time(NULL);
	struct tm at;

	gmtime_r(&now, &at);
	return mail_header(request, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000", days + 3 * at.tm_wday, at.tm_mday,
					   months + 3 * at.tm_mon, at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

/*
 * Adds the headers to unsubscribe from messages to many people: by a reply
 * and, if there is a link, by one click (RFC 2369, RFC 8058).
 */
static bool
add_list(MailRequest *request, const PartnerConfig *config, const char *token)
{
	const char *from = json_string_value(json_object_get(config->settings, "from"));
	const char *reply_to = json_string_value(json_object_get(config->settings, "reply_to"));
	const char *link = json_string_value(json_object_get(config->settings, "unsubscribe_url"));
	const char *mailbox = reply_to != NULL ? reply_to : from;

	if (!mail_header(request, "Precedence: bulk"))
		return false;
	if (link == NULL)
		return mail_header(request, "List-Unsubscribe: <mailto:%s?subject=unsubscribe&body=unsubscribe>", mailbox);
	return mail_header(request, "List-Unsubscribe: <%s%s>,\r\n <mailto:%s?subject=unsubscribe&body=unsubscribe>", link,
					   token, mailbox) &&
		   mail_header(request, "List-Unsubscribe-Post: List-Unsubscribe=One-Click");
}

/*
 * Returns a text for a header, which the caller frees: unchanged if it is
 * short and has only these characters, else as encoded words (RFC 2047), none
 * of which ends within a character.  Returns NULL if memory is short.
 */
static char *
words_of(const char *text, const char *plain)
{
	size_t size = strlen(text);
	char *clean = strdup(text);
	char *words = NULL;
	size_t words_size;
	char encoded[sodium_base64_ENCODED_LEN(WORD_SIZE, sodium_base64_VARIANT_ORIGINAL)];
	size_t part;
	FILE *out;

	if (clean == NULL)
		return NULL;
	for (char *c = clean; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 127)
			*c = ' ';
	if (size <= PLAIN_LONGEST && strspn(clean, plain) == size)
		return clean;
	out = open_memstream(&words, &words_size);
	for (size_t i = 0; out != NULL && i < size; i += part)
	{
		part = size - i < WORD_SIZE ? size - i : WORD_SIZE;
		while (part > 1 && ((unsigned char) clean[i + part] & 0xC0) == 0x80)
			part--;
		sodium_bin2base64(encoded, sizeof(encoded), (unsigned char *) clean + i, part, sodium_base64_VARIANT_ORIGINAL);
		fprintf(out, "%s=?utf-8?B?%s?=", i == 0 ? "" : "\r\n ", encoded);
	}
	free(clean);
	if (out == NULL || fclose(out) == 0)
		return words;
	free(words);
	return NULL;
}

/*
 * Returns a text whose lines, including the last one, end with CR and LF; the
 * caller frees it.  Returns NULL if memory is short.
 */
static char *
lines_of(const char *text)
{
	char *lines = malloc(2 * strlen(text) + 3);
	char *next = lines;

	if (lines == NULL)
		return NULL;
	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c == '\r' && c[1] == '\n')
			continue;
		if (*c == '\n' || *c == '\r')
		{
			*next++ = '\r';
			*next++ = '\n';
		}
		else
			*next++ = *c;
	}
	memcpy(next, "\r\n", 3);
	return lines;
}
