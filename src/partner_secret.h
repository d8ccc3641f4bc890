/*
 * partner_secret.h
 *	  What keeps secrets out of the server's log.
 */
#ifndef MURALLINK_PARTNER_SECRET_H
#define MURALLINK_PARTNER_SECRET_H

extern void partner_secret_init(void);

#endif /* MURALLINK_PARTNER_SECRET_H */
