/*
 * apart.h
 *	  What is done in another process, whatever becomes of this transaction.
 */
#ifndef MURALLINK_APART_H
#define MURALLINK_APART_H

extern PGDLLEXPORT void apart_main(Datum arg);

#endif /* MURALLINK_APART_H */
