/*
 * seal.h
 *	  Seals what only the worker may read, and opens it with the keys of the
 *	  file murallink.key_file.
 */
#ifndef MURALLINK_SEAL_H
#define MURALLINK_SEAL_H

#include <stddef.h>

extern void seal_init(void);
extern char *seal_opened(const unsigned char *sealed, size_t size, const char **problem);
extern void seal_wipe(char *opened);

#endif /* MURALLINK_SEAL_H */
