# No two patients are paid on one card: whatever key an issuer answers, or a person types.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new;

$payouts->sql("UPDATE murallink.contract SET order_cards = 'enrollment'");
add_patient('Mother', 'family');
$payouts->wait_settled;
my $key = $payouts->sql('SELECT proxy_key FROM murallink_private.card');
like($key, qr/^0\d+$/, 'the first of a family has a card');

$payouts->sandbox('POST', 'settings', { 'dash.recognises' => 'email' });
my $child = add_patient('Child', 'family');
$payouts->wait_settled;
is(card($child), 'in_doubt|the answer has the key of another patient\'s card', 'the issuer takes the second for the first: in doubt');
my ($paid) = $payouts->approve(1, $child);
is($payouts->state_of($paid), 'waiting approved card_in_doubt', 'so that nothing is loaded on the card of the first');
is($payouts->sql(qq{SELECT why || ' ' || remedy FROM murallink.needs_person WHERE kind = 'card'}),
	"in_doubt: the answer has the key of another patient's card resolve_card", 'and a person is told');

note 'what a person types';
my $card = $payouts->sql("SELECT uid FROM murallink.cards('$child')");
is($payouts->refusal(resolve_card => $card, 'true', 'typed', $_), 'already_exists', "the key of the other card: $_") foreach $key, $key + 0, "0$key";
is($payouts->refusal(resolve_card => $card, 'true', 'typed', $_), 'invalid_value', "no key: '$_'") foreach ' 12 34abc ', '12-34', "$key ";
$payouts->call(resolve_card => $card, 'true', 'the issuer has made one by hand', '0099000000001');
is($payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE uid = '$card'"), '0099000000001', 'digits, with their zeros');

note 'answers that are no key, or a key as a number';
$payouts->sandbox('POST', 'settings', { 'dash.recognises' => 'nobody' });
foreach my $answer ([ '"12 34"', 'text' ], [ $key + 0, 'the number of the other card' ])
{
	$payouts->fault(operation => 'dash.orderCards', when => 'before', action => 'answer', status => 200, count => 1,
		body => qq({"status":"success","orderId":5,"proxyKey":$answer->[0],"personId":7}));
	my $patient = add_patient('Odd', "odd$answer->[1]" =~ s/ //gr);
	$payouts->wait_settled;
	like(card($patient), qr/^in_doubt\|/, "$answer->[1]: in doubt");
}

is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
done_testing();

sub add_patient
{
	my ($name, $email, $phone) = @_;
	$phone //= '';
	return $payouts->take_in("INSERT INTO murallink.patient (first_name, last_name, email, phone)"
		  . " VALUES ('Pat', '$name', '$email\@example.com', '$phone') RETURNING uid");
}

sub card
{
	my ($patient) = @_;
	return $payouts->sql("SELECT status, reason FROM murallink.cards('$patient')");
}
