/*
 * mail_address.h
 *	  To which addresses mail can be sent.
 */
#ifndef MURALLINK_MAIL_ADDRESS_H
#define MURALLINK_MAIL_ADDRESS_H

#include <stdbool.h>

extern bool mail_address_fits(const char *text);

#endif /* MURALLINK_MAIL_ADDRESS_H */
