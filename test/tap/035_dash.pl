# What operators have Dash do besides ordering and loading cards, and what Dash tells by itself.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { card_type => 'Physical' });
my $client = $payouts->stack->client;

$payouts->sandbox('POST', 'settings', { 'dash.funding_total' => '10000000.00' });
$payouts->patients(2);
my @paid = $payouts->approve(4);
$payouts->wait_settled;
my $patient = $payouts->sql("SELECT patient_uid FROM murallink.payout WHERE uid = '$paid[0]'");

note 'accounts, and whether they agree with the books';
like($payouts->sql('SELECT * FROM murallink.reconcile_funding()'), qr/^customers\|have never been listed/, 'not asked yet');
refresh();
is($payouts->sql('SELECT kind, id FROM murallink_private.dash_record ORDER BY kind'),
	"account|54850\ncustomer|12345\nprogram|987654", 'customers, programs and accounts are kept');
is($payouts->sql('SELECT * FROM murallink.reconcile_funding()'), '', 'the books agree with the account');
$payouts->sandbox('POST', 'settings', { 'dash.funding_total' => '9000000.00', 'dash.cust_prog_id' => '987655,987656' });
refresh();
my $problems = $payouts->sql('SELECT * FROM murallink.reconcile_funding()');
like($problems, qr/^setting cust_prog_id\|is 987654, which Dash does not list$/m, 'a program that is gone is named');
like($problems, qr/^account 54850\|holds 8999995\.\d+, the books say 9999995\.\d+; 0 are/m, 'and so is missing money');
$payouts->sandbox('POST', 'settings', { 'dash.funding_total' => '10000000.00', 'dash.cust_prog_id' => '987654' });

note 'the link to the card';
ask(resend_card_link => $patient, $_) foreach qw(email sms);
is_deeply([ map { $_->{resendMethod} } grep { $_->{ledger} eq 'alert' } @{ $client->ledger } ], [qw(email sms)], 'is sent again');
is($payouts->refusal(resend_card_link => $patient, 'letter'), 'invalid_value', 'by e-mail or SMS alone');
is($payouts->refusal(resend_card_link => $paid[0], 'sms'), 'not_found', 'to those who have a card');
$payouts->fault(operation => 'dash.sendDigitalCardAlert', when => 'after', action => 'close', count => 1);
my $doubtful = ask(resend_card_link => $patient, 'sms');
is($payouts->sql("SELECT status FROM murallink.partner_tasks('$doubtful')"), 'in_doubt', 'and not by itself once more');
is($payouts->refusal(resolve_task => $doubtful, 'true', ''), 'missing_field', 'a person says how it is known');
$payouts->call(resolve_task => $doubtful, 'true', 'the patient has got it');
is($payouts->refusal(resolve_task => $doubtful, 'true', 'again'), 'wrong_status', 'what became of it, once');

is((map { $_->{cardType} } grep { $_->{ledger} eq 'order' } @{ $client->ledger })[0], 'physical', 'cards are physical, as the document writes it');
is($payouts->sql("SELECT count(*) FROM murallink_private.call WHERE operation = 'load' AND facts ->> 'balance' IS NULL"),
	0, 'the new balance is kept');
note 'orders and shipping';
my $details = ask(ask_card => $patient, 'details');
is($payouts->sql("SELECT facts #>> '{cards,0,person_id}' ~ '^500' FROM murallink.partner_tasks('$details')"), 't', 'details of an order');
ask(ask_card => $patient, 'shipping');
like(shipment(), qr/^Shipped\|USPS\|9400/, 'where the card is');
ask(ask_card => $patient, 'tracking');
like(shipment(), qr/^Shipped\|USPS\|9400/, 'where the cards of an order are');
is($payouts->refusal(ask_card => $patient, 'balance'), 'invalid_value', 'no other question');
my ($order_id, $proxy_key) = split /\|/,
  $payouts->sql("SELECT order_id, proxy_key FROM murallink_private.card WHERE patient_uid = '$patient'");
is(webhook('wrong', orderId => $order_id, status => 'Lost'), 'wrong_access_key', 'the webhook is closed without a key');
my %secrets = (username => 'murallink', password => 'sandbox', webhook_access_key => 'a key long enough');
$payouts->sql("SELECT murallink.configure_partner('dash', secrets => '" . JSON::PP::encode_json(\%secrets) . "')");
is(webhook('', orderId => $order_id, status => 'Lost'), 'wrong_access_key', 'and to a wrong one');
is(webhook('', proxyKey => 'of nobody'), 'wrong_access_key', 'whatever it asks about');
foreach my $short ('1', 'x' x 15, '')
{
	is($payouts->refusal(configure_partner => 'dash', $payouts->stack->{sandbox_url}, '{"customer_id": 12345, "cust_prog_id": 987654, "funding_id": 54850}',
			{ %secrets, webhook_access_key => $short }), 'invalid_value', 'a key of ' . length($short) . ' characters is none');
}
is(webhook('a key long enough', status => 'Lost'), 'not_found', 'it must say which card');
is(webhook('a key long enough', proxyKey => $proxy_key, status => 'Delivered'), '', 'and is heard then');
like(shipment(), qr/^Delivered\|USPS\|9400/, 'what it does not say stays');
is(webhook('a key long enough', proxyKey => $proxy_key, status => $_), '', "$_ is heard late") foreach 'Shipped', 'Out for delivery', 'In transit', 'Printed';
like(shipment(), qr/^Delivered\|USPS\|9400/, 'and does not take it back');
is(webhook('a key long enough', proxyKey => $proxy_key, status => 'Returned to sender'), '', 'it comes back');
is(webhook('a key long enough', proxyKey => $proxy_key, status => 'Delivered'), '', 'which is told before the delivery');
like(shipment(), qr/^Returned to sender\|USPS\|9400/, 'likewise');
is(webhook('a key long enough', proxyKey => $proxy_key, status => 'Shipped', trackingNumber => '9500'), '', 'it is sent once more');
like(shipment(), qr/^Shipped\|USPS\|9500|^Shipped\|\|9500/, 'with another number: that is what counts');
my $earlier = '9400' . $proxy_key;
is(webhook('a key long enough', proxyKey => $proxy_key, status => 'Delivered', trackingNumber => $earlier), '', 'the first is heard of again');
like(shipment(), qr/^Shipped\|.*\|9500/, 'which says nothing of the second');
is($payouts->sql("SELECT string_agg(status, ', ' ORDER BY heard_at) FROM murallink_private.card_shipment_event WHERE tracking_number IN ('', '$earlier') AND status <> 'Shipped'"),
	'Delivered, Out for delivery, In transit, Printed, Returned to sender, Delivered, Delivered', 'all are kept, with their times');

note 'a profile that changes';
$payouts->sql("UPDATE murallink.patient SET last_name = 'Unsent' WHERE uid = '$patient'");
$payouts->wait_idle;
is(scalar(profiles()), 0, 'is not sent unless wanted');
$payouts->stack->configure_dash({ send_profile => JSON::PP::true });
$payouts->fault(operation => 'dash.updateCardholder', when => 'after', action => 'close', count => 1);
$payouts->sql("UPDATE murallink.patient SET last_name = 'First' WHERE uid = '$patient'");
$payouts->wait_for(q{SELECT bool_or(attempt > 0 AND status <> 'claimed') FROM murallink.partner_tasks() WHERE operation = 'profile'});
$payouts->sql("UPDATE murallink.patient SET last_name = 'Second' WHERE uid = '$patient'");
$payouts->wait_idle;
is((profiles())[-1]{lastName}, 'Second', 'is sent on as it is now');
is((profiles())[-1]{personId}, $payouts->sql("SELECT person_id FROM murallink_private.card WHERE patient_uid = '$patient'"),
	'by the number that Dash has given the patient');

note 'a payment is taken back';
$payouts->sandbox('POST', 'settings', { 'dash.details_unloads' => 'none' });
my ($payment) = map { $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$_'") } $paid[0];
is($payouts->refusal(reverse_payment => $payment, ''), 'missing_field', 'not without a reason');
is($payouts->refusal(reverse_payment => $paid[0], 'in error'), 'not_found', 'not by the uid of its payout');
$payouts->fault(operation => 'dash.unloadCards', when => 'before', action => 'answer', status => 400, count => 1);
$payouts->call(reverse_payment => $payment, 'paid for the wrong visit');
$payouts->wait_idle;
is($payouts->state_of($paid[0]), 'done paid', 'declined by Dash: still paid');
my $asked = 'SELECT concat_ws($$ $$, kind, why, remedy, amount::numeric(16, 2)) FROM murallink.needs_person';
like($payouts->sql($asked), qr/^reversal owed_back: HTTP 400.* reverse_payment or write_off or resolve_task 1\.\d\d$/, 'and a person is told');
$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'reset', count => 1);
$payouts->call(reverse_payment => $payment, 'paid for the wrong visit');
$payouts->wait_idle;
is($payouts->state_of($paid[0]), 'done paid', 'in doubt: still paid');
unlike($payouts->sql($asked), qr/owed_back/, 'asked again, the first answer is settled');
is($payouts->refusal(reverse_payment => $payment, 'again'), 'already_exists', 'and not asked for twice');
my $unload = $payouts->sql("SELECT uid FROM murallink.partner_tasks() WHERE operation = 'unload' AND status = 'in_doubt'");
$payouts->call(resolve_task => $unload, 'true', 'Dash shows it');
is($payouts->state_of($paid[0]), 'done reversed', 'until a person knows');
my ($other) = map { $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$_'") } $paid[1];
$payouts->sql("UPDATE murallink.patient SET email_enabled = true, sms_enabled = true, phone = '+1 555 010 0111' WHERE uid = (SELECT patient_uid FROM murallink.payment WHERE uid = '$other')");
$payouts->call(reverse_payment => $other, 'twice in the list');
$payouts->wait_for("SELECT status = 'reversed' FROM murallink.payment WHERE uid = '$other'");
is($payouts->state_of($paid[1]), 'done reversed', 'taken back');
is($payouts->sql("SELECT string_agg(concat_ws(' ', n.kind, n.channel), ', ' ORDER BY n.kind, n.channel) FROM murallink_private.notice n WHERE n.payment_uid = '$other'"),
	'reversal email, reversal sms', 'and the patient, who wants messages by then, is told');
is($payouts->sql("SELECT count(*) FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m WHERE n.payment_uid = '$other' AND m.params ->> 'text' ~ 'The reason: twice in the list'"),
	'1', 'and why, in the e-mail');
is($payouts->sql("SELECT changes #>> '{decision_note,to}' FROM murallink.audit_event WHERE resource = 'payment' AND resource_uid = '$other' AND changes #>> '{status,to}' = 'reversed'"),
	'twice in the list', 'as the audit is');
$payouts->sql('UPDATE murallink.patient SET email_enabled = false, sms_enabled = false');
is($payouts->refusal(reverse_payment => $other, 'again'), 'wrong_status', 'once');
foreach my $case ([ 2, 'write_off', 'paid' ], [ 3, 'resolve_task', 'reversed' ])
{
	my ($n, $how, $then) = @$case;
	$payouts->fault(operation => 'dash.unloadCards', when => 'before', action => 'answer', status => 400, count => 1);
	$payouts->call(reverse_payment => $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$paid[$n]'"), 'in error');
	$payouts->wait_idle;
	my $owed = $payouts->sql("SELECT uid FROM murallink.needs_person WHERE kind = 'reversal'");
	my $declined = $payouts->sql("SELECT uid FROM murallink.partner_tasks(operation => 'unload', status => 'declined', subject_uid => '$paid[$n]')");
	is($payouts->refusal(resolve_task => $declined, 'false', 'asked'), 'wrong_status', 'that it was declined is known');
	$payouts->call($how => $how eq 'write_off' ? $owed : ($declined, 'true'), 'asked');
	is($payouts->state_of($paid[$n]), "done $then", "what is owed back is closed: $then");
	is($payouts->sql($asked), '', 'and needs nobody');
	is($payouts->refusal(resolve_task => $declined, 'true', 'again'), 'wrong_status', 'once');
}
is($payouts->sql("SELECT count(*) FROM murallink_private.notice WHERE payment_uid = '$payment'"), 0, 'who does not want messages has none');
is(scalar(grep { $_->{ledger} eq 'unload' } @{ $client->ledger }), 2, 'one unload each');
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
refresh();
like($payouts->sql('SELECT * FROM murallink.reconcile_funding()'), qr/^account 54850.holds|^$/, 'and agrees with the account, but for what came back otherwise');
done_testing();

# Has an operator ask something, and returns the task once it has ended.
sub ask
{
	my (@call) = @_;
	my $task = $payouts->call(@call) =~ s/^\(([^,]*).*/$1/rs;
	$payouts->wait_idle;
	return $task;
}

sub refresh { $payouts->call('refresh_dash'); return $payouts->wait_idle }

sub profiles { return grep { $_->{ledger} eq 'profile' } @{ $client->ledger } }

sub shipment
{
	return $payouts->sql("SELECT shipping_status, carrier, tracking_number FROM murallink.cards('$patient')");
}

# Sends an event of Dash and returns the error.
sub webhook
{
	my ($key, %event) = @_;
	return $payouts->refusal(dash_shipping_update => { accessKey => $key, %event });
}
