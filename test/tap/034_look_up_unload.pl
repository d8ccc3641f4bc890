# Unloads in doubt are looked up: our reference proves one, silence, an empty list and the same amount prove nothing, and
# the worker may end at any point of it. The truth is the sandbox's ledger.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(
	conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n", settings => { settling => 1 });
my %after = (when => 'after', action => 'close', count => 1);
my %before = (when => 'before', action => 'close', count => 1);
my $customer = 20000;

note 'an issuer that has never shown an unload of ours';
foreach my $case (
	[ none => \%after, 'no unloads of the card are listed' ],
	[ empty => \%after, 'no look-up of this issuer has ever shown' ],
	[ reference => \%before, 'no look-up of this issuer has ever shown' ],
	[ anonymous => \%after, 'there is an unload that may be it, without our reference' ])
{
	my ($list, $fault, $why) = @$case;
	my $payout = doubt({ 'dash.details_unloads' => $list }, %$fault);
	is($payouts->state_of($payout), 'done paid', "$list: proves nothing");
	like(asked($payout), qr/^in_doubt of unload: .*; looked up: .*\Q$why\E.* resolve_task$/, "$list: a person is told why");
	is(unloads($payout), $fault == \%after ? 1 : 0, "$list: and it is not sent again");
	my ($task) = task($payout);
	$payouts->call(resolve_task => $task, $fault == \%after ? 'true' : 'false', 'the issuer says so');
	is($payouts->state_of($payout), 'done ' . ($fault == \%after ? 'reversed' : 'paid'), "$list: and decides");
}

note 'signed out by an issuer that shows no unloads: its word counts, until it refuses what is sent again';
my $silent = doubt({ 'dash.details_unloads' => 'none' }, when => 'before', action => 'answer', status => 401, body => '{"message":"not now"}', count => 1);
is($payouts->state_of($silent) . ' ' . unloads($silent), 'done reversed 1', 'sent again');
$silent = doubt(undef, when => 'after', action => 'answer', status => 401, body => '{"message":"not now"}', count => 1);
is($payouts->state_of($silent) . ' ' . unloads($silent), 'done paid 1', 'refused then, because the money is gone');
like(asked($silent), qr/^in_doubt of unload: HTTP 400: .*; looked up: no unloads of the card are listed resolve_task$/, 'so a person decides');
$payouts->call(resolve_task => task($silent), 'true', 'the issuer says so');

note 'an issuer that shows ours';
my $first = doubt({}, %after);
is($payouts->state_of($first), 'done reversed', 'our reference proves it');
is(asked($first), '', 'and nobody is asked');
is(unloads($first), 1, 'it is there once');
is($payouts->sql("SELECT string_agg(operation, ' ' ORDER BY claimed_at) FROM murallink.payout_attempts('$first')"),
	'load unload look_up', 'the look-up is shown with the payout');
my $second = doubt(undef, %before);
is($payouts->state_of($second), 'done paid', 'one that is not listed then');
like(asked($second), qr/^owed_back: .*not among the unloads of the card reverse_payment or write_off or resolve_task$/, 'was not made: a person is told');
is(unloads($second), 0, 'it is not sent again by itself');
reverse_it($second);
is($payouts->state_of($second) . ' ' . unloads($second), 'done reversed 1', 'but when it is asked for again');

note 'another one of the same amount on that card';
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'anonymous' });
my $patient = $payouts->sql("SELECT patient_uid FROM murallink.payout WHERE uid = '$first'");
my ($third) = $payouts->approve(1, $patient);
$payouts->wait_idle;
$payouts->fault(operation => 'dash.unloadCards', %before);
reverse_it($third);
is($payouts->state_of($third), 'done paid', 'is not taken for it');
like(asked($third), qr/that may be it, without our reference resolve_task$/, 'a person decides');
$payouts->call(resolve_task => task($third), 'false', 'the issuer says so');

note 'what was left on that card has been moved to the one that replaced it: another unload of the same amount, with its own reference';
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'reference' });
my $moved = paid();
$patient = $payouts->sql("SELECT patient_uid FROM murallink.payout WHERE uid = '$moved'");
$payouts->approve(1, $patient);
$payouts->wait_idle;
$payouts->fault(operation => 'dash.unloadCards', %before);
$payouts->call(reverse_payment => $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$moved'"), 'in error');
$payouts->wait_for("SELECT count(*) > 0 FROM murallink_private.call WHERE subject_uid = '$moved' AND status = 'in_doubt'");
$payouts->call(replace_card => $patient, 'lost', 'a');
$payouts->wait_for("SELECT count(*) = 2 FROM murallink_private.card WHERE patient_uid = '$patient' AND status = 'done'");
$payouts->call(move_balance => $payouts->sql("SELECT card_uid FROM murallink_private.payout WHERE uid = '$moved'"), '1.01', 'hers');
$payouts->wait_idle;
like(asked($moved), qr/^owed_back: .*not among the unloads of the card reverse_payment or write_off or resolve_task$/, 'is not taken for it');
reverse_it($moved);
is($payouts->state_of($moved) . ' ' . unloads($moved), 'done reversed 1', 'and it is taken off the new card');

note 'the card was replaced, and what was on it was not moved';
my $left = paid();
$payouts->fault(operation => 'dash.unloadCards', %before);
reverse_it($left);
$payouts->call(replace_card => $payouts->sql("SELECT patient_uid FROM murallink.payout WHERE uid = '$left'"), 'lost', 'a');
$payouts->wait_idle;
reverse_it($left);
like(asked($left), qr/^owed_back: HTTP 400: .* reverse_payment or write_off or resolve_task$/, 'the new card has not got it');
reverse_it($left);
is($payouts->state_of($left) . ' ' . unloads($left), 'done reversed 1', 'asked again, it is taken off the old one');
my ($onward) = $payouts->approve(1, $payouts->sql("SELECT patient_uid FROM murallink.payout WHERE uid = '$left'"));
$payouts->wait_idle;
$payouts->fault(operation => 'dash.unloadCards', %before);
reverse_it($onward);
like(asked($onward), qr/^owed_back: .*not among the unloads of the card reverse_payment or write_off or resolve_task$/,
	'which is not expected in the list of the new one');
reverse_it($onward);
is($payouts->state_of($onward) . ' ' . unloads($onward), 'done reversed 1', 'and what was paid since is taken off the new one');

note 'a look-up that is refused';
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'reference' });
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'before', action => 'answer', status => 400, count => 1);
my $fourth = doubt(undef, %after);
is($payouts->state_of($fourth) . ' ' . unloads($fourth), 'done reversed 1', 'is repeated');

note 'signed out, or too many calls, after it was taken back, and before';
foreach my $status (401, 429)
{
	my %refusal = (action => 'answer', status => $status, body => '{"message":"not now"}', count => 1);
	foreach my $when (qw(after before))
	{
		$payouts->patients(1);
		my $other = $payouts->sql('SELECT max(uid) FROM murallink.patient');
		my ($payout) = $payouts->approve(2, $other); # the other one's money is on that card, too
		$payouts->wait_idle;
		$payouts->fault(operation => 'dash.unloadCards', when => $when, %refusal);
		reverse_it($payout);
		is($payouts->state_of($payout) . ' ' . unloads($payout), 'done reversed 1', "$status, $when: it is taken back once");
		is($payouts->sql("SELECT string_agg(operation || ' ' || outcome, ', ' ORDER BY claimed_at) FROM murallink.payout_attempts('$payout')"),
			'load done, unload not_sent, look_up done' . ($when eq 'before' ? ', unload done' : ''), "$status, $when: and looked up before it is sent again");
	}
}

note 'the worker ends; a login is its first call';
foreach my $case (
	[ 'claim_committed:1' ], [ 'call_begun:2' ], [ 'call_sent:2' ], [ 'call_answered:2' ], [ 'settling:1' ], [ 'settled:1' ], [ 'settle_committed:1' ],
	map { [ $_, 1 ] } 'claim_committed:2', 'call_sent:3', 'call_answered:3', 'settling:2', 'settled:2', 'settle_committed:2')
{
	my ($point, $lost) = @$case;
	my $payout = paid();
	$payouts->fault(operation => 'dash.unloadCards', %after) if $lost;
	$payouts->crash_at($point, sub {
		$payouts->call(reverse_payment => $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$payout'"), 'in error') });
	my $unloads = unloads($payout);
	is($payouts->state_of($payout) . ' ' . asked($payout) =~ s/:.*//sr,
		$unloads ? 'done reversed ' : 'done paid owed_back', "$point: known to be unloaded " . ($unloads ? 'once' : 'never'));
	cmp_ok($unloads, '<', 2, "$point: not twice");
	next if $unloads;
	reverse_it($payout);
	is($payouts->state_of($payout) . ' ' . unloads($payout), 'done reversed 1', "$point: asked for again it is");
}
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
done_testing();

# A payout of a new patient that is paid, at an issuer of such readings, where they are given, who has shown nothing so far.
sub paid
{
	my ($theirs) = @_;
	if ($theirs)
	{
		$customer++;
		$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'reference', 'dash.customer_id' => $customer, %$theirs });
		$payouts->stack->configure_dash({ customer_id => $customer });
	}
	$payouts->patients(1);
	my ($payout) = $payouts->approve(1);
	$payouts->wait_idle;
	return $payout;
}

# Such a payout, whose unload was in doubt after that fault, once there is nothing left to do about it.
sub doubt
{
	my ($theirs, %fault) = @_;
	my $payout = paid($theirs);
	$payouts->fault(operation => 'dash.unloadCards', %fault);
	reverse_it($payout);
	return $payout;
}

sub reverse_it
{
	my ($payout) = @_;
	$payouts->call(reverse_payment => $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$payout'"), 'in error');
	return $payouts->wait_idle;
}

# How often the sandbox has taken a payout back.
sub unloads { my ($payout) = @_; return scalar(my @unloads = $payouts->unloads($payout)) }

# What a person is asked about a payout.
sub asked
{
	my ($payout) = @_;
	return $payouts->sql(qq{SELECT concat_ws(' ', n.why, n.remedy) FROM murallink.needs_person n
		WHERE n.uid IN (SELECT t.uid FROM murallink.partner_tasks(subject_uid => '$payout') t
			UNION ALL SELECT r.uid FROM murallink.reversal r JOIN murallink.payout o USING (payment_uid) WHERE o.uid = '$payout')});
}

# The unload of a payout that is in doubt.
sub task { my ($payout) = @_; return $payouts->sql("SELECT uid FROM murallink.partner_tasks(subject_uid => '$payout', status => 'in_doubt')") }
