/*
 * murallink.c
 *	  What is done when the library is loaded: each subject registers what it
 *	  needs.
 */
#include "postgres.h"

#include "api.h"
#include "audit.h"
#include "call_guard.h"
#include "clock.h"
#include "crash_point.h"
#include "file.h"
#include "fmgr.h"
#include "fund_slot.h"
#include "identity.h"
#include "import.h"
#include "install.h"
#include "install_prepared.h"
#include "isolation.h"
#include "notice.h"
#include "password.h"
#include "password_reset.h"
#include "payout_account.h"
#include "permission.h"
#include "replacement.h"
#include "report.h"
#include "reversal.h"
#include "schedule.h"
#include "seal.h"
#include "secret.h"
#include "utils/guc.h"
#include "worker.h"
#include "worker_slot.h"

PG_MODULE_MAGIC;

void _PG_init(void);

/*
 * Registers settings and callbacks, from the ground up.
 */
void
_PG_init(void)
{
	install_init();
	prepared_init();
	call_guard_init();
	isolation_init();
	secret_init();
	seal_init();
	clock_init();
	password_init();
	identity_init();
	password_reset_init();
	permission_init();
	audit_init();
	audit_position_init();
	file_init();
	payout_account_init();
	notice_init();
	schedule_init();
	fund_slot_init();
	replacement_init();
	reversal_init();
	report_init();
	import_init();
	api_init();
	relation_init();
	crash_point_init();
	worker_slot_init();
	launcher_init();
	MarkGUCPrefixReserved("murallink");
}
