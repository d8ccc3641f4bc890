/*
 * reversal.h
 *	  Reversals of payments.
 */
#ifndef MURALLINK_REVERSAL_H
#define MURALLINK_REVERSAL_H

extern void reversal_init(void);

#endif /* MURALLINK_REVERSAL_H */
