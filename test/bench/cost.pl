#!/usr/bin/perl
# What one paid milestone payment to a card that exists costs: rows written, calls of triggers and of functions, WAL; and
# how many triggers there are. On a server of its own. Payments are made, approved and paid one after the other, so that
# nothing is shared between them; nobody is sent a notice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../tap";
use Murallink::Payouts;

use constant { WARM => 20, COUNTED => 50 };

my $payouts = Murallink::Payouts->new(conf => <<'EOC');
track_functions = all
autovacuum = off
full_page_writes = off
checkpoint_timeout = 1d
EOC
$payouts->patients(1);
$payouts->order_cards;
$payouts->sql(<<'EOC');
UPDATE murallink.app_user SET db_role = 'postgres' WHERE user_role = 'admin';
SELECT murallink.add_milestone('Visit', 3, 'USD', trial_uid, site_uid, 1000) FROM public.place
EOC
pay() foreach 1 .. WARM;
my %before = counted(WARM);
pay() foreach 1 .. COUNTED;
my %after = counted(WARM + COUNTED);
my %most = (rows => 15, triggers => 14, WAL => 7500);
my %what = (rows => 'rows written', triggers => 'calls of triggers', functions => 'calls of functions', WAL => 'bytes of WAL');
foreach my $name (qw(rows triggers functions WAL))
{
	my $limit = exists $most{$name} ? " (at most $most{$name})" : '';
	printf "%s of a paid milestone payment: %.1f%s\n", $what{$name}, ($after{$name} - $before{$name}) / COUNTED, $limit;
}
printf "triggers in all: %d (at most 70)\n", $payouts->sql(<<'EOC');
SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace::regnamespace::text LIKE 'murallink%'
EOC

# Makes a payment, approves it, and waits until the partner has paid it.
sub pay
{
	my $payment = $payouts->sql(<<'EOC');
SELECT (murallink.approve_payment((murallink.milestone_payment(e.patient_uid, m.uid)).uid)).uid
FROM murallink.enrollment e, murallink.milestone m
EOC
	return $payouts->wait_for("SELECT status = 'paid' FROM murallink.payment WHERE uid = '$payment'");
}

# What has been counted, when all processes have told their counts: the worker does with the last transaction that it ended.
sub counted
{
	my ($paid) = @_;
	$payouts->wait_for(<<"EOC");
SELECT n_tup_ins = $paid + 1 + n_tup_del FROM pg_stat_user_tables WHERE relid = 'murallink_private.payment'::regclass
EOC
	$payouts->wait_for(<<"EOC");
SELECT 2 * count(*) FILTER (WHERE outcome IS NOT NULL) = (SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'murallink_private.call'::regclass)
FROM murallink_private.call
EOC
	my $line = $payouts->sql(<<'EOC');
SELECT (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables),
    sum(s.calls) FILTER (WHERE p.prorettype = 'trigger'::regtype), sum(s.calls), pg_current_wal_insert_lsn() - '0/0'
FROM pg_stat_user_functions s JOIN pg_proc p ON p.oid = s.funcid
EOC
	my %count;
	@count{qw(rows triggers functions WAL)} = split /\|/, $line;
	return %count;
}
