# The worker and the life of its server: the switch, the poisoned row, and all that wants the worker out
# of the way while it is busy.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

# People decide here what is in doubt.
my $payouts = Murallink::Payouts->new(settings => { look_up => JSON::PP::false });
my $dir = $payouts->stack->{dir};

$payouts->patients(4);
$payouts->order_cards;

# The switch.
$payouts->sql('SELECT murallink.disable_payouts()');
my @off = $payouts->approve(2);
is($payouts->sql('SELECT payouts, ready FROM murallink.worker_status()'), 'off|2', 'off: ready, and not sent');
$payouts->wait_looks;
is_deeply([ map { $payouts->loads($_) } @off ], [ 0, 0 ], 'however often the worker looks');
$payouts->sql('SELECT murallink.enable_payouts()');
$payouts->wait_settled;
like($payouts->state_of($_), qr/^done paid/, 'on: sent') foreach @off;

# A copy of the database: see 022_copies.pl for copies of the server.
$payouts->sql(q{UPDATE murallink_private.payout_switch SET place = 'another'});
my ($elsewhere) = $payouts->approve(1);
is($payouts->sql('SELECT payouts FROM murallink.worker_status()'), 'elsewhere', 'in another place: off');
Murallink::Stack::poll('the log', sub { grep { /copy of one that pays out/ } $payouts->stack->log_of('postgresql') });
is($payouts->loads($elsewhere), 0, 'and not sent');
$payouts->sql('SELECT murallink.enable_payouts(look_first => false)');
$payouts->wait_settled;
like($payouts->state_of($elsewhere), qr/^done paid/, 'until it is enabled here');

# What a person settles.
$payouts->fault(when => 'before', action => 'answer', status => 400, body => '{"status":"failure","message":"closed"}', count => 2);
my @refused = $payouts->approve(2);
$payouts->wait_settled;
my ($check, $cash) = by_person(2);
is($payouts->state_of($check), 'waiting approved settled_by_person', 'no partner: waits for a person');
$payouts->call('settle_payout', $check, 'paid', 'check 17', '');
$payouts->call('settle_payout', $cash, 'failed', '', 'came back');
is($payouts->state_of($check), 'done paid', 'settled: paid');
is($payouts->state_of($cash), 'declined failed settled_by_person', 'settled: failed');
is($payouts->refusal('settle_payout', $check, 'paid'), 'wrong_status', 'not twice');
is($payouts->refusal('settle_payout', $cash, 'lost'), 'invalid_value', 'only as paid or failed');
$payouts->call('retry_payout', $_, 'by check') foreach @refused;
is_deeply([ map { $payouts->state_of($_) } @refused ], [ ('waiting approved settled_by_person') x 2 ], 'refused by the partner, and sent to a person');
$payouts->call('settle_payout', $refused[0], 'paid', 'check 18', '');
$payouts->call('settle_payout', $refused[1], 'failed', '', 'came back');
is_deeply([ map { $payouts->state_of($_) } @refused ], [ 'done paid', 'declined failed settled_by_person' ], 'who settles it');
is($payouts->sql('SELECT problem FROM murallink.verify_ledger()'), '', 'the ledger is right');
$payouts->sql('UPDATE murallink.enrollment SET payment_type_uid = NULL');
$payouts->call('retry_payout', $refused[1], 'to the card after all');
$payouts->wait_settled;
is_deeply([ map { $payouts->state_of($_) . ' ' . $payouts->loads($_) } @refused ], [ 'done paid 0', 'done paid 1' ], 'or sends it to the card after all');

# One row that cannot be claimed, and one that cannot be settled, stop no other.
$payouts->sql(<<'EOC');
CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT amount FROM murallink.payout WHERE uid = NEW.uid) = TG_ARGV[0]::numeric THEN
        RAISE EXCEPTION 'poisoned';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER poison_claim BEFORE UPDATE ON murallink_private.call
    FOR EACH ROW WHEN (NEW.status = 'claimed') EXECUTE FUNCTION public.poison(1.01);
CREATE TRIGGER poison_settle BEFORE UPDATE ON murallink_private.call
    FOR EACH ROW WHEN (NEW.status = 'done') EXECUTE FUNCTION public.poison(1.02);
EOC
my $done = $payouts->count('done');
my @poisoned = $payouts->approve(20);
$payouts->wait_for(<<'EOC');
SELECT count(*) = 2 AND (SELECT count(*) = 1 FROM murallink_private.call_attempt WHERE kept) FROM murallink_private.call WHERE open
EOC
my %amount = map { split /\|/ } split /\n/, $payouts->sql('SELECT uid, amount FROM murallink.payout');
my ($unclaimed) = grep { $amount{$_} == 1.01 } @poisoned;
my ($unsettled) = grep { $amount{$_} == 1.02 } @poisoned;
is($payouts->count('done') - $done, 18, 'the others are paid');
like($payouts->state_of($unclaimed), qr/^ready approved/, 'one that cannot be claimed is not sent');
like($payouts->state_of($unsettled), qr/^claimed processing/, 'one that cannot be settled stays claimed');
is($payouts->sql("SELECT outcome FROM murallink.payout_attempts('$unsettled')"), 'done',
	'with its outcome written');
$payouts->sql('DROP TRIGGER poison_settle ON murallink_private.call');
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$unsettled'");
pass('which is applied once it can be');
$payouts->sql('DROP TRIGGER poison_claim ON murallink_private.call');
$payouts->wait_settled;
like($payouts->state_of($unclaimed), qr/^done paid/, 'and the other is sent');
check_books('after the poison');

# A row that is locked holds up itself alone: before it is claimed, and while its call is under way.
$payouts->sql('SELECT murallink.disable_payouts()');
my ($locked, @free) = $payouts->approve(5);
my $session = lock_payment($locked);
$payouts->sql('SELECT murallink.enable_payouts()');
$payouts->wait_for('SELECT count(*) = 1 FROM murallink_private.call WHERE open');
like($payouts->state_of($locked), qr/^ready approved/, 'a locked row is not claimed');
$payouts->hold(count => 1);
close $session;
$payouts->wait_for("SELECT status = 'claimed' FROM murallink.payout WHERE uid = '$locked'");
$session = lock_payment($locked);
$payouts->no_fault;
$payouts->wait_for("SELECT count(*) = 1 FROM murallink.payout_attempts('$locked') WHERE outcome = 'done'");
like($payouts->state_of($locked), qr/^claimed processing/, 'a locked row is not settled, but its outcome is written');
close $session;
$payouts->wait_settled;
like($payouts->state_of($locked), qr/^done paid/, 'and applied later');

# A table that is locked lets the worker stop, which has something to write there; another one goes on.
$payouts->sql('SELECT murallink.disable_payouts()');
my ($held) = $payouts->approve(1);
$session = $payouts->session('BEGIN; LOCK TABLE murallink_private.call IN SHARE MODE');
$payouts->sql('SELECT murallink.enable_payouts()');
$payouts->wait_for(q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'murallink_private.call'::regclass});
my $stopped = $payouts->worker;
$payouts->sql("SELECT pg_terminate_backend($stopped)");
$payouts->wait_for("SELECT pid IS DISTINCT FROM $stopped FROM murallink_private.worker_slot(NULL)");
pass('the worker stops though a table is locked');
close $session;
$payouts->wait_settled;
is($payouts->state_of($held), 'done paid', 'and the next one goes on');

# A new launcher leaves the worker alone that is there.
my $worker = $payouts->worker;
my $launcher = launcher();
$payouts->sql("SELECT pg_terminate_backend($launcher)");
Murallink::Stack::poll('another launcher', sub { (launcher() || $launcher) ne $launcher });

# A commit wakes the worker: it need not look to find out.
my $start = $payouts->sql('SELECT clock_timestamp()');
foreach my $round (1 .. 20)
{
	$payouts->approve(1);
	$payouts->wait_settled;
}
# Without that it looks once a second, most of which is still to come when a payout is approved after another.
my ($woken, $least) = split /\|/, $payouts->sql(<<"EOC");
SELECT count(*), extract(epoch FROM percentile_cont(0.25) WITHIN GROUP (ORDER BY claimed_at - created_at))
FROM murallink_private.call WHERE operation = 'load' AND created_at > '$start'
EOC
is($woken, 20, 'payouts one after the other');
cmp_ok($least, '<', 0.5, "a commit wakes the worker: most are claimed after $least s");
is($payouts->sql(q{SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'murallink worker'}),
	$worker, 'which is the same one, whatever became of the launcher');

# DROP EXTENSION is refused while there are tables.
like($payouts->error_of('DROP EXTENSION murallink'), qr/other objects depend on it/, 'DROP EXTENSION is refused');

# Shutdown: calls that end soon are settled, others are in doubt.
$payouts->set('murallink.shutdown_grace' => '60s');
foreach my $mode (qw(smart fast))
{
	busy(1000);
	cmp_ok($payouts->stop_server($mode), '<', 30, "$mode shutdown ends with the calls");
	$payouts->start_server;
	$payouts->wait_settled;
	is($payouts->count('in_doubt'), 0, "$mode shutdown: calls that end soon are settled");
	check_books("after $mode shutdown");
}
$payouts->set('murallink.shutdown_grace' => '3s');
busy(Murallink::Payouts::HELD);
my $ending = $payouts->worker;
my $used = my $before = processor_time($ending);
$payouts->sql("SELECT pg_terminate_backend($ending)");
Murallink::Stack::poll('the worker to end', sub { my $time = processor_time($ending); $used = $time // $used; !defined $time });
cmp_ok($used - $before, '<', 0.3, 'a worker that waits for its calls to end uses no processor');
$payouts->set('murallink.shutdown_grace' => '1s');
busy(Murallink::Payouts::HELD);
cmp_ok($payouts->stop_server('fast'), '<', 25, 'fast shutdown with slow calls does not wait for their time-out');
$payouts->no_fault;
$payouts->start_server;
$payouts->wait_settled;
cmp_ok($payouts->count('in_doubt'), '>', 0, 'fast shutdown: slow calls are in doubt');
my $sent = $payouts->sql('SELECT count(*) FROM murallink.payout WHERE attempt > 0 AND partner IS NOT NULL');
Murallink::Stack::poll('the slow loads', sub { $payouts->stack->client->sandbox('summary')->{loads} == $sent });
check_books('after fast shutdown with slow calls');

# Others get the database for themselves: to rename it, to copy it, to drop it.
busy(1000);
alone('ALTER DATABASE murallink RENAME TO another');
pass('ALTER DATABASE RENAME while the worker is busy');
$payouts->stack->sql('ALTER DATABASE another RENAME TO murallink', 'postgres');
$payouts->wait_settled;
busy(1000);
alone('CREATE DATABASE copy TEMPLATE murallink');
pass('CREATE DATABASE TEMPLATE while the worker is busy');
$payouts->wait_settled;
$payouts->no_fault;
$payouts->stack->sql(q{ALTER SYSTEM SET murallink.databases = 'murallink, copy'}, 'postgres');
$payouts->stack->sql('SELECT pg_reload_conf()', 'postgres');
Murallink::Stack::poll('the worker of the copy', sub {
	$payouts->stack->sql('SELECT pid IS NOT NULL FROM murallink_private.worker_slot(NULL)', 'copy') eq 't' });
is($payouts->stack->sql('SELECT payouts FROM murallink.worker_status()', 'copy'), 'elsewhere', 'the copy does not pay');
check_books('at the end');
busy(Murallink::Payouts::HELD);
alone('DROP DATABASE murallink');
pass('DROP DATABASE while the worker is busy');
done_testing();

# Does what needs the database for itself, for which PostgreSQL waits five seconds: a busy machine may need several.
sub alone
{
	my ($statement) = @_;
	return $payouts->quietly(sub {
		foreach my $try (1 .. 10)
		{
			return if eval { $payouts->stack->sql($statement, 'postgres'); 1 };
		}
		# Who is there, and why a worker has not left.
		diag $payouts->stack->sql($_, 'postgres') foreach (
			'SELECT pid, datname, backend_type, state, wait_event, backend_start, xact_start FROM pg_stat_activity',
			"SELECT pid, locktype, objid, mode, granted FROM pg_locks WHERE locktype = 'object'",
			'SHOW murallink.shutdown_grace');
		diag $payouts->sql('SELECT * FROM murallink.worker_status()');
		die "$statement: the database is not free\n";
	});
}

# Has the worker make calls that take so long.
sub busy
{
	my ($delay_ms) = @_;
	$payouts->no_fault;
	$payouts->fault(when => 'before', action => 'delay', delay_ms => $delay_ms);
	$payouts->approve(20);
	$payouts->wait_for('SELECT in_flight > 0 FROM murallink.worker_status()');
	return;
}

# The processor time that a process has used since it started, in seconds, or undef if it has ended.
sub processor_time
{
	my ($pid) = @_;
	open my $status, '<', "/proc/$pid/schedstat" or return;
	my $line = <$status> // return;
	return (split ' ', $line)[0] / 1e9;
}

sub launcher
{
	return $payouts->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'murallink launcher'});
}

# Returns a session that holds the lock of a payout's payment.
sub lock_payment
{
	my ($payout) = @_;
	return $payouts->session("BEGIN; SELECT FROM murallink.payment"
		  . " WHERE uid = (SELECT payment_uid FROM murallink.payout WHERE uid = '$payout') FOR UPDATE");
}

sub check_books
{
	my ($when) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree $when");
	return;
}

# Approves payments to patients who are paid by check.
sub by_person
{
	my ($count) = @_;
	$payouts->sql(<<'EOC');
UPDATE murallink.enrollment SET payment_type_uid = t.uid FROM murallink_private.payment_type t WHERE t.name = 'check'
EOC
	return $payouts->approve($count);
}
