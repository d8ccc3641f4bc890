/*
 * file.h
 *	  Files that clients upload and download.
 */
#ifndef MURALLINK_FILE_H
#define MURALLINK_FILE_H

extern void file_init(void);

#endif /* MURALLINK_FILE_H */
