/*
 * crash_point.h
 *	  Points at which a test makes a process end as kill -9 would.  A library
 *	  that is built without CRASH_POINTS has none.
 */
#ifndef MURALLINK_CRASH_POINT_H
#define MURALLINK_CRASH_POINT_H

#ifdef MURALLINK_CRASH_POINTS
#define CRASH_POINT(name) crash_point(name)
extern void crash_point_init(void);
extern void crash_point(const char *name);
#else
#define CRASH_POINT(name) ((void) 0)
#define crash_point_init() ((void) 0)
#endif

#endif /* MURALLINK_CRASH_POINT_H */
