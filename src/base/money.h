/*
 * money.h
 *	  Currencies.
 */
#ifndef MURALLINK_MONEY_H
#define MURALLINK_MONEY_H

extern int money_decimals(text *code);

#endif /* MURALLINK_MONEY_H */
