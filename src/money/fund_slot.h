/*
 * fund_slot.h
 *	  The slots over which a contract's funds are spread.
 */
#ifndef MURALLINK_FUND_SLOT_H
#define MURALLINK_FUND_SLOT_H

#include "fund.h"

extern void fund_slot_init(void);
extern void fund_slot_take(const FundMove *move, bool reserved);
extern void fund_slot_add(const FundMove *move, bool below, int available, int reserved, int disbursed);
extern void fund_slot_deposit(const FundMove *move);

#endif /* MURALLINK_FUND_SLOT_H */
