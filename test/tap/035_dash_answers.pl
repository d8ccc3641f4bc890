# Success for the wrong thing is none: an answer that shows another amount, payout, person or card than was sent, or an error, is in
# doubt, and so is one that tells of something done beside a refusal. And where cards are, however it is told.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 1 });
my $json = JSON::PP->new->canonical;
my $cards = 0;

note 'a look-up that shows our loads';
$payouts->fault(operation => 'dash.loadCards', when => 'after', action => 'close', count => 1);
$payouts->patients(1);
settled($payouts->approve(1));

note 'loads';
my $another = 'x' x 27;
foreach my $shown ({ amount => '0.01' }, { amount => 1.02 }, { data => { loadAmount => '1' } }, { referenceId => $another }, { error => 'card closed' },
	{ errors => ['card closed'] }, { orderDetails => [ { errorMessage => 'card closed' } ] }, { errorCode => 17 }, { errors => { load => 1 } })
{
	my ($payout, $name) = (answered($shown), $json->encode($shown));
	is(outcomes($payout), 'in_doubt done', "$name: in doubt, and sent again once it is known not to be there");
	is(loads($payout), 1, "$name: the patient has the money");
}
foreach my $shown ({ amount => '1.010' }, { amount => 1.01 }, { referenceId => 'R-17' }, { errorCode => '00', errors => [], error => 'None', errorMessage => '' })
{
	is(outcomes(answered($shown)), 'done', $json->encode($shown) . ': is what was sent');
}

note 'orders';
foreach my $case ([ { firstName => 'Grover', lastName => 'Briggs' }, 'in_doubt' ], [ { email => 'other@example.com' }, 'in_doubt' ],
	[ { orderDetails => [ { lastName => 'Briggs' } ] }, 'in_doubt' ], [ { firstName => 'PATRICIA', lastName => 'Paye', email => 'PAT@EXAMPLE.COM' }, 'done' ],
	[ { lastName => "Payee\N{U+e9}" }, 'done' ], [ { errors => ['no such address'] }, 'in_doubt' ])
{
	my ($shown, $status) = @$case;
	is(ordered(200, { status => 'success', orderId => 5, personId => 7, proxyKey => next_key(), %$shown }), $status, $json->encode($shown));
}
foreach my $status (200, 400, 401, 429)
{
	foreach my $trace ({ proxyKey => next_key() }, { personId => 7 }, { orderId => 9 })
	{
		is(ordered($status, { status => 'failure', message => 'no', %$trace }), 'in_doubt', "HTTP $status with " . $json->encode($trace));
	}
	is(ordered(200, { status => 'success', orderId => 5, personId => 7, proxyKey => next_key() }), 'done', 'another goes on meanwhile');
}
is(ordered($_, { status => 'failure', message => 'no' }), 'declined', "HTTP $_ alone: refused") foreach 200, 400;
is(ordered(401, { status => 'failure', message => 'no' }), 'done', 'HTTP 401 alone: ordered again');

note 'the key of another patient in another program';
my $key = $payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE status = 'done' LIMIT 1");
$payouts->sandbox('POST', 'settings', { 'dash.cust_prog_id' => '987655' });
$payouts->stack->configure_dash({ cust_prog_id => 987655 });
# What waited for a card gets one in the other program; the next answer is for none of these.
$payouts->wait_settled;
is(ordered(200, { status => 'success', orderId => 5, personId => 7, proxyKey => "$key" }), 'in_doubt', 'is in doubt, too');

note 'where cards are';
$payouts->sql(q{SELECT murallink.configure_partner('dash', secrets => '{"username": "murallink", "password": "sandbox", "webhook_access_key": "a key long enough"}')});
my ($card, $number) = split /\|/, $payouts->sql("SELECT uid, proxy_key FROM murallink_private.card WHERE proxy_key LIKE '0%' AND status = 'done' LIMIT 1");
told({ proxyKey => $number + 0, status => 'Shipped', trackingNumber => '9400 1000-1' }, 'Shipped', 'a key that is a number');
told({ proxyKey => $number, status => 'Could not be delivered' }, 'Could not be delivered', 'it was not delivered');
told({ proxyKey => $number, status => 'In transit', trackingNumber => '940010001' }, 'In transit', 'and is on its way');
told({ proxyKey => $number, status => 'Delivered', trackingNumber => '9400 1000 1' }, 'Delivered', 'then delivered');
told({ proxyKey => $number, status => 'Order shipped', trackingNumber => '94001000-1' }, 'Delivered', 'what is late is late in whatever spelling');
told({ proxyKey => $number, status => 'Order shipped', trackingNumber => '7' }, 'Order shipped', 'another shipment');
told({ proxyKey => $number, status => 'Processing', trackingNumber => '7' }, 'Order shipped', 'is not processed after it was shipped');
$payouts->sandbox('POST', 'settings', { 'dash.bulk_calls' => 1000 });
$payouts->patients(2);
my @both = split /\n/, $payouts->sql('SELECT uid FROM murallink.patient ORDER BY created_at DESC, uid DESC LIMIT 2');
$payouts->call(order_cards => '{' . join(',', @both) . '}');
$payouts->wait_for("SELECT count(*) = 2 FROM murallink_private.card WHERE patient_uid IN ('$both[0]', '$both[1]') AND order_id <> ''");
my ($order) = $payouts->sql("SELECT order_id FROM murallink_private.card WHERE patient_uid = '$both[0]'");
is($payouts->refusal(dash_shipping_update => { accessKey => 'a key long enough', orderId => $order, status => 'Shipped' }), '', 'of a bulk order without keys so far');
is($payouts->sql("SELECT count(*) FROM murallink.cards() WHERE order_id = '$order' AND shipping_status = 'Shipped'"), 2, 'is kept of its cards');
is($payouts->refusal(dash_shipping_update => { accessKey => 'a key long enough', orderId => $order, proxyKey => '0', status => 'Lost' }), 'not_found', 'zero is no key');

note 'an empty list of what there is';
my $known = "SELECT string_agg(kind || ' ' || id, ', ' ORDER BY kind) FROM murallink_private.dash_record";
$payouts->call('refresh_dash');
$payouts->wait_for("SELECT count(*) = 3 FROM murallink_private.dash_record");
my $before = $payouts->sql($known);
$payouts->fault(operation => 'dash.getCustomerList', when => 'before', action => 'answer', status => 200, count => 1, body => '{"status":"success"}');
$payouts->call('refresh_dash');
$payouts->wait_for("SELECT count(*) = 2 AND bool_and(status = 'done') FROM murallink.partner_tasks(operation => 'customers')");
is($payouts->sql($known), $before, 'says nothing');
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
done_testing();

sub settled { my ($payout) = @_; $payouts->wait_settled; $payouts->wait_idle; return $payout }

# A payout whose first load is answered with success and that, and not made.
sub answered
{
	my ($shown) = @_;
	$payouts->fault(operation => 'dash.loadCards', when => 'before', action => 'answer', status => 200, count => 1,
		body => $json->encode({ status => 'success', orderId => 700 + ++$cards, %$shown }));
	return settled($payouts->approve(1, patient()));
}

sub patient
{
	return $payouts->take_in("INSERT INTO murallink.patient (first_name, last_name, email) VALUES ('Pat', 'Payee', 'pat\@example.com') RETURNING uid");
}

# What came of an order of a card that is answered so.
sub ordered
{
	my ($status, $body) = @_;
	my $patient = patient();
	$payouts->fault(operation => 'dash.orderCards', when => 'before', action => 'answer', status => $status, count => 1, body => $json->ascii->encode($body));
	$payouts->approve(1, $patient);
	$payouts->wait_for("SELECT status IN ('done', 'in_doubt', 'declined') FROM murallink.cards('$patient')");
	return $payouts->sql("SELECT status FROM murallink.cards('$patient')");
}

sub next_key { return sprintf '09%011d', ++$cards }

# The outcomes of all loads of a payout.
sub outcomes
{
	my ($payout) = @_;
	return $payouts->sql("SELECT string_agg(outcome, ' ' ORDER BY attempt) FROM murallink.payout_attempts('$payout') WHERE operation = 'load'");
}

sub loads { my ($payout) = @_; return scalar $payouts->entries('load', referenceId => $payout) }

# The webhook is told that of the card, which is then there.
sub told
{
	my ($event, $status, $name) = @_;
	$payouts->call(dash_shipping_update => { accessKey => 'a key long enough', %$event });
	return is($payouts->sql("SELECT shipping_status FROM murallink.cards() WHERE uid = '$card'"), $status, $name);
}
