/*
 * notice.h
 *	  What is to be sent to people.
 */
#ifndef MURALLINK_NOTICE_H
#define MURALLINK_NOTICE_H

extern void notice_init(void);

#endif /* MURALLINK_NOTICE_H */
