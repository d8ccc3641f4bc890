/*
 * text.h
 *	  Properties of texts by the rules of Unicode, in every locale.
 */
#ifndef MURALLINK_TEXT_H
#define MURALLINK_TEXT_H

#include <unicode/unorm2.h>

extern bool text_is_ascii(const char *text, int length);
extern const char *text_find(const char *text, const char *word);
extern bool text_is_blank(UChar32 c);
extern bool text_is_unseen(UChar32 c);
extern UChar32 text_plain_sign(UChar32 c);
extern int32 text_normalized(const UNormalizer2 *form, const UChar *text, int32 length, UChar **result);

#endif /* MURALLINK_TEXT_H */
