#!/usr/bin/perl
# How fast the worker pays: against the statements that it runs, by how much waits, against a bare request; and what memory it
# keeps. On a server of its own; BENCH_PAYOUTS is how many are paid in all.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../tap";
use Murallink::Payouts;
use Time::HiRes qw(usleep);
use Time::Local qw(timegm);

use constant { WAITING => 200_000, ROUNDS => 3, A_ROUND => 10_000, A_TRANSACTION => 2000, CLAIM => 32, CLAIMS => 15,
	REQUESTS => 100 };

my $all = $ENV{BENCH_PAYOUTS} // 500_000;
my $payouts = Murallink::Payouts->new(
	conf => "shared_buffers = 1GB\ntrack_commit_timestamp = on\n",
	sandbox => ['--no-sync']);
my $stack = $payouts->stack;
my $dir = $stack->{dir};

$payouts->sql(<<'EOC');
INSERT INTO murallink.funding (client_uid, contract_uid, amount, currency)
SELECT client_uid, contract_uid, 100000000000, 'USD' FROM public.place
EOC
$payouts->patients(2000);
$payouts->order_cards;
my $worker = $payouts->worker;

first_byte();
claim_time();
$payouts->approve(3000);
$payouts->wait_settled;
my $memory = memory();
throughput();
wait_done();
while ($all - done() > 0)
{
	approve(A_ROUND);
	wait_done();
}
die "another worker has taken over\n" if $worker != $payouts->worker;
my $summary = $stack->client->sandbox('summary');
die "$summary->{duplicates} payouts were loaded twice\n" if $summary->{duplicates};
die 'the ledger is wrong' if $payouts->sql('SELECT count(*) FROM murallink.verify_ledger()');
printf "worker's memory after %d payouts, against after 5000: %.2f MiB more (at most 2)\n", $all, memory() - $memory;

# Payouts a second, against the statements alone, each a few times in turn while many wait. The worker stands still meanwhile.
sub throughput
{
	$payouts->call('disable_payouts');
	approve(WAITING);
	$payouts->sql('VACUUM ANALYZE');
	my @ratios;
	foreach my $round (1 .. ROUNDS)
	{
		$payouts->sql('CHECKPOINT');
		my $start = $payouts->sql('SELECT clock_timestamp()');
		$payouts->call('enable_payouts');
		my $before = done();
		until (done() - $before >= A_ROUND) { usleep(100_000) }
		$payouts->call('disable_payouts');
		$payouts->wait_for('SELECT in_flight = 0 FROM murallink.worker_status()');
		my ($sent, $batch) = rate($start);

		kill 'STOP', $worker;
		$payouts->sql('CHECKPOINT');
		$start = $payouts->sql('SELECT clock_timestamp()');
		statements($batch);
		my ($unsent) = rate($start);
		kill 'CONT', $worker;
		push @ratios, $sent / $unsent;
		print STDERR "payouts a second: $sent, by the statements alone: $unsent, $batch at once\n";
	}
	printf "payouts a second of one worker, %d waiting, against its statements in psql: ratio %.2f (at least 0.6)\n",
	  WAITING, median(@ratios);
	$payouts->call('enable_payouts');
	return;
}

# Claims and settles in psql, as the worker does, so many at once, with the answers that it gets.
sub statements
{
	my ($batch) = @_;
	psql(<<'EOC' . <<"EOC" x (A_ROUND / $batch) . <<'EOC');
SET ROLE murallink_owner;
SET enable_seqscan = off;
SET jit = off;
UPDATE murallink_private.payout_switch SET enabled = true;
\set results '[]'
EOC
BEGIN;
SELECT murallink_private.settle_calls(:'results');
SELECT coalesce(jsonb_agg(jsonb_build_object('call_uid', call_uid, 'attempt', attempt, 'outcome', 'done', 'http_status', 200,
    'reason', '',
    'facts', jsonb_build_object('order_id', '70000001', 'proxy_key', params ->> 'proxy_key', 'balance', '10.00'),
    'answer', '{"status": "success", "orderId": "70000001", "balance": "10.00"}')), '[]') AS results
FROM murallink_private.claim_calls('dash', $batch) \\gset
COMMIT;
EOC
SELECT murallink_private.settle_calls(:'results');
UPDATE murallink_private.payout_switch SET enabled = false;
EOC
	return;
}

# Payouts a second since that moment, and how many a transaction has settled.
sub rate
{
	my ($start) = @_;
	return split /\|/, $payouts->sql(<<"EOC");
SELECT round(count(*) / extract(epoch FROM max(settled_at) - min(claimed_at))), count(*) / count(DISTINCT xmin::text)
FROM murallink_private.call WHERE operation = 'load' AND claimed_at > '$start'
EOC
}

# The time of a claim with a million waiting, against a thousand, in turn.
sub claim_time
{
	my %waiting = (few => 1000, many => 1_000_000);
	foreach my $world (sort keys %waiting)
	{
		$stack->sql("CREATE DATABASE $world", 'postgres');
		$stack->sql('CREATE EXTENSION murallink', $world);
		$stack->sql('SELECT murallink.install()', $world);
		psql("\\set waiting $waiting{$world}\n\\i $FindBin::RealBin/payout.sql\n", $world);
		$stack->sql('VACUUM ANALYZE', $world);
	}
	my %took = (few => [], many => []);
	foreach my $claim (1 .. CLAIMS)
	{
		push @{ $took{$_} }, claim_once($_) foreach sort keys %took;
	}
	printf "time of a claim with a million waiting, against a thousand: ratio %.2f (at most 1.5)\n",
	  median(@{ $took{many} }) / median(@{ $took{few} });
	$stack->sql("DROP DATABASE $_", 'postgres') foreach sort keys %waiting;
	return;
}

# How many milliseconds a claim takes in a session that has just made another one.
sub claim_once
{
	my ($world) = @_;
	my $claim = "SELECT count(*) FROM murallink_private.claim_calls('dash', ${\CLAIM})";
	my @lines = psql(<<"EOC", $world);
SET ROLE murallink_owner;
SET enable_seqscan = off;
$claim;
SELECT clock_timestamp() AS start \\gset
$claim;
SELECT extract(epoch FROM clock_timestamp() - :'start') * 1000;
EOC
	return $lines[-1];
}

# How many microseconds go by from the commit of an approval to its request at the sandbox, against a bare request.
sub first_byte
{
	my ($port) = $stack->{sandbox_url} =~ /(\d+)$/;
	Murallink::Stack::run('cc', '-O2', '-o', "$dir/bare_request", "$FindBin::RealBin/bare_request.c");
	open my $bare, '-|', "$dir/bare_request", $port, REQUESTS or die "bare_request: $!\n";
	chomp(my @began = <$bare>);
	close $bare or die "bare_request failed\n";
	my @bare = arrived(REQUESTS);
	my @took_bare = map { $bare[$_] - $began[$_] } 0 .. REQUESTS - 1;

	my @committed = psql(<<'EOC' x REQUESTS);
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
SELECT uid, 'manual', 1, 'USD' FROM murallink.enrollment LIMIT 1 RETURNING uid \gset
BEGIN;
UPDATE murallink_private.payment SET status = 'approved' WHERE uid = :'uid';
SELECT FROM murallink_private.payout_begin(:'uid') \g /dev/null
SELECT pg_current_xact_id()::text AS approval \gset
COMMIT;
SELECT FROM pg_sleep(0.05) \g /dev/null
SELECT (extract(epoch FROM pg_xact_commit_timestamp(:'approval'::xid)) * 1000000)::bigint;
EOC
	$payouts->wait_settled;
	my @sent = arrived(REQUESTS);
	my @took = map { $sent[$_] - $committed[$_] } 0 .. REQUESTS - 1;
	printf "commit of an approval to its request at the sandbox, against a bare request: %.2f ms more at the median (at most 5)\n",
	  (median(@took) - median(@took_bare)) / 1000;
	return;
}

# Runs a script and returns the lines that it prints.
sub psql
{
	my ($script, $database) = @_;
	open my $file, '>', "$dir/script.sql" or die "script.sql: $!\n";
	print $file $script;
	close $file or die "script.sql: $!\n";
	open my $output, '-|', qw(psql -XqAt -v ON_ERROR_STOP=1 -h), $stack->{host}, '-p', $stack->{port}, '-U', $stack->{user},
	  '-d', $database // Murallink::Stack::DATABASE, '-f', "$dir/script.sql" or die "psql: $!\n";
	my @lines = <$output>;
	close $output or die "psql failed\n";
	chomp @lines;
	return @lines;
}

# When the last loads that were asked for came in, in microseconds.
sub arrived
{
	my ($count) = @_;
	my @loads = grep { $_->{path} =~ /loadCards/ } @{ $stack->client->sandbox('requests') };
	return map {
		my ($year, $month, @rest) = $_->{time} =~ /(\d+)/g;
		my ($day, $hour, $minute, $second, $micro) = @rest;
		timegm($second, $minute, $hour, $day, $month - 1, $year) * 1_000_000 + $micro
	} @loads[ -$count .. -1 ];
}

# What the worker has allocated, in MiB.
sub memory
{
	open my $smaps, '<', "/proc/$worker/smaps_rollup" or die "smaps_rollup: $!\n";
	my ($anonymous) = map { /^Anonymous:\s+(\d+)/ } <$smaps>;
	close $smaps;
	return $anonymous / 1024;
}

# Approves payments, a few in each transaction: one that pays many thousands takes longer and longer.
sub approve
{
	my ($count) = @_;
	for (; $count > 0; $count -= A_TRANSACTION) { $payouts->approve(A_TRANSACTION) }
	return;
}

# The number of payouts that the worker has paid; waits until all are.
sub done { return $payouts->sql('SELECT done FROM murallink.worker_status()') }

sub wait_done
{
	until ($payouts->sql('SELECT NOT EXISTS (SELECT FROM murallink_private.call WHERE open)') eq 't') { usleep(200_000) }
	return;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[ @sorted / 2 ];
}
