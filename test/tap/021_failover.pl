# A standby takes the place of its server in mid-run: nothing is paid until payouts are enabled there; then what the old
# server has sent and the standby does not know of is found at the issuer, nothing is sent twice, and nothing is lost.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 1, timeout => 100, concurrency => 4 });
my $issuer = $payouts->stack->client;
my $unknown = 0;

$payouts->sandbox('POST', 'settings', { 'dash.funding_total' => '10000000.00' });
$payouts->patients(6);
$payouts->order_cards;

note 'a hot standby answers what only reads: analysts, and sessions that were opened on the server, which it does not prolong';
$payouts->sql($_) foreach 'CREATE ROLE ann LOGIN IN ROLE murallink_analyst',
  q{SELECT murallink.register('ann@example.com', 'another password', 'Ann', 'Lyst')},
  q{SELECT murallink.set_db_role('ann@example.com', 'ann')},
  q{INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid)
	SELECT u.uid, p, 'client', c.uid, c.uid FROM murallink.app_user u, murallink.client c,
	unnest('{view_payments,view_enrollments,view_patients,view_payment_schedule,view_report}'::murallink.permission[]) p
	WHERE u.email = 'ann@example.com'};
$payouts->approve(1);
$payouts->wait_settled;
my $session = $payouts->sql(q{SELECT session_id FROM murallink.login('ann@example.com', 'another password')});
# It would be prolonged by its next use.
$payouts->sql(q{UPDATE murallink_private.session SET expires_at = now() + interval '1 minute'
	WHERE app_user_uid = (SELECT uid FROM murallink.app_user WHERE email = 'ann@example.com')});
my $standby = standby();
my %reads = (
	(map { $_ => "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM murallink.$_ t" }
		qw(payment payment_history paid_by_month dim_trial dim_site dim_subject audit_event funding_runway liability schedule_at())),
	owed => 'SELECT count(*) FROM murallink.owed',
	patient_audit => 'SELECT count(*) FROM murallink.patient p, LATERAL murallink.patient_audit(p.uid)');
foreach my $name (sort keys %reads)
{
	my $read = "SET SESSION AUTHORIZATION ann; $reads{$name}";
	is($standby->sql($read), $payouts->sql($read), "$name is the same on the standby");
}
isnt($payouts->sql("SET SESSION AUTHORIZATION ann; SELECT count(*) FROM murallink.payment_history"), '0', 'and has rows');
my $asked = "BEGIN; SELECT FROM murallink.authenticate('$session');"
  . ' SELECT count(*) > 0 FROM murallink.get_patients(); COMMIT';
is($standby->sql($asked), 't', 'a session reads there');
is($standby->error_of("DO \$\$ BEGIN PERFORM murallink.authenticate('$session');"
	  . ' PERFORM murallink.trial_payment_report((SELECT uid FROM murallink.trial LIMIT 1)); END $$'),
	'cannot execute DELETE in a read-only transaction', 'and writes nothing');
is($standby->sql(q{SELECT count(*) FROM murallink_private.session WHERE expires_at > now() + interval '1 minute'}),
	$payouts->sql(q{SELECT count(*) FROM murallink_private.session WHERE expires_at > now() + interval '1 minute'}),
	'nor is it prolonged');
$payouts->sql(q{UPDATE murallink.app_user SET deactivated = '{[2020-01-01,)}' WHERE email = 'ann@example.com'});
Murallink::Stack::poll('the standby', sub { $standby->sql('SET SESSION AUTHORIZATION ann; SELECT count(*) FROM murallink.payment') eq '0' });
is($standby->sql("SET SESSION AUTHORIZATION ann; SELECT count(*) FROM murallink.payment_history"), '0', 'who is deactivated is nobody there');

note 'a synchronous standby';
$payouts->set(synchronous_standby_names => '*');
$payouts->wait_for(q{SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication});
busy(60);
$payouts->stop_server('immediate');
replayed();
is_deeply([ grep { $standby->state_of($_) !~ /^(claimed|done)/ } map { $_->{referenceId} } loads() ], [],
	'it knows of every load that the issuer has');
is($standby->sql('SELECT murallink_private.payouts_state()'), 'elsewhere', 'it does not pay');
promote();
$payouts->wait_looks;
check_enabled();

note 'a commit that waits for a synchronous standby which is gone';
$standby = standby();
$payouts->set(synchronous_standby_names => '*');
$payouts->wait_for(q{SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication});
$standby->stop_server('fast');
my @waiting;
{
	local $ENV{PGOPTIONS} = '-c synchronous_commit=local';
	@waiting = $payouts->approve(3);
}
my $waits = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'murallink worker' AND wait_event = 'SyncRep'};
$payouts->wait_for($waits);
my $worker = $payouts->sql('SELECT pid FROM murallink_private.worker_slot(NULL)');
$payouts->sql("SELECT pg_cancel_backend($worker)");
is($payouts->sql($waits), 't', 'the worker goes on waiting when somebody cancels');
$payouts->sql("SELECT pg_terminate_backend($worker)");
$payouts->wait_for("SELECT pid <> $worker FROM murallink_private.worker_slot(NULL)");
$payouts->wait_for($waits);
is_deeply([ map { $payouts->loads($_) } @waiting ], [ 0, 0, 0 ], 'nothing is sent, by the next worker either');
cmp_ok($payouts->stop_server('fast'), '<', 50, 'fast shutdown while it waits');
is_deeply([ map { $payouts->loads($_) } @waiting ], [ 0, 0, 0 ], 'sends nothing');
$standby->start_server;
$payouts->start_server;
$payouts->wait_settled;
$payouts->wait_idle;
is_deeply([ map { $payouts->loads($_) } @waiting ], [ 1, 1, 1 ], 'when the standby is there again, it is sent once');
is_deeply([ $payouts->wrong ], [], 'the books agree');

note 'an asynchronous standby that is behind';
$payouts->sql('ALTER SYSTEM RESET synchronous_standby_names');
$payouts->set(wal_receiver_timeout => 0);
$payouts->patients(3);
$payouts->call('disable_payouts');
my ($held) = $payouts->approve(1);
$payouts->sql("SELECT murallink.hold_payouts('not yet', payout_uid => '$held')");
$payouts->call('enable_payouts');
busy(120);
$standby->set(primary_conninfo => '');
replayed();
my $known = $standby->sql(q{SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM murallink.payout});
is($known, 'claimed done ready waiting', 'it knows of payouts in every state');
my @lost = $payouts->approve(5);
$payouts->sql("SELECT murallink.release_payouts(payout_uid => '$held')");
$payouts->no_fault;
$payouts->wait_settled;
is($payouts->count('done'), $payouts->sql('SELECT count(*) FROM murallink.payout'), 'the server pays all, and ends');
$payouts->stop_server('immediate');
my %paid = map { $_->{referenceId} => 1 } loads();
promote();
$payouts->sql("SELECT murallink.release_payouts(payout_uid => '$held')");
$payouts->wait_looks;
is(scalar(loads()), scalar(keys %paid), 'the standby does not send it again');
like(join('', $payouts->stack->log_of('postgresql')), qr/is a copy of one that pays out, so it does not/, 'its log says so');
my $reserved = $payouts->sql('SELECT sum(reserved) FROM murallink.fund_balance');
$unknown = @lost;
check_enabled();
is(scalar(loads()), scalar(keys %paid) + 5, 'nothing was sent but what is new');
cmp_ok($payouts->sql('SELECT sum(reserved) FROM murallink.fund_balance'), '<', $reserved, 'what was sent is known to be paid');
$payouts->call('refresh_dash');
$payouts->wait_idle;
like($payouts->sql('SELECT problem FROM murallink.reconcile_funding()'), qr/^holds [\d.]+, the books say/,
	'that payments are missing which the standby never heard of shows at the issuer');
done_testing();

# Starts a standby of the server.
sub standby
{
	my $new = $payouts->base_backup('-R');
	$new->start_server;
	$payouts->wait_for(q{SELECT bool_or(state = 'streaming') FROM pg_stat_replication});
	return $new;
}

# Waits until the standby has replayed whatever it has received, and gets no more: it waits to try again. The end of what
# was received need not be the end of a record.
sub replayed
{
	return $standby->wait_for(<<'EOC');
SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event = 'RecoveryRetrieveRetryInterval'
EOC
}

# The standby becomes the server.
sub promote
{
	$payouts = $standby;
	$payouts->stack->sql('SELECT pg_promote()', 'postgres');
	$payouts->stack->sql('ALTER SYSTEM RESET synchronous_standby_names', 'postgres');
	$payouts->set(primary_conninfo => '');
	is($payouts->sql('SELECT murallink_private.payouts_state()'), 'elsewhere', 'when promoted it does not pay');
	$payouts->worker;
	return;
}

# Has payouts of every kind under way: claimed, of which the answer to one is held, ready, and waiting for a card.
sub busy
{
	my ($count) = @_;
	$payouts->hold(when => 'after', count => 1);
	$payouts->fault(operation => 'dash.*', when => $_, action => 'delay', delay_ms => 400) foreach qw(before after);
	my $done = $payouts->count('done');
	$payouts->approve($count);
	$payouts->wait_for(<<"EOC");
SELECT count(*) FILTER (WHERE status = 'done') > $done AND count(*) FILTER (WHERE status = 'claimed') > 0 FROM murallink.payout
EOC
	return;
}

# Enables payouts in the new place, where new ones are approved, too: in the end all are paid, and once.
sub check_enabled
{
	my $open = $payouts->sql(q{SELECT count(*) FROM murallink.payout WHERE status <> 'done'});
	cmp_ok($open, '>', 0, 'there are open payouts');
	$payouts->no_fault;
	$payouts->call('enable_payouts');
	my @new = $payouts->approve(5);
	$payouts->wait_settled;
	$payouts->resolve_cards;
	$payouts->wait_idle;
	is($payouts->count('done'), $payouts->sql('SELECT count(*) FROM murallink.payout'), 'enabled there: all are paid');
	my @wrong = $payouts->wrong;
	is(scalar(grep { /^load of an unknown payout/ } @wrong), $unknown, 'every load is known that could be');
	is_deeply([ grep { !$unknown || !/^load of an unknown payout|loads applied/ } @wrong ], [], 'the books agree');
	is($payouts->sql('SELECT count(*) FROM murallink_private.call WHERE (outcome <> \'done\' OR attempt > 1) AND uid IN ('
		  . join(', ', map { "'$_'" } @new) . ')'), 0, 'what is new is sent at once');
	return;
}

sub loads { return grep { $_->{ledger} eq 'load' } @{ $issuer->ledger } }
