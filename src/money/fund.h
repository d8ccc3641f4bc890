/*
 * fund.h
 *	  Movements of a contract's funds.
 */
#ifndef MURALLINK_FUND_H
#define MURALLINK_FUND_H

/* A movement: of which contract, for what, and how much. */
typedef struct FundMove
{
	Datum contract; /* ksuid */
	Datum client; /* ksuid */
	Datum currency; /* text */
	Datum amount; /* numeric */
	Datum source; /* ksuid of the funding, payment or reversal */
} FundMove;

extern void fund_reserve(const FundMove *move);
extern void fund_release(const FundMove *move);
extern void fund_disburse(const FundMove *move);
extern void fund_return(const FundMove *move);

#endif /* MURALLINK_FUND_H */
