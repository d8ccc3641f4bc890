/*
 * apart.h
 *	  Work in another process, which stays if this transaction is rolled back.
 */
#ifndef MURALLINK_APART_H
#define MURALLINK_APART_H

extern PGDLLEXPORT void apart_main(Datum arg);

#endif /* MURALLINK_APART_H */
