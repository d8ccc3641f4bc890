# A payment to the wrong patient, found before it is approved, before it is sent, and after the card is loaded: the right patient is
# paid once, at the original price, and the sandbox's ledger shows who has the money.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 1 });
$payouts->become_payer;
$payouts->sql(<<'EOC');
CREATE TABLE public.week AS SELECT m.uid FROM public.place p, murallink.add_milestone('Week 1', 10, 'USD', p.trial_uid, p.site_uid) m;
EOC

note 'before it is approved, and before it is sent';
foreach my $state (qw(pending approved))
{
	my ($wrong, $right) = pair();
	my $payment = pay($wrong);
	$payouts->call('disable_payouts');
	$payouts->call(approve_payment => $payment) if $state eq 'approved';
	my $moved = move($payment, $right);
	$payouts->call('enable_payouts');
	$payouts->call(approve_payment => $moved);
	$payouts->wait_idle;
	is(shown($payment) . ', ' . shown($moved), ($state eq 'pending' ? 'rejected' : 'cancelled') . ' 10.00, paid 10.00', "$state: the wrong one is undone");
	is(money($wrong) . ' ' . money($right), '0.00 10.00', "$state: the right one has the money");
}

note 'after the card is loaded, when the price has risen';
my ($wrong, $right) = pair();
my $payment = pay($wrong);
$payouts->call(approve_payment => $payment);
$payouts->wait_idle;
is(money($wrong) . ' ' . money($right), '10.00 0.00', 'the wrong one has the money');
$payouts->sql(q{SELECT murallink.add_milestone('Week 1', 25, 'USD', p.trial_uid, p.site_uid, effective_date => now()) FROM public.place p});
$payouts->hold(operation => 'dash.unloadCards');
my $moved = move($payment, $right);
is(move($payment, $right), $moved, 'asked twice, the first answers');
$payouts->call(approve_payment => $moved);
$payouts->wait_for("SELECT status = 'paid' FROM murallink.payment WHERE uid = '$moved'");
is(money($right), '10.00', 'the right one does not wait for it to come back, and gets the original price');
is($payouts->refusal(milestone_payment => $wrong, $payouts->sql('SELECT uid FROM public.week')), 'already_paid', 'what has not come back is not paid again');
$payouts->no_fault;
$payouts->wait_idle;
is(shown($payment) . ', ' . shown($moved), 'reversed 10.00, paid 10.00', 'it comes back');
is(money($wrong) . ' ' . money($right), '0.00 10.00', 'and the money is where it belongs');
is($payouts->refusal(milestone_payment => $right, $payouts->sql('SELECT uid FROM public.week')), 'already_paid', 'the right one is paid once');
my $own = pay($wrong);
is(shown($own), 'pending 25.00', 'the milestone of the wrong one is open again, at the price of the day');
is($payouts->sql(<<"EOC"), "$moved $payment", 'each shows the other');
SELECT concat_ws(' ', (SELECT moved_to_uid FROM murallink.payment WHERE uid = '$payment'), (SELECT moved_from_uid FROM murallink.payment WHERE uid = '$moved'))
EOC
is($payouts->sql(<<"EOC"), 'wrong_patient it was another', 'the reversal says why');
SELECT concat_ws(' ', reason, note) FROM murallink.reversal WHERE payment_uid = '$payment'
EOC
is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# Two new patients.
sub pair
{
	$payouts->patients(2);
	return split /\n/, $payouts->sql('SELECT uid FROM murallink.patient ORDER BY created_at DESC, uid DESC LIMIT 2');
}

sub pay
{
	my ($patient) = @_;
	return $payouts->sql("SELECT p.uid FROM public.week w, murallink.milestone_payment('$patient', w.uid) p");
}

sub move
{
	my ($payment, $patient) = @_;
	return $payouts->sql("SELECT uid FROM murallink.move_payment('$payment', '$patient', 'it was another')");
}

sub shown
{
	my ($payment) = @_;
	return $payouts->sql("SELECT concat_ws(' ', status, amount::numeric(16, 2)) FROM murallink.payment WHERE uid = '$payment'");
}

# What is on the card of a patient, as the sandbox has it.
sub money
{
	my ($patient) = @_;
	return $payouts->cash($payouts->sql("SELECT max(proxy_key) FROM murallink_private.card WHERE patient_uid = '$patient'"));
}
