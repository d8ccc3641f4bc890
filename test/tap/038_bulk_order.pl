# Many cards in one order: their keys come later, by the number of the order, and each goes to the patient whose it is.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { look_up => JSON::PP::false });
my $client = $payouts->stack->client;

note 'a bulk order, and payouts that wait for it';
$payouts->sandbox('POST', 'settings', { 'dash.bulk_calls' => 1000 });
my @patients = patients(5);
$payouts->sql("UPDATE murallink.patient SET email = '' WHERE uid = '$patients[4]'");
my $bulk = order(@patients);
my @waiting = $payouts->approve(5);
$payouts->wait_for("SELECT status = 'done' FROM murallink.partner_tasks('$bulk')");
is(cards(@patients), 'waiting bulk_order 4, waiting no_contact 1', 'it is ordered; who cannot be told of a card is not in it');
is($payouts->sql('SELECT count(DISTINCT order_id) FROM murallink.cards() WHERE order_id <> \'\''), 1, 'under one number');
$payouts->wait_for(q{SELECT bool_or(attempt > 1) FROM murallink.partner_tasks() WHERE operation = 'bulk_details'});
is($payouts->sql(q{SELECT string_agg(DISTINCT reason, ', ' ORDER BY reason) FROM murallink.payout}), 'card_pending, no_contact',
	'payouts wait, and say so');
is($payouts->refusal(order_cards => uids(@patients[ 0 .. 3 ])), 'wrong_status', 'nobody gets into another order');
$payouts->sandbox('POST', 'settings', { 'dash.bulk_calls' => 2 });
$payouts->wait_idle;
is(cards(@patients), 'done 4, waiting no_contact 1', 'the keys are asked for until they are there');
is($payouts->count('done'), 4, 'and the payouts go on by themselves');
is_deeply([ sort map { $_->{lastName} } orders() ], [ 1 .. 4 ], 'each has one card');
is($payouts->sql('SELECT count(*) FROM murallink_private.card WHERE person_id <> \'\''), 4, 'and a number as a person');
check_books('after a bulk order');
$payouts->call(ask_card => $patients[0], 'tracking');
$payouts->wait_idle;
is($payouts->sql(q{SELECT count(*) FROM murallink.cards() WHERE shipping_status = 'Not shipped'}), 4, 'all of an order are tracked');
my $order_id = $payouts->sql("SELECT order_id FROM murallink.cards('$patients[0]')");
my %secrets = (username => 'murallink', password => 'sandbox', webhook_access_key => 'a key long enough');
$payouts->sql("SELECT murallink.configure_partner('dash', secrets => '" . JSON::PP::encode_json(\%secrets) . "')");
$payouts->call(dash_shipping_update => { accessKey => 'a key long enough', orderId => $order_id, status => 'Shipped' });
is($payouts->sql(q{SELECT count(*) FROM murallink.cards() WHERE shipping_status = 'Shipped'}), 4, 'and so does the webhook tell of all');
is($payouts->refusal(order_cards => uids(@patients[ 0 .. 3 ])), 'wrong_status', 'nobody gets a second card');
$payouts->sql("UPDATE murallink.patient SET email = 'five\@example.com' WHERE uid = '$patients[4]'");
$payouts->wait_settled;
is($payouts->count('done'), 5, 'who can be told later gets his own');

note 'what is refused';
is($payouts->refusal(order_cards => '{}'), 'invalid_value', 'nobody');
is($payouts->error_of('SELECT murallink.order_cards(ARRAY(SELECT murallink.gen_ksuid() FROM generate_series(1, 501)))'),
	'invalid_value', 'too many');
is($payouts->refusal(order_cards => uids($waiting[0])), 'not_found', 'who is no patient');
is($payouts->error_of('SELECT murallink.order_cards(NULL)'), 'missing_field', 'nothing');

note 'declined: so is each card, and they may be ordered again together';
@patients = patients(3);
$payouts->fault(operation => 'dash.orderCards', when => 'before', action => 'answer', status => 400, count => 1);
$bulk = order(@patients);
$payouts->wait_idle;
like(cards(@patients), qr/^declined HTTP 400.* 3$/, 'each card says why');
order(@patients);
$payouts->wait_idle;
is(cards(@patients), 'done 3', 'ordered again');

note 'not sent: tried again, all of it';
@patients = patients(3);
$payouts->stop_sandbox;
$bulk = order(@patients);
$payouts->wait_for("SELECT attempt > 1 FROM murallink.partner_tasks('$bulk')");
is(cards(@patients), 'waiting bulk_order 3', 'while nobody is there');
$payouts->sql("UPDATE murallink.patient SET phone = '', email = '' WHERE uid = '$patients[0]'");
$payouts->sql("UPDATE murallink.patient SET last_name = 'Renamed' WHERE uid = '$patients[1]'");
$payouts->run_sandbox;
$payouts->wait_idle;
is(cards(@patients), 'done 2, waiting no_contact 1', 'with what is known of the patients then');
is(scalar(grep { $_->{lastName} eq 'Renamed' } orders()), 1, 'and their names');

note 'in doubt: nothing is ordered again by itself, and a person decides each';
@patients = patients(3);
$payouts->fault(operation => 'dash.orderCards', when => 'after', action => 'close', count => 1);
$bulk = order(@patients);
$payouts->wait_idle;
like(cards(@patients), qr/^in_doubt .* 3$/, 'all cards are in doubt');
is($payouts->sql(q{SELECT count(*) FROM murallink.needs_person WHERE remedy IN ('resolve_card', 'resolve_task')}), 4, 'as a person sees');
is($payouts->refusal(order_cards => uids(@patients)), 'wrong_status', 'and cannot be ordered');
foreach my $patient (@patients)
{
	my ($order) = grep { $_->{email} eq email($patient) } orders();
	$payouts->call(resolve_card => card($patient), 'true', 'Dash shows it', $order->{proxyKey});
}
is(cards(@patients), 'done 3', 'a person has asked Dash');
$payouts->call(resolve_task => $bulk, 'false', 'or so it seemed');
is(cards(@patients), 'done 3', 'what was decided stays');

@patients = patients(2);
$payouts->fault(operation => 'dash.orderCards', when => 'before', action => 'close', count => 1);
$bulk = order(@patients);
$payouts->wait_idle;
$payouts->call(resolve_task => $bulk, 'false', 'Dash has never heard of it');
like(cards(@patients), qr/^declined .* 2$/, 'not ordered: all together');
order(@patients);
$payouts->wait_idle;
is(cards(@patients), 'done 2', 'and ordered again when somebody says so');

note 'the worker dies while the call is under way';
@patients = patients(2);
$payouts->hold(operation => 'dash.orderCards', count => 1);
$bulk = order(@patients);
$payouts->wait_for("SELECT status = 'claimed' FROM murallink.partner_tasks('$bulk')");
kill 'KILL', $payouts->worker;
$payouts->wait_for("SELECT status = 'in_doubt' FROM murallink.partner_tasks('$bulk')");
like(cards(@patients), qr/^in_doubt .* 2$/, 'task and cards are in doubt');
$payouts->no_fault;

note 'rows that cannot be told apart, or are not there';
@patients = patients(4);
$payouts->sql("UPDATE murallink.patient SET email = 'twin\@example.com', last_name = 'Twin' WHERE uid IN ('$patients[0]', '$patients[1]')");
order(@patients);
$payouts->wait_idle;
is(cards(@patients), 'done 2, in_doubt the details of the order do not show which card it is 2', 'twins wait for a person');
my @twins = map { $_->{proxyKey} } grep { $_->{lastName} eq 'Twin' } orders();
$payouts->call(resolve_card => card($patients[$_]), 'true', 'told apart by birthday', $twins[$_]) foreach 0, 1;

@patients = patients(3);
my @rows = map { { firstName => 'Pat', lastName => $_, email => email($patients[ $_ - 1 ]), proxyKey => "02520000009$_", personId => 77 + $_ } } 1 .. 3;
$rows[0]{email} = 'changed@example.com';
delete $rows[1]{personId};
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'after', action => 'answer',
	body => JSON::PP::encode_json({ status => 'success', orderDetails => [ @rows[ 0 .. 1 ] ] }));
order(@patients);
$payouts->wait_for(q{SELECT bool_or(attempt > 1 AND status = 'ready') FROM murallink.partner_tasks() WHERE operation = 'bulk_details'});
is(cards(@patients), 'waiting bulk_order 3', 'a row of another person, one without a number, one that is missing: none is guessed');
# Nothing is asked between the one answer and the other.
$payouts->call('disable_payouts');
$payouts->wait_for('SELECT in_flight = 0 FROM murallink.worker_status()');
$payouts->no_fault;
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'after', action => 'answer',
	body => JSON::PP::encode_json({ status => 'success', data => { orderDetails => [ $rows[2], { %{ $rows[1] }, personId => 1 } ] } }));
$payouts->call('enable_payouts');
$payouts->wait_for(q{SELECT count(*) = 2 FROM murallink.cards() WHERE status = 'done' AND uid IN ('} . join(q{', '}, map { card($_) } @patients) . q{')});
is($payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE patient_uid = '$patients[2]'"), '025200000093', 'each has its own');
# As if it had been a day, which no statement may say.
$payouts->sql(<<'EOC');
SET session_replication_role = replica;
UPDATE murallink_private.call SET created_at = created_at - interval '1 day' WHERE operation = 'bulk_details'
EOC
$payouts->wait_idle;
like(cards(@patients), qr/done 2, in_doubt the details .* 1/, 'after a day a person is asked about the others');
$payouts->no_fault;
is_deeply([ grep { !/loaded with|loaded twice|twin/ } $payouts->wrong ], [], 'the books agree');
done_testing();

# Enrolls patients, and returns their uids.
sub patients
{
	my ($count) = @_;
	$payouts->patients($count);
	return reverse split /\n/, $payouts->sql(<<"EOC");
SELECT patient_uid FROM murallink.enrollment e JOIN murallink.patient p ON p.uid = e.patient_uid
WHERE NOT EXISTS (SELECT FROM murallink_private.card c WHERE c.patient_uid = e.patient_uid) ORDER BY p.last_name DESC LIMIT $count
EOC
}

# Has their cards ordered together, and returns the order's task.
sub order
{
	my (@uids) = @_;
	return $payouts->call(order_cards => uids(@uids)) =~ s/^\(([^,]*).*/$1/rs;
}

sub uids { return '{' . join(',', @_) . '}' }

sub cards
{
	my (@uids) = @_;
	my $of_them = join ', ', map { "'$_'" } @uids;
	return $payouts->sql(<<"EOC");
SELECT string_agg(concat_ws(' ', status, nullif(reason, ''), n), ', ' ORDER BY status::text, reason)
FROM (SELECT status, reason, count(*) AS n FROM murallink.cards() WHERE patient_uid IN ($of_them) GROUP BY 1, 2) s
EOC
}

sub card { my ($patient) = @_; return $payouts->sql("SELECT uid FROM murallink.cards('$patient')") }

sub email { my ($patient) = @_; return $payouts->sql("SELECT email FROM murallink.patient WHERE uid = '$patient'") }

sub orders { return grep { $_->{ledger} eq 'order' } @{ $client->ledger } }

sub check_books
{
	my ($when) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree $when");
	return;
}
