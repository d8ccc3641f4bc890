/*
 * partner_field.h
 *	  A partner's operations as tables: the fields of each, the values allowed,
 *	  and their names in the request.
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
	FIELD_MAP, /* an object of texts, with names that the caller chooses */
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
 * A field of an operation.  null and an empty text count as absent.  The fields
 * of a map have patterns with one * as names; the first that matches applies.
 */
typedef struct PartnerField
{
	const char *name;
	const char *wire; /* path in the request, with dots; NULL: not there, but perhaps in the URL's path */
	const char *wire_setting; /* setting with that path; without it the field is unknown */
	FieldKind kind;
	bool required;
	int least; /* least characters of a text */
	int most; /* most characters, or rows; 0: FIELD_LONGEST */
	const char *setting; /* setting with the default */
	const FieldChoice *choices; /* up to one without a name, as the next */
	const struct PartnerField *fields;
	WrongKind (*rule)(json_t *object, json_t *value); /* checks a value that is right so far, or absent */
	const char *code; /* the partner's error for a wrong value, also of the fields within */
} PartnerField;

#define FIELD_LONGEST 1000

typedef struct PartnerOperation
{
	const char *name;
	const char *method; /* GET sends a query string, others a body of JSON */
	const char *path; /* with {field} */
	const PartnerField *fields;
	bool repeatable; /* to be repeated if the answer is lost */
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
