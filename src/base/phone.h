/*
 * phone.h
 *	  Phone numbers.  Uses nothing of PostgreSQL, because partners' files
 *	  include it.
 */
#ifndef MURALLINK_PHONE_H
#define MURALLINK_PHONE_H

#include <stdbool.h>

extern bool phone_north_american(const char *digits);

#endif /* MURALLINK_PHONE_H */
