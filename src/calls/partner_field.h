/*
 * partner_field.h
 *	  A partner's operations as tables: what each takes, what may be in it, and
 *	  where it goes in the request.
 */
#ifndef MURALLINK_PARTNER_FIELD_H
#define MURALLINK_PARTNER_FIELD_H

#include "partner.h"

typedef enum FieldKind
{
	FIELD_TEXT,
	FIELD_DIGITS,
	FIELD_CAPITALS,
	FIELD_DATE, /* yyyy-mm-dd */
	FIELD_EMAIL,
	FIELD_ID, /* text, or a whole number, which is sent as text */
	FIELD_CHOICE,
	FIELD_NUMBERED, /* a choice that is sent as its number */
	FIELD_WHOLE, /* a whole number, or digits, sent as a number */
	FIELD_NUMBER,
	FIELD_FLAG,
	FIELD_FLAG_NUMBER, /* a flag that is sent as 1 or 0 */
	FIELD_OBJECT,
	FIELD_ROWS, /* an array of objects */
	FIELD_IDS,
	FIELD_MAP, /* an object of texts, by names of the caller's */
} FieldKind;

/* What is wrong with a field. */
typedef enum WrongKind
{
	WRONG_NOTHING,
	WRONG_UNKNOWN,
	WRONG_MISSING,
	WRONG_TYPE,
	WRONG_LENGTH,
	WRONG_VALUE,
} WrongKind;

typedef struct FieldChoice
{
	const char *name;
	int number;
} FieldChoice;

/*
 * What an operation takes.  null and an empty text are as good as nothing.  The
 * fields of a map have patterns with one * for names; the first that fits holds.
 */
typedef struct PartnerField
{
	const char *name;
	const char *wire; /* names in the request, with dots between; NULL: not there, but perhaps in the path */
	const char *wire_setting; /* that says so instead; without it the field is not known */
	FieldKind kind;
	bool required;
	int least; /* characters of a text */
	int most; /* the same, or rows; 0: FIELD_LONGEST */
	const char *setting; /* which stands in where it is absent */
	const FieldChoice *choices; /* up to one without a name, as the next */
	const struct PartnerField *fields;
	WrongKind (*rule)(json_t *object, json_t *value); /* looks at what fits so far, or is absent */
	const char *code; /* the partner's, for a wrong one and those within */
} PartnerField;

#define FIELD_LONGEST 1000

typedef struct PartnerOperation
{
	const char *name;
	const char *method; /* GET has a query string, others a body of JSON */
	const char *path; /* with {field} */
	const PartnerField *fields;
	bool repeatable; /* to be done again where the answer is lost */
} PartnerOperation;

/* The first field that is wrong. */
typedef struct FieldWrong
{
	WrongKind kind;
	const char *code; /* the partner's, or NULL */
	char field[200];
} FieldWrong;

extern const PartnerOperation *partner_operation(const Partner *partner, const char *name);
extern FieldWrong fields_wrong(const PartnerConfig *config, const PartnerField *fields, json_t *params);
extern bool fields_build(const PartnerConfig *config, const PartnerOperation *operation, json_t *params,
						 HttpRequest *request);
extern bool fields_request(const Partner *partner, const PartnerConfig *config, const char *name, json_t *params,
						   HttpRequest *request);
extern bool field_of_code(const PartnerField *fields, const char *code, char *path, size_t size);
extern const char *field_kind_name(FieldKind kind);

#endif /* MURALLINK_PARTNER_FIELD_H */
