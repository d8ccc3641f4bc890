/*
 * install_prepared.h
 *	  What the executor computes for each row of a table, prepared once.
 */
#ifndef MURALLINK_INSTALL_PREPARED_H
#define MURALLINK_INSTALL_PREPARED_H

#include "nodes/execnodes.h"

extern void prepared_init(void);
extern void prepared_open(ResultRelInfo *target, CmdType operation);
extern void prepared_check_domains(Relation table, TupleTableSlot *slot);

#endif /* MURALLINK_INSTALL_PREPARED_H */
