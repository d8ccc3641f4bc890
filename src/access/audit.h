/*
 * audit.h
 *	  The trigger that records changes, and the positions of events in the feed.
 */
#ifndef MURALLINK_AUDIT_H
#define MURALLINK_AUDIT_H

extern void audit_init(void);
extern void audit_position_init(void);
extern int64 audit_position(void);
extern int32 audit_step(void);

#endif /* MURALLINK_AUDIT_H */
