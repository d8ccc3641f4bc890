#!/usr/bin/perl
# How many payments a second are made, approved and paid while a session keeps an old snapshot, so that no dead row can be
# removed: the fifth batch under it against one without it. And how often those who pay on one contract wait for a lock while it
# is being paid out. On a server of its own; BENCH_BATCH is how many payments a batch has.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../tap";
use Murallink::Payouts;
use Time::HiRes qw(time usleep);

use constant { CLIENTS => 4, BATCHES => 5, PATIENTS => 1000 };

my $batch = $ENV{BENCH_BATCH} // 5000;
my $payouts = Murallink::Payouts->new(conf => "shared_buffers = 512MB\ncheckpoint_timeout = 1d\nmax_wal_size = 8GB\n", sandbox => ['--no-sync']);
$payouts->patients(PATIENTS);
$payouts->order_cards;
$payouts->sql(<<'EOC');
UPDATE murallink.app_user SET db_role = 'postgres' WHERE user_role = 'admin';
INSERT INTO murallink.funding (client_uid, contract_uid, amount, currency)
SELECT client_uid, contract_uid, 1000000000, 'USD' FROM public.place;
CREATE TABLE public.paid AS SELECT row_number() OVER () AS n, patient_uid, trial_uid FROM murallink.enrollment;
CREATE INDEX ON public.paid (n);
EOC
my $script = "$payouts->{stack}{dir}/pay.sql";
open my $file, '>', $script or die "$script: $!\n";
print $file '\set n random(1, ' . PATIENTS . ")\n", <<'EOC';
SELECT murallink.approve_payment((murallink.manual_payment(patient_uid, trial_uid, 1, 'USD')).uid) FROM public.paid WHERE n = :n;
EOC
close $file or die "$script: $!\n";

pay();
my $before = pay();
my $idle = $payouts->session('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
my $last;
$last = pay() foreach 1 .. BATCHES;
close $idle;
printf "payments a second, batch %d under an old snapshot against one without: %.2f (at least 0.7)\n", BATCHES, $last->{rate} / $before->{rate};
printf "samples in which a payer waited for a lock: %.1f %% (below 10), under the old snapshot %.1f %%\n", map { 100 * $_->{waits} } $before, $last;

# Makes, approves and pays a batch. Returns how many a second were paid, and in which part of the samples a payer waited.
sub pay
{
	my $start = time;
	my $pid = fork() // die "fork: $!\n";
	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null' or die "stdout: $!\n";
		my $stack = $payouts->stack;
		exec 'pgbench', '-n', '-c', CLIENTS, '-t', $batch / CLIENTS, '-f', $script,
		  '-h', $stack->{host}, '-p', $stack->{port}, '-U', $stack->{user}, Murallink::Stack::DATABASE;
	}
	my ($samples, $waits) = (0, 0);
	while (waitpid($pid, 1) == 0)
	{
		my ($all, $waiting) = split /\|/, $payouts->sql(<<'EOC');
SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock') FROM pg_stat_activity WHERE application_name = 'pgbench'
EOC
		$samples += $all;
		$waits += $waiting;
		usleep(50_000);
	}
	die "pgbench failed\n" if $?;
	$payouts->wait_settled;
	my $took = time - $start;
	printf "%d payments in %.1f s, %.0f a second\n", $batch, $took, $batch / $took;
	return { rate => $batch / $took, waits => $waits / ($samples || 1) };
}
