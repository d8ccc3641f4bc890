/*
 * place.h
 *	  Which database of which server this is.
 */
#ifndef MURALLINK_PLACE_H
#define MURALLINK_PLACE_H

extern char *place_here(void);

#endif /* MURALLINK_PLACE_H */
