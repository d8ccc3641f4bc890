# What operators see and hold: payouts that need a person, the attempts of a payout, holds, and a partner that fails;
# and what the log says of it.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 1 });
$payouts->patients(2);
$payouts->order_cards;
my $contract = $payouts->sql('SELECT contract_uid FROM public.place');
is($payouts->sql(<<'EOC'), 'closed|t|t|t|t', 'the status tells how fast payouts go');
SELECT breaker, payouts_per_second = round(2 / 60.0, 1), calls_per_second >= payouts_per_second, latency > interval '0', latency_max >= latency
FROM murallink.worker_status()
EOC

note 'a payout, a contract and a partner are held and released';
my %held = (payout_uid => undef, contract_uid => $contract, partner => 'dash');
foreach my $what (sort keys %held)
{
	my ($payout) = by_hand();
	my $which = $held{$what} // $payout;
	hold('hold_payouts', $what, $which, q{note => 'audit'});
	$payouts->call('enable_payouts');
	my ($late) = $what eq 'payout_uid' ? () : $payouts->approve(1);
	my $state = $what eq 'partner' ? 'ready approved' : 'waiting approved held';
	looked();
	is_deeply([ map { $payouts->state_of($_) } grep { defined } $payout, $late ], [ ($state) x (defined $late ? 2 : 1) ], "$what: held");
	is($payouts->loads($payout), 0, "$what: not sent");
	is($payouts->sql('SELECT ready_payouts, ready_cards + ready_tasks, oldest_due_at < now() FROM murallink.worker_status()'),
		'2|0|t', "$what: the backlog tells") if $what eq 'partner';
	is($payouts->sql('SELECT held FROM murallink.worker_status()'), $what eq 'partner' ? 't' : 'f', "$what: the status tells");
	is($payouts->sql("SELECT why, remedy FROM murallink.needs_person WHERE uid = '$payout'"),
		$what eq 'partner' ? '' : "held|release_payouts of $what", "$what: and who must do something, and of what");
	is($payouts->error_of("SELECT murallink.release_payouts(payout_uid => '$payout')"), 'wrong_status', "$what: not of the payout alone")
	  unless $what eq 'payout_uid';
	hold('release_payouts', $what, $which);
	$payouts->wait_settled;
	is($payouts->state_of($payout), 'done paid', "$what: released, it is sent");
	is($payouts->error_of("SELECT murallink.release_payouts($what => '$which')"), 'wrong_status', "$what: once");
}
is($payouts->error_of(q{SELECT murallink.hold_payouts('why')}), 'missing_field', 'something must be held');
is($payouts->error_of(q{SELECT murallink.hold_payouts('why', partner => 'visa')}), 'not_found', 'that is there');
is($payouts->error_of(qq{SELECT murallink.hold_payouts('', contract_uid => '$contract')}), 'missing_field', 'for a reason');
is($payouts->sql(q{SELECT count(*) FROM murallink.audit_event WHERE resource = 'payout_hold'}), 6, 'which is audited');

note 'a brake waits for no client';
$payouts->call('enable_payouts');
$payouts->wait_settled;
foreach my $brake (
	[ 'a hold of the contract', "hold_payouts('audit', contract_uid => '$contract')", "release_payouts(contract_uid => '$contract')" ],
	[ 'a hold of the partner', q{hold_payouts('audit', partner => 'dash')}, q{release_payouts(partner => 'dash')} ],
	[ 'payouts turned off', 'disable_payouts()', 'enable_payouts()' ])
{
	my ($what, $pulled, $released) = @$brake;
	my $client = $payouts->session('BEGIN; ' . approving());
	my $before = $payouts->sql('SELECT max(created_at) FROM murallink.payout');
	my $seconds = $payouts->sql(<<"EOC");
CREATE TEMP TABLE begun AS SELECT clock_timestamp() AS at; SELECT murallink.$pulled; SELECT extract(epoch FROM clock_timestamp() - at) FROM begun
EOC
	cmp_ok((split /\n/, $seconds)[-1], '<', 5, "$what: at once, though a client has approved a payment and idles");
	print $client "COMMIT;\n";
	close $client or die "session: $!\n";
	my $payout = $payouts->sql("SELECT uid FROM murallink.payout WHERE created_at > '$before'");
	looked();
	is($payouts->loads($payout), 0, "$what: what the client had approved is not sent");
	is($payouts->sql("SELECT attempt FROM murallink.payout WHERE uid = '$payout'"), 0, "$what: nor claimed");
	$payouts->sql("SELECT murallink.$released");
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
	is($payouts->loads($payout), 1, "$what: released, it is sent once");
}
{
	my $client = $payouts->session('BEGIN; ' . approving());
	my $before = $payouts->sql('SELECT max(created_at) FROM murallink.payout');
	$payouts->stack->configure_dash({ currency => 'CAD' });
	print $client "COMMIT;\n";
	close $client or die "session: $!\n";
	my $payout = $payouts->sql("SELECT uid FROM murallink.payout WHERE created_at > '$before'");
	$payouts->wait_for("SELECT reason = 'other_currency' FROM murallink.payout WHERE uid = '$payout'");
	is($payouts->loads($payout), 0, 'a partner that is set up otherwise meanwhile is not sent what was approved before');
	$payouts->stack->configure_dash;
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
	is($payouts->loads($payout), 1, 'set up as before, it is, once');
}
{
	my $contract_held = "contract_uid => '$contract'";
	$payouts->sql("SELECT murallink.hold_payouts('audit', $contract_held)");
	my $client = $payouts->session('BEGIN; ' . approving());
	my $before = $payouts->sql('SELECT max(created_at) FROM murallink.payout');
	$payouts->sql("SELECT murallink.release_payouts($contract_held)");
	print $client "COMMIT;\n";
	close $client or die "session: $!\n";
	my $payout = $payouts->sql("SELECT uid FROM murallink.payout WHERE created_at > '$before'");
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
	is($payouts->loads($payout), 1, 'what a client approved under a hold goes on when it is released, also when the client comes later');
}

note 'attempts';
$payouts->hold(operation => 'dash.getOrderDetailsByOrderId');
$payouts->fault(when => 'before', action => 'close', count => 1);
my ($attempted) = $payouts->approve(1);
$payouts->wait_for("SELECT status = 'in_doubt' FROM murallink.payout WHERE uid = '$attempted'");
is($payouts->sql("SELECT count(*) FROM murallink.needs_person WHERE uid = '$attempted'"), 0, 'in doubt: first it is looked up');
$payouts->no_fault;
$payouts->wait_idle;
is($payouts->sql("SELECT DISTINCT operation, outcome FROM murallink.payout_attempts('$attempted') ORDER BY 1, 2"),
	"load|done\nload|in_doubt\nlook_up|done", 'each call about a payout is told');
is_deeply([ logged('in doubt') ], ["dash: load of payout $attempted is in doubt: The connection ended before the answer"], 'in the log, too');

note 'a partner that fails is left alone, but for a call now and then';
$payouts->stack->configure_dash({ look_up => JSON::PP::false, concurrency => 4 });
$payouts->fault(when => 'before', action => 'answer', status => 500, body => '{"status": "failure", "message": "Pat has no account"}');
my $requests = requests();
my @failing = $payouts->approve(200);
$payouts->wait_for(q{SELECT failures > 4 AND resume_at > now() AND breaker = 'open' FROM murallink.worker_status()});
cmp_ok(requests() - $requests, '<', 20, 'few calls are made');
like($payouts->sql('SELECT last_error FROM murallink.worker_status()'), qr/^dash: HTTP 500: Pat/, 'the status says why');
is_deeply([ logged('fails') ], ['dash fails: HTTP 500'], 'the log, too, but nothing that the partner says of a person');
$payouts->no_fault;
$payouts->wait_settled;
is($payouts->sql('SELECT failures, resume_at IS NULL, breaker FROM murallink.worker_status()'), '0|t|closed', 'it is called again when it works');
is_deeply([ logged('works') ], ['dash works again'], 'the log says so');
my $doubtful = $payouts->count('in_doubt');
# One a minute is named, and the first was above.
cmp_ok(scalar(() = logged('in doubt')), '<', $doubtful, 'and does not name each that is in doubt');
is($payouts->sql(q{SELECT count(*) FROM murallink.needs_person WHERE remedy = 'resolve_payout'}), $doubtful, 'a person decides the rest');
is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# A payout that is ready while payouts are off.
sub by_hand
{
	$payouts->call('disable_payouts');
	return $payouts->approve(1);
}

# Statements that make a payment and approve it.
sub approving
{
	return <<'EOC';
CREATE TEMP TABLE own AS SELECT murallink.gen_ksuid() AS uid;
INSERT INTO murallink_private.payment (uid, enrollment_uid, payment_type, amount, currency)
SELECT own.uid, (SELECT max(e.uid) FROM murallink.enrollment e), 'manual', 7, 'USD' FROM own;
UPDATE murallink_private.payment SET status = 'approved' WHERE uid = (SELECT uid FROM own);
SELECT murallink_private.payout_begin(uid) FROM own
EOC
}

sub hold
{
	my ($function, $what, $which, @more) = @_;
	return $payouts->sql("SELECT murallink.$function(" . join(', ', "$what => '$which'", @more) . ')');
}

# Waits until the worker has looked for work a few times.
sub looked
{
	foreach my $look (1 .. 3)
	{
		my $now = $payouts->sql('SELECT clock_timestamp()');
		$payouts->wait_for("SELECT heartbeat_at > '$now' FROM murallink_private.worker_slot(NULL)");
	}
	return;
}

# What the worker has logged with these words, without what it begins with: the database.
sub logged
{
	my ($words) = @_;
	return map { /LOG:  murallink worker for murallink: (.*$words.*)$/ } $payouts->stack->log_of('postgresql');
}

sub requests { return $payouts->stack->client->sandbox('requests')->[-1]{number} }
