# Cards that are ordered on enrollment, and many at once; and what a payout waits for whose card cannot be ordered.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { look_up => JSON::PP::false });
my $client = $payouts->stack->client;

note 'on enrollment';
$payouts->patients(1);
is(cards(), '', 'by default no card is ordered before the first payment');
$payouts->sql("UPDATE murallink.contract SET order_cards = 'enrollment'");
$payouts->wait_settled;
is(cards(), '1 done', 'who is enrolled already gets one when the contract says so');
$payouts->patients(2);
$payouts->wait_settled;
is(cards(), '3 done', 'and who is enrolled then gets one at once');
my ($first) = $payouts->approve(1);
$payouts->wait_settled;
is($payouts->state_of($first) . ' ' . cards(), 'done paid 3 done', 'which is the one that payouts are loaded on');

note 'what cannot be ordered waits, says why, and goes on when the reason is gone';
my $silent = add_patient('Silent', '');
is(cards(), '3 done, 1 waiting no_contact', 'nobody can be told');
is($payouts->sql(q{SELECT kind, why, remedy FROM murallink.needs_person}), 'card|no_contact|update_patient', 'a person is asked');
my $payout = pay($silent);
is($payouts->state_of($payout), 'waiting approved no_contact', 'the payout says so');
$payouts->sql("UPDATE murallink.patient SET phone = '610-555-0199 ext. 5' WHERE uid = '$silent'");
$payouts->wait_settled;
is($payouts->state_of($payout), 'waiting approved no_contact', 'nor is it clear whom this number reaches');
$payouts->sql("UPDATE murallink.patient SET phone = '(610) 555-0199' WHERE uid = '$silent'");
$payouts->wait_settled;
is($payouts->state_of($payout), 'done paid', 'a phone number will do');
is((orders())[-1]{phone}, '+16105550199', 'as Dash is told it');
$payouts->sql("SELECT murallink.hold_payouts('a test', partner => 'dash')");
my $gone = add_patient('Gone');
is($payouts->sql("SELECT status FROM murallink.cards('$gone')"), 'ready', 'a card is to be ordered');
$payouts->sql("UPDATE murallink.patient SET email = '', phone = '1-800-FLOWERS' WHERE uid = '$gone'");
is($payouts->sql("SELECT status || ' ' || reason FROM murallink.cards('$gone')"), 'waiting no_contact', 'and waits when nobody can be told any more');
$payouts->sql("UPDATE murallink.patient SET email = 'gone\@example.com' WHERE uid = '$gone'");
$payouts->sql("SELECT murallink.release_payouts(partner => 'dash')");
$payouts->wait_settled;
is(cards(), '5 done', 'until somebody can');
is((orders())[-1]{phone}, '', 'and Dash gets no number that is not clear');

$payouts->fault(operation => 'dash.orderCards', when => 'before', action => 'answer', status => 400, count => 1);
my $declined = add_patient('Declined');
$payouts->wait_settled;
$payout = pay($declined);
is($payouts->state_of($payout), 'waiting approved card_declined', 'Dash has declined the card');
$payouts->call(resolve_card => card_of($declined), 'false', 'Dash has mended it');
$payouts->wait_settled;
is($payouts->state_of($payout), 'done paid', 'ordered again, as a person said');

$payouts->fault(operation => 'dash.orderCards', when => 'after', action => 'close', count => 1);
my $doubtful = add_patient('Doubtful');
$payouts->wait_settled;
$payout = pay($doubtful);
is($payouts->state_of($payout), 'waiting approved card_in_doubt', 'nobody knows whether there is a card');
my ($ordered) = grep { $_->{lastName} eq 'Doubtful' } orders();
$payouts->call(resolve_card => card_of($doubtful), 'true', 'Dash shows it', $ordered->{proxyKey});
$payouts->wait_settled;
is($payouts->state_of($payout), 'done paid', 'a person has found out');

$payouts->stack->configure_dash({ currency => 'EUR' });
my $foreign = add_patient('Foreign');
$payout = pay($foreign);
is($payouts->state_of($payout), 'waiting approved other_currency', 'the cards hold other money');
is(card_of($foreign), '', 'so none is ordered');
$payouts->stack->configure_dash;
$payouts->wait_settled;
is($payouts->state_of($payout), 'done paid', 'until they hold this');

$payouts->sql('TRUNCATE murallink_private.partner_secret; DELETE FROM murallink_private.partner');
my $early = add_patient('Early');
$payout = pay($early);
is($payouts->state_of($payout), 'waiting approved partner_not_configured', 'nobody issues cards yet');
$payouts->stack->configure_dash;
$payouts->wait_settled;
is($payouts->state_of($payout), 'done paid', 'until somebody does');
$payouts->sql('TRUNCATE murallink_private.partner_secret; DELETE FROM murallink_private.partner');
$early = add_patient('Earlier');
$payouts->stack->configure_dash;
$payouts->wait_settled;
is(state_of_card($early), 'done', 'and who was enrolled before that has a card without a payment');

note 'a program that is new';
my $orders = orders();
$payouts->sandbox('POST', 'settings', { 'dash.cust_prog_id' => '987654,987655' });
$payouts->stack->configure_dash({ cust_prog_id => 987655 });
$payouts->wait_settled;
is(orders() - $orders, $orders, 'each who is enrolled gets a card of it');
$payouts->stack->configure_dash;
$payouts->wait_settled;
is(orders(), 2 * $orders, 'and no second one of the first');
check_books('after cards on enrollment');

note 'another enrollment of the same patient, one who was dropped, and one who is paid otherwise';
$payouts->sql("UPDATE murallink.contract SET order_cards = 'first_payment'");
my $late = add_patient('Late');
$payouts->sql("UPDATE murallink.enrollment SET status = 'dropped', left_on = now() WHERE patient_uid = '$late'");
my $paper = add_patient('Paper');
$payouts->sql(<<"EOC");
UPDATE murallink.enrollment SET payment_type_uid = (SELECT uid FROM murallink_private.payment_type WHERE name = 'check')
WHERE patient_uid = '$paper'
EOC
$payouts->sql("UPDATE murallink.contract SET order_cards = 'enrollment'");
is(card_of($late) . card_of($paper), '', 'get none');
$payouts->sql("UPDATE murallink.enrollment SET status = 'enrolled', left_on = NULL WHERE patient_uid = '$late'");
$payouts->sql("UPDATE murallink.enrollment SET payment_type_uid = NULL WHERE patient_uid = '$paper'");
$payouts->wait_settled;
is(join('|', map { state_of_card($_) } $late, $paper), 'done|done', 'until they are enrolled again, or choose the card');

note 'a patient who leaves the trial before the card is registered: what is owed stays owed, and is paid when it is (S22)';
my $left = add_patient('Left', '');
my $owed = pay($left);
my ($request) = $payouts->sql(<<"EOC");
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
SELECT uid, 'manual', 7, 'USD' FROM murallink.enrollment WHERE patient_uid = '$left' RETURNING uid
EOC
$payouts->sql("UPDATE murallink.enrollment SET status = 'dropped', left_on = now() WHERE patient_uid = '$left'");
$payouts->wait_settled;
is($payouts->state_of($owed), 'waiting approved no_contact', 'it waits on');
is($payouts->sql("SELECT count(*) FROM murallink.needs_person WHERE kind = 'card' AND why = 'no_contact'"), '1', 'a person is asked');
is($payouts->sql("SELECT string_agg(concat_ws(' ', status, trim_scale(amount)), ', ' ORDER BY status) FROM murallink.payment WHERE patient_uid = '$left'"),
	'pending 7, approved 1.01', 'nothing of it is lost');
$payouts->sql("UPDATE murallink_private.payment SET status = 'approved' WHERE uid = '$request'; SELECT murallink_private.payout_begin('$request')");
$payouts->sql("UPDATE murallink.patient SET email = 'left\@example.com' WHERE uid = '$left'");
$payouts->wait_settled;
is(join('|', map { $payouts->state_of($_) } $owed, $payouts->sql("SELECT uid FROM murallink.payout WHERE payment_uid = '$request'")),
	'done paid|done paid', 'what was approved, before and after, is paid when somebody can be told');
is($payouts->sql("SELECT trim_scale(reserved) FROM murallink.fund_balance WHERE currency = 'USD'"), '0', 'and no funds stay reserved');

check_books('at the end');
done_testing();

sub add_patient
{
	my ($name, $email) = @_;
	$email //= lc("$name\@example.com");
	return $payouts->take_in(
		"INSERT INTO murallink.patient (first_name, last_name, email) VALUES ('Pat', '$name', '$email') RETURNING uid");
}

# Makes and approves a payment to a patient, and returns the payout.
sub pay
{
	my ($patient) = @_;
	my ($payout) = $payouts->approve(1, $patient);
	return $payout;
}

sub card_of
{
	my ($patient) = @_;
	return $payouts->sql("SELECT uid FROM murallink.cards('$patient')");
}

sub state_of_card
{
	my ($patient) = @_;
	return $payouts->sql("SELECT status FROM murallink.cards('$patient')");
}

sub cards
{
	return $payouts->sql(<<'EOC');
SELECT string_agg(concat_ws(' ', n, status, nullif(reason, '')), ', ')
FROM (SELECT status, reason, count(*) AS n FROM murallink.cards() GROUP BY 1, 2 ORDER BY n DESC) s
EOC
}

sub orders { return grep { $_->{ledger} eq 'order' } @{ $client->ledger } }

sub check_books
{
	my ($when) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree $when");
	return;
}
