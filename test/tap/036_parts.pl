# Parts of visits and differences to raised prices, paid by the worker: each is loaded once with its own amount, whatever answer is
# lost and wherever the worker ends, is taken back or moved as it was paid, and the sandbox's ledger shows who has the money.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(
	conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n", settings => { settling => 1 });
my %after = (when => 'after', action => 'close', count => 1);
my %before = (when => 'before', action => 'close', count => 1);
$payouts->become_payer;
$payouts->sql(<<'EOC');
CREATE TABLE public.week AS SELECT m.uid FROM public.place p, murallink.add_milestone('Week 1', 75.01, 'USD', p.trial_uid, p.site_uid) m;
EOC

note 'a half, and the other half: together the price, to the cent';
my $pat = patient();
my $half = part($pat, 0.5);
is(shown($half) . ', on the card ' . money($pat), 'paid 37.51, on the card 37.51', 'a half is rounded half up');
is($payouts->refusal(milestone_payment => $pat, week()), 'already_paid', 'the rest is not paid as a visit');
my $rest = complete($half);
is(shown($rest) . ', on the card ' . money($pat), 'paid 37.50, on the card 75.01', 'but as a rest');
is($payouts->refusal(complete_payment => $half, 'again'), 'already_paid', 'once');
is($payouts->loads(payout($_)), 1, 'with one load') foreach $half, $rest;
books();

note 'answers that are lost, and calls that never arrive';
foreach my $fault (\%after, \%before)
{
	my $whom = patient();
	$payouts->fault(%$fault);
	my $part = part($whom, 0.3);
	$payouts->fault(%$fault);
	my $other = complete($part);
	is(shown($part) . ', ' . shown($other) . ', on the card ' . money($whom), 'paid 22.50, paid 52.51, on the card 75.01', "$fault->{when}: each is paid once");
}
books();

note 'the worker ends; a login is its first call';
foreach my $point ('claim_committed:1', 'call_sent:2', 'call_answered:2', 'settling:1', 'settled:1', 'settle_committed:1')
{
	my $whom = patient();
	my $part = part($whom, 0.3);
	my $other = $payouts->crash_at($point, sub {
		$payouts->sql("SELECT (murallink.approve_payment(uid)).uid FROM murallink.complete_payment('$part', 'came back')") });
	is(shown($other) . ', on the card ' . money($whom), 'paid 52.51, on the card 75.01', "$point: the rest is paid once");
}
books();

note 'a part is taken back in parts, and then the milestone is open';
$pat = patient();
$half = part($pat, 0.5);
back($half, '7.50');
is(shown($half) . ', on the card ' . money($pat), 'paid 37.51 back 7.50, on the card 30.01', 'a part of the part');
$rest = complete($half);
is(shown($rest), 'paid 37.50', 'leaves the rest as it is');
back($half);
is(shown($half) . ', on the card ' . money($pat), 'reversed 37.51 back 37.51, on the card 37.50', 'all of the part');
is($payouts->refusal(milestone_payment => $pat, week()), 'already_paid', 'the rest still counts');
back($rest);
is(money($pat), '0.00', 'with the rest nothing is on the card');
my $whole = pay($pat);
is(shown($whole) . ', on the card ' . money($pat), 'paid 75.01, on the card 75.01', 'and the visit is paid again');
books();

note 'a part that was another patient\'s';
my ($wrong, $right) = (patient(), patient());
$half = part($wrong, 0.5);
$payouts->hold(operation => 'dash.unloadCards');
my $moved = $payouts->sql("SELECT (murallink.approve_payment(uid)).uid FROM murallink.move_payment('$half', '$right', 'it was hers')");
$payouts->wait_for("SELECT status = 'paid' FROM murallink.payment WHERE uid = '$moved'");
is($payouts->refusal(complete_payment => $half, 'hers'), 'wrong_status', 'its rest is not paid to the wrong one, also before it has come back');
$payouts->no_fault;
$payouts->wait_idle;
my $hers = complete($moved);
is(shown($half) . ', ' . shown($moved) . ', ' . shown($hers), 'reversed 37.51 back 37.51, paid 37.51, paid 37.50', 'but to the right one');
is(money($wrong) . ' ' . money($right), '0.00 75.01', 'who has all of it');
books();

note 'the price is raised: the difference is paid by its part, taken back first, and not moved';
$pat = patient();
$half = part($pat, 0.5);
$payouts->sql(q{SELECT murallink.add_milestone('Week 1', 100, 'USD', p.trial_uid, p.site_uid, effective_date => now()) FROM public.place p});
$payouts->fault(%after);
my $difference = $payouts->sql(<<"EOC");
SELECT (murallink.approve_payment((l).top_up_uid)).uid FROM public.place p, murallink.top_up(p.trial_site_uid, 'Week 1', current_date - 1, 'raised') t,
    unnest(t.payments) l WHERE (l).payment_uid = '$half'
EOC
$payouts->wait_idle;
is(shown($difference) . ', on the card ' . money($pat), 'paid 12.49, on the card 50.00', 'half of the new price');
is($payouts->refusal(move_payment => $difference, $right, 'hers'), 'wrong_status', 'the difference is not moved');
is($payouts->error_of("SELECT murallink.request_reversal('$half', NULL, 'not_due', 'x')"), 'wrong_status', 'the part does not come back before it');
$payouts->fault(operation => 'dash.unloadCards', %after);
back($difference);
back($half);
is(shown($half) . ', ' . shown($difference) . ', on the card ' . money($pat),
	'reversed 37.51 back 37.51, reversed 12.49 back 12.49, on the card 0.00', 'both come back');
$whole = pay($pat);
is(shown($whole) . ', on the card ' . money($pat), 'paid 100.00, on the card 100.00', 'and the visit is paid at the new price');
books();
is($payouts->sql('SELECT count(*) FROM murallink.needs_person'), 0, 'nobody was needed');
done_testing();

sub patient
{
	$payouts->patients(1);
	return $payouts->sql('SELECT uid FROM murallink.patient ORDER BY created_at DESC LIMIT 1');
}

sub week { return $payouts->sql('SELECT uid FROM public.week') }

# Approves a payment for Week 1, of all or of a part, or for what is left of it, and waits until there is nothing left to do.
sub pay
{
	my ($patient, @part) = @_;
	my $payment = $payouts->sql(<<"EOC");
SELECT (murallink.approve_payment(p.uid)).uid FROM public.week w, murallink.milestone_payment('$patient', w.uid, 'left early'${\ join '', map { ", fraction => $_" } @part}) p
EOC
	$payouts->wait_idle;
	return $payment;
}

sub part { my ($patient, $fraction) = @_; return pay($patient, $fraction) }

sub complete
{
	my ($part) = @_;
	my $payment = $payouts->sql("SELECT (murallink.approve_payment(uid)).uid FROM murallink.complete_payment('$part', 'came back')");
	$payouts->wait_idle;
	return $payment;
}

# Takes an amount of a payment back, or all that is left of it.
sub back
{
	my ($payment, $amount) = @_;
	$amount //= 'NULL';
	$payouts->sql("SELECT murallink.request_reversal('$payment', $amount, 'not_due', 'not done')");
	return $payouts->wait_idle;
}

sub payout { my ($payment) = @_; return $payouts->sql("SELECT uid FROM murallink.payout WHERE payment_uid = '$payment'") }

sub shown
{
	my ($payment) = @_;
	return $payouts->sql(<<"EOC");
SELECT concat_ws(' ', status, amount::numeric(16, 2), 'back ' || returned::numeric(16, 2)) FROM murallink.payment WHERE uid = '$payment'
EOC
}

# What is on the card of a patient, as the sandbox has it.
sub money
{
	my ($patient) = @_;
	return $payouts->cash($payouts->sql("SELECT max(proxy_key) FROM murallink_private.card WHERE patient_uid = '$patient'"));
}

# What the issuer has loaded and not unloaded is what the funds have disbursed.
sub books
{
	is($payouts->sql('SELECT disbursed::numeric(16, 2) FROM murallink.fund_balance'), $payouts->cash, 'the funds have paid what is on the cards');
	is_deeply([ $payouts->wrong ], [], 'the books agree');
	return;
}
