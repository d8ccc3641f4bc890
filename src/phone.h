/*
 * phone.h
 *	  Phone numbers.  Needs nothing of PostgreSQL, since partners' files use it.
 */
#ifndef MURALLINK_PHONE_H
#define MURALLINK_PHONE_H

#include <stdbool.h>

/* A plus, 15 digits, and what ends a text. */
#define PHONE_SIZE 17

extern bool phone_dialled(const char *text, char number[PHONE_SIZE]);
extern bool phone_number(const char *text, char number[PHONE_SIZE]);
extern bool phone_north_american(const char *digits);

#endif /* MURALLINK_PHONE_H */
