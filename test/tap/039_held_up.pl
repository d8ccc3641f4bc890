# What somebody else holds up is shown to people after a minute, with who does: an outcome that cannot be booked, and a payout
# that cannot be claimed.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(conf => "max_prepared_transactions = 2\n");
$payouts->patients(1);
$payouts->order_cards;

note 'one payment is held by an open transaction, another by a prepared one, a third is kept from being claimed';
$payouts->call('disable_payouts');
my ($booked, $prepared, $claimed) = $payouts->approve(3);
my %payment = map { $_ => $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$_'") } $booked, $prepared, $claimed;
my $keeper = $payouts->session("BEGIN; SELECT FROM murallink_private.payment WHERE uid = '$payment{$claimed}' FOR UPDATE");
my $keeper_pid = pid_of();
# The load of the second is answered when its payment is held.
$payouts->hold;
$payouts->call('enable_payouts');
$payouts->wait_for("SELECT count(*) = 2 FROM murallink.payout WHERE uid IN ('$booked', '$prepared') AND status = 'claimed'");
my $idler = $payouts->session("BEGIN; SELECT FROM murallink_private.payment WHERE uid = '$payment{$booked}' FOR UPDATE");
my $idler_pid = pid_of();
$payouts->sql("BEGIN; SELECT FROM murallink_private.payment WHERE uid = '$payment{$prepared}' FOR UPDATE; PREPARE TRANSACTION 'forgotten'");
$payouts->no_fault;
foreach my $payout ($booked, $prepared)
{
	Murallink::Stack::poll('the load', sub { $payouts->loads($payout) == 1 });
}
$payouts->wait_for(<<"EOC");
SELECT count(*) = 2 FROM murallink_private.call_attempt WHERE outcome = 'done' AND kept AND call_uid IN ('$booked', '$prepared')
EOC
is($payouts->sql(q{SELECT count(*) FROM murallink.needs_person WHERE why LIKE '%held by%' OR why LIKE '%applied%'}), 0, 'not at once');
foreach my $looks (4, 8, 12)
{
	$payouts->wait_for(<<"EOC");
SELECT count(*) = 3 AND bool_and(looks >= $looks AND (looks >= 12) = (problem <> '')) FROM murallink_private.call
WHERE uid IN ('$booked', '$prepared', '$claimed')
EOC
}
like(why($booked), qr/^its outcome cannot be applied: held by .*\bprocess $idler_pid\b/, 'who holds the payment');
like(why($prepared), qr/^its outcome cannot be applied: held by .*\bthe prepared transaction 'forgotten'/, 'which transaction was prepared');
like(why($claimed), qr/^cannot be claimed: held by .*\bprocess $keeper_pid\b/, 'who keeps one from being claimed');

note 'nothing is lost';
foreach my $session ($keeper, $idler)
{
	print $session "ROLLBACK;\n";
	close $session or die "session: $!\n";
}
$payouts->sql("ROLLBACK PREPARED 'forgotten'");
$payouts->wait_settled;
is(join(' ', map { $payouts->state_of($_) } $booked, $prepared, $claimed), 'done paid done paid done paid', 'all are paid');
is(join(' ', map { $payouts->loads($_) } $booked, $prepared, $claimed), '1 1 1', 'once');
is($payouts->sql('SELECT count(*) FROM murallink.needs_person'), 0, 'and nobody has to do anything');

note 'who switches payouts off, or holds some, and does not end keeps all from being claimed';
my $switcher = $payouts->session('BEGIN; SELECT murallink.disable_payouts()');
my $switcher_pid = pid_of();
$payouts->sql(<<'EOC');
BEGIN; SELECT murallink.hold_payouts('an audit', contract_uid => (SELECT contract_uid FROM public.place)); PREPARE TRANSACTION 'brake'
EOC
my ($waiting) = $payouts->approve(1);
$payouts->wait_looks;
is(why($waiting), '', 'not at once');
told(qr/^cannot be claimed: held by process $switcher_pid, the prepared transaction 'brake'$/);
print $switcher "ROLLBACK;\n";
close $switcher or die "session: $!\n";
told(qr/^cannot be claimed: held by the prepared transaction 'brake'$/);
is($payouts->loads($waiting), 0, 'nothing is sent');
$payouts->sandbox('POST', 'settings', { 'dash.password' => 'another' });
$payouts->stop_server('fast');
$payouts->start_server;
$payouts->wait_for('SELECT pid IS NOT NULL FROM murallink_private.worker_slot(NULL)');
$payouts->sql("ROLLBACK PREPARED 'brake'");
$payouts->wait_for("SELECT count(*) = 0 FROM murallink.needs_person WHERE uid = '$waiting'");
like($payouts->state_of($waiting), qr/^ready/, 'nobody is shown who has ended, also while the partner fails, and after a restart');
$payouts->sandbox('POST', 'settings', { 'dash.password' => 'sandbox' });
$payouts->wait_settled;
is($payouts->state_of($waiting) . ' ' . $payouts->loads($waiting), 'done paid 1', 'and all goes on');
is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# The session that was begun last.
sub pid_of
{
	return $payouts->sql(<<'EOC');
SELECT pid FROM pg_stat_activity WHERE application_name = 'session' ORDER BY backend_start DESC LIMIT 1
EOC
}

# Waits until people are told why one is not sent.
sub told
{
	my ($why) = @_;
	Murallink::Stack::poll("needs_person to say $why", sub { why($waiting) =~ $why });
	return pass("people are told: $why");
}

sub why
{
	my ($payout) = @_;
	return $payouts->sql("SELECT why FROM murallink.needs_person WHERE uid = '$payout'");
}
