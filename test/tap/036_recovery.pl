# What the issuer declines to take back is recovered from later payments: the card is loaded with the rest, whatever answer is
# lost and wherever the worker ends, and murallink's books are what the sandbox's ledger adds up to.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(
	conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n", settings => { settling => 1 });
my %after = (when => 'after', action => 'close', count => 1);
my %before = (when => 'before', action => 'close', count => 1);
my %declined = (when => 'before', action => 'answer', status => 400, count => 1);
$payouts->become_payer;
$payouts->sql(<<'EOC');
SELECT murallink.set_recovery(contract_uid, 50, 'the board allows half') FROM public.place;
EOC

note 'a wrong payment of 100, of which the issuer gives nothing back';
my ($patient, $wrong, $debt) = owing();
is(debt($debt), 'recovering 0.00 back 0.00 kept', 'is owed');
my $first = pay($patient, 100);
is(shown($first), 'paid 100.00 recovered 50.00', 'the next payment is paid');
is($payouts->loads(payout($first)), 1, 'with one load');
is(loaded($first), '50.00', 'of the half');
is(debt($debt), 'recovering 50.00 back 0.00 kept', 'the other half is back');
is(pay_travel($patient, 40), '40.00', 'travel expenses are paid whole');
books();

note 'a load that is declined keeps nothing; the next attempt does';
$payouts->fault(%declined);
my $second = pay($patient, 60);
is(shown($second), 'failed 60.00', 'declined');
is(debt($debt), 'recovering 50.00 back 0.00 kept', 'it is owed as before');
$payouts->call(retry_payout => payout($second), 'it is open again');
$payouts->wait_idle;
is(shown($second) . ' ' . loaded($second), 'paid 60.00 recovered 30.00 30.00', 'tried again, the card is loaded with the rest');
books();

note 'in doubt: what is kept stays kept, and the same amount is looked up and sent again';
$payouts->fault(%before);
my $third = pay($patient, 20);
is(shown($third) . ' ' . loaded($third), 'paid 20.00 recovered 10.00 10.00', 'one that never arrived was sent again');
$payouts->fault(%after);
my $fourth = pay($patient, 100);
is(shown($fourth) . ' ' . loaded($fourth), 'paid 100.00 recovered 10.00 90.00', 'one whose answer was lost was found, with what was left to recover');
is(debt($debt), 'returned 100.00 back 0.00 kept', 'all is back');
is(shown($wrong), 'reversed 100.00', 'so the wrong payment is reversed');
books();

note 'a payment of which a part was kept is taken back: the card gives what it got';
my ($other, undef, $other_debt) = owing();
my $kept = pay($other, 100);
my $back = $payouts->sql("SELECT uid FROM murallink.request_reversal('$kept', NULL, 'not_due', 'nor this')");
$payouts->wait_idle;
is(join(' ', map { $_->{amount} } $payouts->entries('unload', referenceId => $back)), '50.00', 'not more');
is(debt($back), 'owed_back 50.00 back 0.00 kept', 'the rest is owed');
is($payouts->sql("SELECT remedy FROM murallink.needs_person WHERE uid = '$back'"), 'recover or write_off', 'a person is told');
books();
$payouts->call(write_off => $back, 'let it be');
is($payouts->sql('SELECT count(*) FROM murallink.needs_person'), 0, 'and ends it');
books();

note 'the worker ends while the rest is loaded; a login is its first call';
foreach my $case (
	[ 'claim_committed:1' ], [ 'call_sent:2' ], [ 'call_answered:2' ], [ 'settling:1' ], [ 'settled:1' ], [ 'settle_committed:1' ],
	map { [ $_, 1 ] } 'claim_committed:2', 'settling:2', 'settle_committed:2')
{
	my ($point, $lost) = @$case;
	my ($whom, undef, $owed) = owing();
	$payouts->fault(%after) if $lost;
	my $payment = $payouts->crash_at($point, sub {
		my $made = approve($whom, 100);
		is(debt($owed), 'recovering 0.00 back 50.00 kept', "$point: kept from the approval on");
		return $made;
	});
	is(shown($payment) . ' ' . loaded($payment), 'paid 100.00 recovered 50.00 50.00', "$point: loaded once with the rest");
	is(debt($owed), 'recovering 50.00 back 0.00 kept', "$point: and recovered once");
}
books();
done_testing();

# A new patient with a payment of 100 that is taken back, which the issuer declines; and the reversal, which is recovered.
sub owing
{
	$payouts->patients(1);
	my $patient = $payouts->sql('SELECT max(uid) FROM murallink.patient');
	my $payment = pay($patient, 100);
	$payouts->fault(operation => 'dash.unloadCards', %declined);
	my $reversal = $payouts->sql("SELECT uid FROM murallink.request_reversal('$payment', NULL, 'not_due', 'not done')");
	$payouts->wait_idle;
	$payouts->call(recover => $reversal, 'half of each visit');
	return ($patient, $payment, $reversal);
}

# Approves a payment to a patient; pay() waits until there is nothing left to do.
sub approve
{
	my ($patient, $amount, $kind) = @_;
	my $pay = 'murallink.' . ($kind // 'manual') . '_payment';
	return $payouts->sql("SELECT (murallink.approve_payment(($pay('$patient', trial_uid, $amount)).uid)).uid FROM public.place");
}

sub pay { my $payment = approve(@_); $payouts->wait_idle; return $payment }
sub pay_travel { my ($patient, $amount) = @_; my $payment = approve($patient, $amount, 'travel'); $payouts->wait_idle; return loaded($payment) }

sub payout { my ($payment) = @_; return $payouts->sql("SELECT uid FROM murallink.payout WHERE payment_uid = '$payment'") }
sub loaded { my ($payment) = @_; return join ' ', map { $_->{amount} } $payouts->entries('load', referenceId => payout($payment)) }

sub shown
{
	my ($payment) = @_;
	return $payouts->sql(<<"EOC");
SELECT concat_ws(' ', status, amount::numeric(16, 2), 'recovered ' || recovered::numeric(16, 2)) FROM murallink.payment WHERE uid = '$payment'
EOC
}

sub debt
{
	my ($reversal) = @_;
	return $payouts->sql(<<"EOC");
SELECT concat_ws(' ', status, returned::numeric(16, 2), 'back', kept::numeric(16, 2), 'kept') FROM murallink.reversal WHERE uid = '$reversal'
EOC
}

# What the issuer has loaded and not unloaded is what the funds have disbursed.
sub books
{
	is($payouts->sql('SELECT disbursed::numeric(16, 2) FROM murallink.fund_balance'), $payouts->cash, 'the funds have paid what is on the cards');
	is_deeply([ $payouts->wrong ], [], 'the books agree');
	return;
}
