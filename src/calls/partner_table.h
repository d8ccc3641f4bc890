/*
 * partner_table.h
 *	  The partners.  Each is the files of its name in src, sql and test/sandbox,
 *	  and its line here, which the Makefile reads too.
 */
/* clang-format off */
PARTNER(dash)
PARTNER(relay)
PARTNER(inside_rx)
PARTNER(bastion)
PARTNER(smtp)
PARTNER(paypal)
