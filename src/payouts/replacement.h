/*
 * replacement.h
 *	  Cards that take the place of others.
 */
#ifndef MURALLINK_REPLACEMENT_H
#define MURALLINK_REPLACEMENT_H

extern void replacement_init(void);

#endif /* MURALLINK_REPLACEMENT_H */
