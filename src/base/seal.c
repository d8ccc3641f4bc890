/*
 * seal.c
 *	  Seals what only the worker may read, and opens it with the keys of the
 *	  file murallink.key_file.
 *
 * A text is sealed to a public key (crypto_box_seal of libsodium), which is in
 * the database.  The secret keys are in the file only, one in a line, in
 * base64; a line that begins with # is a comment.  So neither a dump nor a
 * standby without the file can be read.  Texts are padded, so that the size of
 * a sealed one says little of it.  No SQL function returns an opened text.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "funcapi.h"
#include "seal.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

/* The most that the file may have, in bytes. */
#define FILE_LONGEST 16384

/* Sizes of texts are rounded up to a multiple of this. */
#define BLOCK 128

#define PUBLIC_BYTES crypto_box_PUBLICKEYBYTES
#define SECRET_BYTES crypto_box_SECRETKEYBYTES

/* The keys of the file, one at a time. */
typedef struct KeyFile
{
	char *text; /* guarded memory, FILE_LONGEST + 1 bytes; NULL: it could not be read */
	char *next; /* the next line */
	const char *problem; /* why it could not be read */
	unsigned char public_key[PUBLIC_BYTES];
	unsigned char secret_key[SECRET_BYTES];
} KeyFile;

static char *key_file = NULL;

static const char *read_file(char *text);
static bool file_open(KeyFile *file);
static bool file_next(KeyFile *file);
static void file_close(KeyFile *file);
static char *opened_by(const KeyFile *file, const unsigned char *sealed, size_t size);
static bytea *sealed_to(const bytea *public_key, const char *text);
static const unsigned char *key_of(const bytea *public_key);

/*
 * Registers the setting.
 */
void
seal_init(void)
{
	DefineCustomStringVariable("murallink.key_file", "File with the secret keys that open the accounts of payees.",
							   "It belongs to the user of the server, and nobody else may read it.", &key_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

/*
 * Reads the file into a buffer of FILE_LONGEST + 1 bytes.  Returns why it could
 * not, or NULL.
 */
static const char *
read_file(char *text)
{
	struct stat status;
	ssize_t size = 0;
	ssize_t got;
	const char *problem = NULL;
	int file;

	if (key_file == NULL || key_file[0] == '\0')
		return "murallink.key_file is not set";
	file = open(key_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return "murallink.key_file cannot be opened";
	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		problem = "murallink.key_file is not a file";
	else if (status.st_uid != geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		problem = "others than the user of the server may read murallink.key_file";
	else if (status.st_size > FILE_LONGEST)
		problem = "murallink.key_file is too long";
	while (problem == NULL && (got = read(file, text + size, FILE_LONGEST - size)) != 0)
	{
		if (got < 0 && errno != EINTR)
			problem = "murallink.key_file cannot be read";
		size += Max(got, 0);
	}
	close(file);
	text[size] = '\0';
	return problem;
}

/*
 * Reads the file, for file_next().  Returns whether it could; file_close() is to
 * be called in each case.
 */
static bool
file_open(KeyFile *file)
{
	memset(file, 0, sizeof(*file));
	file->problem = "libsodium cannot be used";
	if (sodium_init() < 0)
		return false;
	file->problem = "memory is exhausted";
	file->text = sodium_malloc(FILE_LONGEST + 1);
	if (file->text == NULL)
		return false;
	file->problem = read_file(file->text);
	file->next = file->text;
	return file->problem == NULL;
}

/*
 * Gets the next key of the file.  Returns false at its end.  A line that is no
 * key is passed over.
 */
static bool
file_next(KeyFile *file)
{
	while (*file->next != '\0')
	{
		char *line = file->next;
		size_t length = strcspn(line, "\r\n");
		size_t size;

		file->next = line + length + (line[length] != '\0');
		if (line[0] != '#' && length > 0 &&
			sodium_base642bin(file->secret_key, SECRET_BYTES, line, length, " \t", &size, NULL,
							  sodium_base64_VARIANT_ORIGINAL) == 0 &&
			size == SECRET_BYTES)
			return crypto_scalarmult_base(file->public_key, file->secret_key) == 0;
	}
	return false;
}

/*
 * Forgets the keys.
 */
static void
file_close(KeyFile *file)
{
	if (file->text != NULL)
		sodium_free(file->text);
	sodium_memzero(file->secret_key, SECRET_BYTES);
}

/*
 * Opens what is sealed to the present key of the file.  Returns the text in
 * memory that seal_wipe() frees, or NULL if it is sealed to another one.
 */
static char *
opened_by(const KeyFile *file, const unsigned char *sealed, size_t size)
{
	size_t padded = size - crypto_box_SEALBYTES;
	size_t length;
	char *text = sodium_malloc(padded + 1);

	if (text == NULL)
		return NULL;
	if (crypto_box_seal_open((unsigned char *) text, sealed, size, file->public_key, file->secret_key) != 0 ||
		sodium_unpad(&length, (unsigned char *) text, padded, BLOCK) != 0)
	{
		sodium_free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}

/*
 * Opens what is sealed to one of the keys of the file.  Returns the text in
 * memory that seal_wipe() frees, or NULL, and why.  Raises no error.
 */
char *
seal_opened(const unsigned char *sealed, size_t size, const char **problem)
{
	KeyFile file;
	char *text = NULL;

	*problem = NULL;
	if (!file_open(&file))
		*problem = file.problem;
	else if (size <= crypto_box_SEALBYTES)
		*problem = "it is not sealed";
	else
	{
		while (text == NULL && file_next(&file))
			text = opened_by(&file, sealed, size);
		if (text == NULL)
			*problem = "murallink.key_file has not the key to which it is sealed";
	}
	file_close(&file);
	return text;
}

/*
 * Overwrites and frees an opened text.
 */
void
seal_wipe(char *opened)
{
	sodium_free(opened);
}

/*
 * Returns the bytes of a public key.  Raises invalid_value if it has another
 * size.
 */
static const unsigned char *
key_of(const bytea *public_key)
{
	if (VARSIZE_ANY_EXHDR(public_key) != PUBLIC_BYTES)
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, "public_key"));
	return (const unsigned char *) VARDATA_ANY(public_key);
}

/*
 * Returns a text sealed to a public key.
 */
static bytea *
sealed_to(const bytea *public_key, const char *text)
{
	const unsigned char *key = key_of(public_key);
	size_t length = strlen(text);
	size_t most = length + BLOCK;
	size_t size;
	unsigned char *padded;
	bytea *sealed;

	if (sodium_init() < 0)
		elog(ERROR, "libsodium cannot be used");
	padded = palloc(most);
	memcpy(padded, text, length);
	sodium_pad(&size, padded, length, BLOCK, most);
	sealed = palloc(VARHDRSZ + crypto_box_SEALBYTES + size);
	SET_VARSIZE(sealed, VARHDRSZ + crypto_box_SEALBYTES + size);
	if (crypto_box_seal((unsigned char *) VARDATA(sealed), padded, size, key) != 0)
		elog(ERROR, "it cannot be sealed");
	sodium_memzero(padded, most);
	return sealed;
}

/*
 * murallink_private.sealed(public_key, details): details, sealed.
 */
PG_FUNCTION_INFO_V1(seal_sealed);
Datum
seal_sealed(PG_FUNCTION_ARGS)
{
	bytea *public_key = PG_GETARG_BYTEA_PP(0);
	Jsonb *details = PG_GETARG_JSONB_P(1);
	char *text = JsonbToCString(NULL, &details->root, VARSIZE(details));
	bytea *sealed = sealed_to(public_key, text);

	sodium_memzero(text, strlen(text));
	PG_RETURN_BYTEA_P(sealed);
}

/*
 * murallink_private.sealed_again(sealed, public_key): the same, sealed to
 * another key; NULL if it cannot be opened.
 */
PG_FUNCTION_INFO_V1(seal_sealed_again);
Datum
seal_sealed_again(PG_FUNCTION_ARGS)
{
	bytea *sealed = PG_GETARG_BYTEA_PP(0);
	bytea *public_key = PG_GETARG_BYTEA_PP(1);
	const char *problem;
	char *text;

	key_of(public_key);
	text = seal_opened((const unsigned char *) VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed), &problem);
	if (text == NULL)
		PG_RETURN_NULL();
	sealed = sealed_to(public_key, text);
	seal_wipe(text);
	PG_RETURN_BYTEA_P(sealed);
}

/*
 * murallink_private.seals(sealed, details): whether these details are sealed
 * there; NULL if it cannot be opened.
 */
PG_FUNCTION_INFO_V1(seal_seals);
Datum
seal_seals(PG_FUNCTION_ARGS)
{
	bytea *sealed = PG_GETARG_BYTEA_PP(0);
	Jsonb *details = PG_GETARG_JSONB_P(1);
	const char *problem;
	char *text = seal_opened((const unsigned char *) VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed), &problem);
	char *compared;
	bool same;

	if (text == NULL)
		PG_RETURN_NULL();
	compared = JsonbToCString(NULL, &details->root, VARSIZE(details));
	same = strcmp(text, compared) == 0;
	sodium_memzero(compared, strlen(compared));
	seal_wipe(text);
	PG_RETURN_BOOL(same);
}

/*
 * murallink_private.file_keys(): the public halves of the keys in the file, in
 * its order; none if it cannot be read.
 */
PG_FUNCTION_INFO_V1(seal_file_keys);
Datum
seal_file_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KeyFile file;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (file_open(&file))
	{
		while (file_next(&file))
		{
			bytea *key = palloc(VARHDRSZ + PUBLIC_BYTES);
			Datum values[1] = {PointerGetDatum(key)};
			bool nulls[1] = {false};

			SET_VARSIZE(key, VARHDRSZ + PUBLIC_BYTES);
			memcpy(VARDATA(key), file.public_key, PUBLIC_BYTES);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	file_close(&file);
	PG_RETURN_NULL();
}
