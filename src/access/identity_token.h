/*
 * identity_token.h
 *	  What the files of sign-on by an identity provider share.
 */
#ifndef MURALLINK_IDENTITY_TOKEN_H
#define MURALLINK_IDENTITY_TOKEN_H

#include "datatype/timestamp.h"

/* What a token says, as far as it counts. */
typedef struct Token
{
	char *issuer;
	char *subject;
	char *email; /* that the issuer has verified, in one of its domains; NULL: none */
	TimestampTz issued;
	TimestampTz signed_on; /* when the person did so; 0: not said */
	bool mfa; /* by several factors */
} Token;

/* identity_claims.c */
extern void identity_claims_init(void);
extern const char *identity_claims(void);
extern void identity_read_token(const char *text, Token *token);
extern bool identity_accepts_issuer(const char *name);
extern bool identity_admin_may_sign_on(bool mfa);

/* identity_token.c */
extern void identity_refuse_token(const char *hint);

#endif /* MURALLINK_IDENTITY_TOKEN_H */
