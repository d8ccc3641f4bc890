#!/usr/bin/perl
# visits_done of 10,000 reported visits against as many calls of visit_done in one transaction, and what either does without paying.
# On a server of its own; BENCH_VISITS is how many visits there are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../tap";
use Murallink::Payouts;
use Time::HiRes qw(time);

my $visits = $ENV{BENCH_VISITS} // 10_000;
my $payouts = Murallink::Payouts->new(conf => "shared_buffers = 512MB\ncheckpoint_timeout = 1d\nmax_wal_size = 8GB\n", sandbox => ['--no-sync']);
$payouts->become_payer;
$payouts->patients($visits / 10);
$payouts->sql(<<"EOC");
UPDATE murallink.trial SET protocol_id = 'BENCH';
SELECT count(murallink.add_milestone('Week ' || n, 1, 'USD', trial_uid, site_uid)) FROM public.place, generate_series(1, 10) AS n;
CREATE TABLE public.report AS
SELECT e.subject_id || ' ' || w AS ref, e.subject_id, 'Week ' || w AS code FROM murallink.enrollment e, generate_series(1, 10) AS w;
ANALYZE;
EOC

# The seconds that a statement takes in a transaction that is rolled back.
sub seconds
{
	my ($auto_pay, $statement) = @_;
	my $began = time;
	my $taken = $payouts->sql(<<"EOC");
DO 'BEGIN PERFORM murallink.set_visit_rules(trial_uid, $auto_pay, note => ''bench'') FROM public.place; END';
DO 'DECLARE began timestamptz := clock_timestamp(); BEGIN PERFORM $statement; RAISE USING MESSAGE = extract(epoch FROM clock_timestamp() - began)::text, ERRCODE = ''ZZZZZ'';
EXCEPTION WHEN SQLSTATE ''ZZZZZ'' THEN PERFORM set_config(''bench.seconds'', SQLERRM, false); END';
SELECT current_setting('bench.seconds')
EOC
	return $taken;
}

my $called = q{count(murallink.visit_done(''ctms'', ref, ''BENCH'', subject_id => subject_id, visit_code => code, visit_date => current_date)) FROM public.report};
my $at_once = q{count(v.state) FROM (SELECT jsonb_agg(jsonb_build_object(''source'', ''ctms'', ''source_ref'', ref, ''protocol_id'', ''BENCH'',
	''subject_id'', subject_id, ''visit_code'', code, ''visit_date'', current_date)) AS rows FROM public.report) r, murallink.visits_done(r.rows) v};
foreach my $auto_pay (qw(true false))
{
	my $calls = seconds($auto_pay, $called);
	my $rows = seconds($auto_pay, $at_once);
	printf "visits_done of %d visits%s, %.0f a second, against calls of visit_done: %.2f (at least 2)\n", $visits,
	  $auto_pay eq 'true' ? ' that are paid' : ' that wait to be paid', $visits / $rows, $calls / $rows;
}
