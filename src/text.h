/*
 * text.h
 *	  What a text is made of, by Unicode and whatever the locale.
 */
#ifndef MURALLINK_TEXT_H
#define MURALLINK_TEXT_H

#include <unicode/utypes.h>

extern bool text_is_ascii(const char *text, int length);
extern bool text_is_blank(UChar32 c);
extern bool text_is_unseen(UChar32 c);
extern bool text_is_visible(const char *text, int length);

#endif /* MURALLINK_TEXT_H */
