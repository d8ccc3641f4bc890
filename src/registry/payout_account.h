/*
 * payout_account.h
 *	  The settings for accounts of payees.
 */
#ifndef MURALLINK_PAYOUT_ACCOUNT_H
#define MURALLINK_PAYOUT_ACCOUNT_H

extern void payout_account_init(void);

#endif /* MURALLINK_PAYOUT_ACCOUNT_H */
