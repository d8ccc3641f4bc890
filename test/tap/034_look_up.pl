# What is in doubt is looked up at the issuer: what it shows is paid, what it surely does not show is sent again
# under the same reference, and what it leaves open waits for a person.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

use constant SETTLING => 1.5;

my $payouts = Murallink::Payouts->new(settings => { settling => SETTLING });
my %after = (when => 'after', action => 'close', count => 1);
my %before = (when => 'before', action => 'close', count => 1);

my @readings = (
	[ 'without references', { 'dash.reference' => 'refused' }, { send_reference => JSON::PP::false } ],
	[ 'by reference', {}, {} ],
	[ 'by card, amount and time', { 'dash.details_loads' => 'anonymous' }, {} ],
	[ 'in another shape', { 'dash.answer' => 'nested', 'dash.numbers' => 'number' }, {} ],
	[ 'session in the query', { 'dash.session' => 'query' }, { session_in => 'query' } ],
	[ 'session in the body', { 'dash.session' => 'body' }, { session_in => 'body' } ],
);
my $initial = $payouts->stack->client->sandbox('settings');
my $customer = 20000;
foreach my $reading (@readings)
{
	my ($name, $theirs, $ours) = @$reading;
	$payouts->sandbox('POST', 'settings', { %$theirs, 'dash.customer_id' => ++$customer });
	$payouts->stack->configure_dash({ %$ours, customer_id => $customer });
	$payouts->patients(1);
	$payouts->approve(1);
	$payouts->wait_settled;
	my $loads = summary();
	my $applied = $payouts->doubtful(%after);
	$payouts->wait_idle;
	is($payouts->state_of($applied), 'done paid', "$name: what the issuer shows is paid");
	is($payouts->sql("SELECT attempt || ' ' || (reference <> '') FROM murallink.payout WHERE uid = '$applied'"),
		'1 true', "$name: and not sent again; its reference is kept");
	my $lost = $payouts->doubtful(%before);
	$payouts->wait_idle;
	is($payouts->state_of($lost), 'done paid', "$name: what it does not show is sent again");
	is($payouts->sql("SELECT attempt FROM murallink.payout WHERE uid = '$lost'"), 2, "$name: in a second attempt");
	is($payouts->sql(<<"EOC"), 't', "$name: after the settling time");
SELECT b.claimed_at - a.settled_at > interval '${\SETTLING} s'
FROM murallink.payout_attempts('$lost') a JOIN murallink.payout_attempts('$lost') b USING (operation)
WHERE operation = 'load' AND (a.attempt, b.attempt) = (1, 2)
EOC
	is(summary() - $loads, 2, "$name: each was loaded once");
	$payouts->sandbox('POST', 'settings', $initial);
}
$payouts->stack->configure_dash;
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');

note 'signed out, or too many calls: looked up before it is sent again, and without the settling time';
$payouts->stack->configure_dash({ settling => 900 });
foreach my $status (401, 429)
{
	foreach my $when (qw(before after))
	{
		my $payout = $payouts->doubtful(when => $when, action => 'answer', status => $status, count => 1);
		$payouts->wait_idle;
		is($payouts->state_of($payout) . ' ' . $payouts->loads($payout), 'done paid 1', "$status $when: loaded once");
		is($payouts->sql("SELECT attempt FROM murallink.payout WHERE uid = '$payout'"), $when eq 'before' ? 2 : 1,
			"$status $when: sent again only if need be");
	}
}
my @refused = (operation => 'dash.getOrderDetailsByOrderId', when => 'before', action => 'answer', status => 400);
$payouts->fault(@refused, count => 1);
my $unseen = $payouts->doubtful(when => 'after', action => 'answer', status => 429, count => 1);
$payouts->wait_idle;
is($payouts->state_of($unseen) . ' ' . $payouts->loads($unseen), 'done paid 1', 'a look-up that is refused once proves nothing');
$payouts->fault(@refused);
$unseen = $payouts->doubtful(when => 'after', action => 'answer', status => 401, count => 1);
$payouts->wait_idle;
like($payouts->state_of($unseen) . ' ' . $payouts->loads($unseen), qr/^in_doubt .*; looked up: declined: HTTP 400.* 1$/, 'nor always: a person decides');
$payouts->no_fault;
$payouts->call(resolve_payout => $unseen, 'paid', 'the issuer says so');
$payouts->sandbox('POST', 'settings', { 'dash.details_loads' => 'none', 'dash.customer_id' => 30000 });
$payouts->stack->configure_dash({ settling => 900, customer_id => 30000 });
my $unlisted = $payouts->doubtful(when => 'before', action => 'answer', status => 401, count => 1);
$payouts->wait_idle;
is($payouts->state_of($unlisted) . ' ' . $payouts->loads($unlisted), 'done paid 1', 'where no loads have ever been listed its word counts');
$payouts->sandbox('POST', 'settings', $initial);
$payouts->stack->configure_dash;

note 'the answer to a look-up is lost, and it is asked again';
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', count => 1, when => 'after', action => $_) foreach qw(close malformed);
my $asked = $payouts->doubtful(%after);
$payouts->wait_idle;
is($payouts->state_of($asked), 'done paid', 'until it is answered');
$payouts->no_fault;

note 'a load that arrives after its time-out';
$payouts->stack->configure_dash({ timeout => 2, settling => 20 });
$payouts->hold(count => 1);
my ($late) = $payouts->approve(1);
$payouts->wait_for("SELECT count(*) > 0 FROM murallink.payout_attempts('$late') WHERE operation = 'look_up' AND outcome = 'done'");
$payouts->no_fault;
$payouts->wait_idle;
is($payouts->state_of($late), 'done paid', 'is seen in a later look');
is($payouts->loads($late), 1, 'and loaded once');
$payouts->stack->configure_dash;

note 'what the issuer leaves open waits for a person';
my @open = (
	[ 'no loads are listed', { 'dash.details_loads' => 'none' }, %after ],
	[ 'look-ups are refused', { 'dash.details_by' => 'card' }, %after ],
);
foreach my $open (@open)
{
	my ($name, $theirs, %fault) = @$open;
	$payouts->sandbox('POST', 'settings', $theirs);
	my $payout = $payouts->doubtful(%fault);
	$payouts->wait_idle;
	like($payouts->state_of($payout), qr/^in_doubt in_doubt/, "$name: left in doubt");
	$payouts->sandbox('POST', 'settings', $initial);
	$payouts->call(resolve_payout => $payout, 'paid', 'the issuer says so');
	is($payouts->loads($payout), 1, "$name: loaded once");
}
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'before', action => 'answer', status => 500);
my $unanswered = $payouts->doubtful(%after);
# As if it had been asked eight times, which no statement may say.
$payouts->wait_for(<<"EOC");
SET session_replication_role = replica;
WITH asked AS (
    UPDATE murallink_private.call SET attempt = 8, claimed_at = now(), settled_at = now(), outcome = 'in_doubt', content_hash = '',
        revision = 1
    WHERE subject_uid = '$unanswered' AND operation = 'look_up' AND status = 'ready' RETURNING uid)
SELECT count(*) = 1 FROM asked
EOC
my $told = "SELECT concat_ws(' ', t.attempt, count(n.uid)) FROM murallink_private.call t LEFT JOIN murallink.needs_person n ON n.uid = t.subject_uid"
  . " WHERE t.subject_uid = '$unanswered' AND t.operation = 'look_up' AND t.status = 'ready' AND t.reason <> '' GROUP BY t.attempt";
foreach my $look ('9 0', '10 1')
{
	$payouts->wait_for("SELECT ($told) = '$look'");
	$payouts->no_fault if $look eq '10 1'; # the eleventh is answered
	$payouts->sql("UPDATE murallink_private.call SET due_at = clock_timestamp() WHERE status = 'ready'");
}
pass('look-ups that are not answered: a person is told after the tenth');
$payouts->wait_idle;
is($payouts->state_of($unanswered), 'done paid', 'and need not do anything when they are');
my $pending = $payouts->doubtful(%before);
my ($card) = reverse map { $_->{proxyKey} } grep { $_->{ledger} eq 'order' } $payouts->ledger;
my ($amount) = $payouts->sql("SELECT amount::numeric(16, 2) FROM murallink.payout WHERE uid = '$pending'");
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'before', action => 'answer', body => encode_json({
	status => 'success', proxyKey => $card, loads => [ { referenceId => $pending, amount => $amount, status => 'Pending' } ] }));
$payouts->wait_idle;
like($payouts->state_of($pending), qr/^in_doubt in_doubt/, 'a load with a status that is not known: left in doubt');
$payouts->no_fault;
$payouts->call(resolve_payout => $pending, 'not_paid', 'the issuer says so');
$payouts->wait_idle;
$payouts->sandbox('POST', 'settings', { 'dash.details_loads' => 'anonymous' });
$payouts->fault(%after);
$payouts->fault(%before);
my @alike = ($payouts->approve(1), $payouts->approve(1));
$payouts->wait_idle;
like($payouts->state_of($_), qr/^in_doubt in_doubt/, 'two alike, of which one was loaded: left in doubt') foreach @alike;
$payouts->sandbox('POST', 'settings', $initial);
$payouts->call(resolve_payout => $_, $payouts->loads($_) ? 'paid' : 'not_paid', 'the issuer says so') foreach @alike;
$payouts->wait_idle;
is_deeply([ map { $payouts->state_of($_) . ' ' . $payouts->loads($_) } @alike ], [ ('done paid 1') x 2 ], 'a person decides');

note 'the card is loaded with another payout while the last look-up is under way';
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'after', action => 'delay', delay_ms => 5000);
my $lost = $payouts->doubtful(%before);
$payouts->wait_for(<<"EOC");
SELECT bool_or(t.status = 'claimed' AND t.claimed_at > o.settled_at + interval '${\SETTLING} s')
FROM murallink.payout o JOIN murallink_private.call t ON t.subject_uid = o.uid AND t.operation = 'look_up' WHERE o.uid = '$lost'
EOC
my ($other) = $payouts->approve(1);
$payouts->wait_loaded($other);
$payouts->no_fault;
$payouts->wait_idle;
is_deeply([ map { $payouts->state_of($_) . ' ' . $payouts->loads($_) } $lost, $other ], [ ('done paid 1') x 2 ],
	'whose answer cannot show it, and is understood');

note 'a person decides while a look-up is under way';
$payouts->hold(operation => 'dash.getOrderDetailsByOrderId', when => 'after', count => 1);
my $decided = $payouts->doubtful(%after);
$payouts->wait_for(<<"EOC");
SELECT status = 'claimed' FROM murallink_private.call WHERE subject_uid = '$decided' AND operation = 'look_up'
EOC
$payouts->call(resolve_payout => $decided, 'cancelled', 'taken back at the issuer');
$payouts->no_fault;
$payouts->wait_idle;
like($payouts->state_of($decided), qr/^cancelled cancelled/, 'whose answer changes nothing then');

note 'payers who keep the funds hold up no answer';
my $held = $payouts->doubtful(%after);
my $session = $payouts->session('BEGIN; SELECT murallink_private.fund_hold(contract_uid, slot) FROM murallink.fund_slot');
$payouts->wait_idle;
is($payouts->state_of($held), 'done paid', 'it is paid');
close $session;
done_testing();

sub summary { return $payouts->stack->client->sandbox('summary')->{loads} }
