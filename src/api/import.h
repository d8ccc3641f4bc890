/*
 * import.h
 *	  What other programs send as text.
 */
#ifndef MURALLINK_IMPORT_H
#define MURALLINK_IMPORT_H

extern void import_init(void);

#endif /* MURALLINK_IMPORT_H */
