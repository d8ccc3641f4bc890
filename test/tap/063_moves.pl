# Patients who move to another site, or had two records: what partners are asked of them goes on without a gap. The sandbox's
# ledger is the judge.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(conf => "murallink.reminder_lead = '1d'\n");
my $trial = $payouts->sql('SELECT trial_uid FROM public.place');
my $old = $payouts->sql('SELECT site_uid FROM public.place');
my %health = (dob => '1980-03-23', gender => 'Male', marital_status => 'Single', state => 15, city => 271, relation => 'Friend');
$payouts->call(configure_partner => 'bastion', $payouts->stack->{sandbox_url}, { plan_id => 85, policy_id => 2058, settling => 900 },
	{ username => 'murallink', password => 'sandbox', webhook_access_key => 'a key long enough' });
$payouts->call(set_trial_partner => $trial, 'bastion', { country => 162 });
$payouts->call('enable_payouts');
# Whoever is connected as the superuser is the administrator.
$payouts->sql("SELECT murallink.set_db_role(email, 'postgres') FROM murallink.app_user WHERE user_role = 'admin'");
my $new = $payouts->sql("SELECT uid FROM murallink.create_site(trial_uid => '$trial', name => 'Two')");

note 'a patient who is a member and has a card moves to another site';
my $pat = enroll('Pat', 'Mover', 'pat@example.com', '+234 803 555 1111');
my $enrollment = $payouts->sql("SELECT uid FROM murallink.enrollment WHERE patient_uid = '$pat'");
reaches($pat, "actual = 'in'", 'a member');
my ($first, $pending) = map { pay($pat, $_) } 3, 4;
approve($first);
my $visit = $payouts->sql("SELECT uid FROM murallink.schedule_appointment('$enrollment', NULL, '2999-01-02T09:00:00', 'Week 9')");
my $reminders = "SELECT count(*), string_agg(c.status::text, ' ') FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid WHERE n.appointment_uid = '$visit'";
is($payouts->sql($reminders), '1|ready', 'with a reminder of a visit');
like($payouts->sql("SELECT appointments FROM murallink.transfer_enrollment('$pat', '$trial', '$new', NULL, 'moved')"), qr/^\{$visit\}$/, 'moves');
settled();
is(scalar($payouts->entries('endorsement')), 1, 'is the same member');
is(scalar($payouts->entries($_)), 0, "without a $_") foreach qw(removal restoration);
reaches($pat, "actual = 'in' AND wanted = 'in'", 'and stays one');
is($payouts->sql("SELECT e.site_uid = '$new' FROM murallink_private.participation p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid"), 't', 'by the new enrollment');
is($payouts->sql($reminders), '1|ready', 'is reminded once');
my $later = pay($pat, 5);
approve($pending, $later);
is(scalar($payouts->entries('order')), 1, 'and has one card');
is($payouts->sql("SELECT string_agg(concat_ws(' ', s.name, p.amount, p.status), ', ' ORDER BY p.amount) FROM murallink.payment p JOIN murallink.site s ON s.uid = p.site_uid"),
	'One 3 paid, One 4 paid, Two 5 paid', 'on which both sites pay');
is(scalar($payouts->entries('load')), 3, 'once each');

note 'the patient was added twice';
my $twin = enroll('Pat', 'Mover', 'pat.mover@example.com', '+234 803 555 2222');
reaches($twin, "actual = 'in'", 'a member again');
my @twins = map { pay($twin, $_) } 6, 8;
approve(@twins);
my $owed = pay($twin, 7);
is(scalar($payouts->entries('order')), 2, 'with a card again');
$payouts->call(merge_patients => $pat, $twin, 'added twice');
settled();
is($payouts->sql("SELECT status || ' ' || ended_reason FROM murallink_private.card ORDER BY created_at"), "done \ndone merged", 'the second card has ended');
is(scalar($payouts->entries('removal')), 1, 'and so has the second membership');
reaches($pat, "actual = 'in' AND wanted = 'in'", 'the first goes on');
approve($owed);
is(scalar($payouts->entries('order')), 2, 'no card is ordered again');
my ($key) = $payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE ended_reason = ''");
my ($load) = grep { $_->{amount} == 7 } $payouts->entries('load');
is($load->{proxyKey}, $key, 'what is owed to the second record is loaded on the first card');
is($payouts->sql("SELECT count(*), count(DISTINCT patient_uid), count(DISTINCT chain_uid) FROM murallink.payment"), '6|1|1', 'all is of one patient, in one chain');

note 'what was loaded on the second card is taken back: from that one, until it is moved to the first';
my ($ended, $its_key) = split /\|/, $payouts->sql("SELECT uid, proxy_key FROM murallink_private.card WHERE ended_reason = 'merged'");
is(taken_back($twins[0]), "reversed from $its_key", 'it is still there');
$payouts->call(move_balance => $ended, 8, 'one card is enough');
settled();
is(taken_back($twins[1]), "reversed from $key", 'it is on the first card');
is($payouts->cash($its_key), '0.00', 'and nothing is left on the second');

note 'a patient moves just before or after the card is replaced, with one payout under way and others that wait (S1, S3)';
my $contract = $payouts->sql('SELECT contract_uid FROM public.place');
foreach my $order ([ 0, 1 ], [ 1, 0 ])
{
	my $next = $payouts->sql("SELECT uid FROM murallink.create_site(trial_uid => '$trial', name => 'Next $order->[0]')");
	my @moves = ("replace_card('$pat', 'lost', 'in the bus')", "transfer_enrollment('$pat', '$trial', '$next', note => 'moved')");
	my $lost = present_key($pat);
	my ($flying, $before, $after) = map { pay($pat, $_) } 11, 12;
	$payouts->hold(count => 1);
	begin_to_pay($flying);
	$payouts->wait_for("SELECT count(*) = 1 FROM murallink_private.call WHERE operation = 'load' AND status = 'claimed'");
	$payouts->sql("SELECT murallink.hold_payouts('a pause', contract_uid => '$contract')");
	begin_to_pay($before);
	$payouts->hold(operation => 'dash.orderCards');
	$payouts->sql("SELECT FROM murallink.$moves[$_]") foreach @$order;
	begin_to_pay($after = pay($pat, 13));
	$payouts->sql("SELECT murallink.release_payouts(contract_uid => '$contract')");
	is($payouts->sql("SELECT string_agg(reason, ' ') FROM murallink.payout WHERE payment_uid IN ('$before', '$after')"),
		'card_pending card_pending', 'what waits goes to the new card');
	$payouts->no_fault;
	paid($flying, $before, $after);
	is(loaded($flying), $lost, 'what was under way ends on the old one');
	isnt(my $present = present_key($pat), $lost, 'the new one');
	is(loaded($_), $present, 'is loaded once') foreach $before, $after;
	is($payouts->sql("SELECT site_uid FROM murallink.payment WHERE uid = '$after'"), $next, 'by the new site');
	settled();
}
is(scalar($payouts->entries($_->[0])), $_->[1], "no $_->[0] more") foreach [ endorsement => 2 ], [ removal => 1 ], [ restoration => 0 ], [ order => 4 ];

is_deeply([ $payouts->wrong ], [], 'the books agree');
is($payouts->sql('SELECT problem FROM murallink.verify_ledger()'), '', 'also with each other');
done_testing();

# Adds and enrolls a patient.
sub enroll
{
	my ($first, $last, $email, $phone) = @_;
	my $patient = $payouts->sql(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email, phone, email_enabled, address)
VALUES ('$first', '$last', '$email', '$phone', true, murallink_private.checked_address('{"street1": "1 Road", "city": "Lagos"}')) RETURNING uid
EOC
	$payouts->call(set_participation_details => $patient, 'bastion', \%health);
	return $payouts->take_in("SELECT '$patient'::murallink.ksuid AS uid");
}

sub pay { my ($patient, $amount) = @_; return $payouts->sql("SELECT uid FROM murallink.manual_payment('$patient', '$trial', $amount)") }

# Approves payments, and waits until they are paid.
sub approve
{
	my @payments = @_;
	begin_to_pay($_) foreach @payments;
	return paid(@payments);
}

sub begin_to_pay { my ($payment) = @_; return $payouts->sql("SELECT FROM murallink.approve_payment('$payment')") }

sub paid
{
	my @payments = @_;
	return $payouts->wait_for("SELECT bool_and(status = 'paid') FROM murallink.payment WHERE uid IN ("
		  . join(', ', map { "'$_'" } @payments) . ')');
}

sub present_key { my ($patient) = @_; return $payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE patient_uid = '$patient' AND ended_at = 'infinity'") }

# The keys of the cards on which a payment was loaded, as the issuer says.
sub loaded
{
	my ($payment) = @_;
	my $payout = $payouts->sql("SELECT uid FROM murallink.payout WHERE payment_uid = '$payment'");
	return join ' ', map { $_->{proxyKey} } $payouts->entries('load', referenceId => $payout);
}

# Takes a payment back; returns what has become of it, and from which card it was taken.
sub taken_back
{
	my ($payment) = @_;
	$payouts->call(reverse_payment => $payment, 'not due');
	settled();
	my ($status, $reversal) = split /\|/, $payouts->sql(<<"EOC");
SELECT p.status, r.uid FROM murallink.payment p JOIN murallink.reversal r ON r.payment_uid = p.uid WHERE p.uid = '$payment'
EOC
	return join ' ', "$status from", map { $_->{proxyKey} } $payouts->entries('unload', referenceId => $reversal);
}

# Waits until there is nothing left to do for partners of memberships.
sub settled
{
	$payouts->wait_for('SELECT count(*) = 0 FROM murallink_private.participation_change');
	return $payouts->wait_for("SELECT count(*) = 0 FROM murallink_private.call WHERE open AND resource <> 'notice'");
}

# Waits until a participation is as it should be.
sub reaches
{
	my ($patient, $condition, $name) = @_;
	$payouts->wait_for("SELECT $condition FROM murallink.participations('$patient')");
	return pass($name);
}
