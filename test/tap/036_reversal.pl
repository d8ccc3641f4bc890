# Payments that are taken back in parts by the people who pay, with the worker and the sandbox, whose ledger is the judge: each
# part is unloaded once, whatever answer is lost and wherever the worker ends, and parts of one amount are told apart.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(
	conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n", settings => { settling => 1 });
my %after = (when => 'after', action => 'close', count => 1);
my %before = (when => 'before', action => 'close', count => 1);
$payouts->become_payer;

note 'a part, the same part again, and the rest';
my $payment = paid();
my $part = back($payment, '0.30', 'too much');
is(state($payment), 'paid 0.71 0.30 returned', 'a part comes back, and the rest stays paid');
is(back($payment, '0.30', 'too much'), $part, 'asked twice, the first answers');
is(unloaded($part), '0.30', 'and it was unloaded once');
my $same = back($payment, '0.30', 'still too much');
is(state($payment), 'paid 0.41 0.30 returned, 0.30 returned', 'another part of the same amount');
is(unloaded($same), '0.30', 'has a reference of its own');
my $rest = back($payment, undef, 'all of it');
is(state($payment), 'reversed 0.00 0.30 returned, 0.30 returned, 0.41 returned', 'with the rest all is back');
is(unloaded($rest), '0.41', 'which was unloaded, too');
is($payouts->sql("SELECT count(*) FROM murallink.fund_entry e JOIN murallink.partner_tasks(operation => 'unload') t ON t.uid = e.source_uid WHERE e.movement = 'return'"),
	3, 'the funds came back by three entries');
is_deeply([ $payouts->wrong ], [], 'the books agree');

note 'in doubt: an unload of the same amount on that card is not taken for it, as long as it has a reference';
$payment = paid();
$part = back($payment, '0.20', 'one');
$payouts->fault(operation => 'dash.unloadCards', %before);
$same = back($payment, '0.20', 'two');
is(state($payment), 'paid 0.81 0.20 returned, 0.20 owed_back', 'one that never arrived is not the other');
is(unloaded($same), '', 'nothing was unloaded for it');
$payouts->call(reverse_payment => $payment, 'ask again');
$payouts->wait_idle;
is(state($payment), 'paid 0.61 0.20 returned, 0.20 returned', 'asked again by an operator it comes');
$payouts->fault(operation => 'dash.unloadCards', %after);
my $third = back($payment, '0.20', 'three');
is(state($payment), 'paid 0.41 0.20 returned, 0.20 returned, 0.20 returned', 'one whose answer was lost is found by its reference');
is(unloaded($third), '0.20', 'it was unloaded once');
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'anonymous' });
$payouts->fault(operation => 'dash.unloadCards', %before);
my $fourth = back($payment, '0.20', 'four');
is(state($payment), 'paid 0.41 0.20 returned, 0.20 returned, 0.20 returned, 0.20 unloading', 'where the issuer shows no references, nothing is guessed');
is($payouts->refusal(request_reversal => $payment, '0.05', 'other', 'five'), 'already_exists', 'no other part of it is asked back meanwhile');
is($payouts->sql("SELECT concat_ws(' ', kind, remedy, amount::numeric(16, 2)) FROM murallink.needs_person"), 'task resolve_task 0.20', 'and a person decides');
$payouts->call(resolve_task => $payouts->sql("SELECT uid FROM murallink.partner_tasks(operation => 'unload', status => 'in_doubt')"), 'false', 'Dash has none');
is(state($payment), 'paid 0.41 0.20 returned, 0.20 returned, 0.20 returned, 0.20 owed_back', 'it is owed back then');
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'reference' });
$payouts->call(reverse_payment => $payment, 'ask again');
$payouts->wait_idle;
is_deeply([ $payouts->wrong ], [], 'the books agree');

note 'the worker ends; a login is its first call';
foreach my $case (
	[ 'claim_committed:1' ], [ 'call_sent:2' ], [ 'call_answered:2' ], [ 'settling:1' ], [ 'settled:1' ], [ 'settle_committed:1' ],
	map { [ $_, 1 ] } 'claim_committed:2', 'settling:2', 'settle_committed:2')
{
	my ($point, $lost) = @$case;
	$payment = paid();
	back($payment, '0.10', 'before');
	$payouts->fault(operation => 'dash.unloadCards', %after) if $lost;
	$part = $payouts->crash_at($point, sub {
		$payouts->sql("SELECT uid FROM murallink.request_reversal('$payment', 0.10, 'other', 'in parts')") });
	my $unloaded = unloaded($part);
	is(state($payment), 'paid ' . ($unloaded ? '0.81 0.10 returned, 0.10 returned' : '0.91 0.10 returned, 0.10 owed_back'), "$point: as the ledger has it");
	next if $unloaded;
	$payouts->call(reverse_payment => $payment, 'ask again');
	$payouts->wait_idle;
	is(state($payment) . ' ' . unloaded($part), 'paid 0.81 0.10 returned, 0.10 returned 0.10', "$point: asked again it comes once");
}
is_deeply([ $payouts->wrong ], [], 'the books agree');

note 'the time in which nobody else is asked is a setting';
$payment = paid();
$payouts->set('murallink.void_window' => '0');
$payouts->wait_for("SELECT current_setting('murallink.void_window') = '0'");
back($payment, '0.10', 'late');
is(state($payment), 'paid 1.01 0.10 requested', 'after it an operator decides');
$payouts->set('murallink.void_window' => '1h');
$payouts->wait_for("SELECT current_setting('murallink.void_window') = '1h'");
$payouts->call(decide_reversal => $payouts->sql("SELECT uid FROM murallink.needs_person WHERE kind = 'reversal'"), 'true', 'they are right');
$payouts->wait_idle;
is(state($payment), 'paid 0.91 0.10 returned', 'and what they accept is done');
back($payment, '0.10', 'in time');
is(state($payment), 'paid 0.81 0.10 returned, 0.10 returned', 'within it nobody is asked');
is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# A payment of 1.01 to a new patient that is paid.
sub paid
{
	$payouts->patients(1);
	my ($payout) = $payouts->approve(1);
	$payouts->wait_idle;
	return $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$payout'");
}

# Asks an amount of a payment back, all that is left without one; the reversal, once there is nothing left to do.
sub back
{
	my ($payment, $amount, $note) = @_;
	$amount //= 'NULL';
	my $reversal = $payouts->sql("SELECT uid FROM murallink.request_reversal('$payment', $amount, 'other', '$note')");
	$payouts->wait_idle;
	return $reversal;
}

# The status of a payment, what is left of it, and its reversals.
sub state
{
	my ($payment) = @_;
	return $payouts->sql(<<"EOC");
SELECT concat_ws(' ', p.status, p.net_amount::numeric(16, 2), string_agg(concat_ws(' ', r.amount::numeric(16, 2), r.status), ', ' ORDER BY r.created_at))
FROM murallink.payment p LEFT JOIN murallink.reversal r ON r.payment_uid = p.uid WHERE p.uid = '$payment' GROUP BY p.status, p.net_amount
EOC
}

# What the sandbox has unloaded for a reversal: the amounts.
sub unloaded { my ($reversal) = @_; return join ' ', map { $_->{amount} } $payouts->entries('unload', referenceId => $reversal) }
