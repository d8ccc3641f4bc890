/*
 * notice.h
 *	  Messages to people.
 */
#ifndef MURALLINK_NOTICE_H
#define MURALLINK_NOTICE_H

extern void notice_init(void);

#endif /* MURALLINK_NOTICE_H */
