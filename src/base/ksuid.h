/*
 * ksuid.h
 *	  The type ksuid: a key of 20 bytes that sorts by the time it was made.
 *
 * The first four bytes are the seconds since KSUID_EPOCH, big-endian; the other
 * sixteen are random.  The text is the same number of 160 bits in base 62,
 * padded to 27 digits, and sorts as the bytes do.
 */
#ifndef MURALLINK_KSUID_H
#define MURALLINK_KSUID_H

#include "fmgr.h"

#define KSUID_LEN 20
#define KSUID_TIME_LEN 4
#define KSUID_RANDOM_LEN (KSUID_LEN - KSUID_TIME_LEN)
#define KSUID_TEXT_LEN 27
#define KSUID_EPOCH INT64CONST(1400000000) /* in seconds of Unix time */

typedef struct Ksuid
{
	uint8 bytes[KSUID_LEN];
} Ksuid;

#define DatumGetKsuidP(datum) ((Ksuid *) DatumGetPointer(datum))
#define KsuidPGetDatum(ksuid) PointerGetDatum(ksuid)
#define PG_GETARG_KSUID_P(n) DatumGetKsuidP(PG_GETARG_DATUM(n))
#define PG_RETURN_KSUID_P(ksuid) return KsuidPGetDatum(ksuid)

extern void ksuid_generate(Ksuid *ksuid);
extern bool ksuid_parse(const char *text, size_t len, Ksuid *ksuid);
extern void ksuid_format(const Ksuid *ksuid, char out[KSUID_TEXT_LEN + 1]);

/*
 * ksuid_compare returns a number below, equal to or above zero, as a is less
 * than, equal to or greater than b.
 */
static inline int
ksuid_compare(const Ksuid *a, const Ksuid *b)
{
	return memcmp(a->bytes, b->bytes, KSUID_LEN);
}

/*
 * ksuid_equal returns whether a and b are the same.
 */
static inline bool
ksuid_equal(const Ksuid *a, const Ksuid *b)
{
	return memcmp(a->bytes, b->bytes, KSUID_LEN) == 0;
}

#endif /* MURALLINK_KSUID_H */
