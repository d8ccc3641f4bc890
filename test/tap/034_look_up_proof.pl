# Silence, an empty list and the same amount prove nothing: what an issuer lists settles a payout in doubt only where
# nothing else can be meant. The truth is the sandbox's ledger.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

use constant SETTLING => 1;

my $payouts = Murallink::Payouts->new(settings => { settling => SETTLING });
my %after = (when => 'after', action => 'close', count => 1);
my %before = (when => 'before', action => 'close', count => 1);
my $customer = 20000;

$payouts->sql("UPDATE murallink.contract SET order_cards = 'enrollment'");

note 'a list without the load, of an issuer that has never shown one of ours';
foreach my $list (qw(empty fees reference anonymous))
{
	my %fault = $list =~ /empty|fees/ ? %after : %before;
	my ($payout) = doubt({ 'dash.details_loads' => $list }, {}, %fault);
	like($payouts->state_of($payout), qr/^in_doubt in_doubt .*; looked up: .* no look-up of this issuer has ever shown/,
		"$list: proves nothing about the first payout on a card");
	my $loads = $fault{when} eq 'after' ? 1 : 0;
	is(loads($payout), $loads, "$list: and it is not sent again");
	like($payouts->sql(qq{SELECT why || ' ' || remedy FROM murallink.needs_person WHERE uid = '$payout'}),
		qr/has ever shown a load of ours resolve_payout$/, "$list: a person is told what to do");
	$payouts->call(resolve_payout => $payout, $loads ? 'paid' : 'not_paid', 'the issuer says so');
	$payouts->wait_idle;
	is($payouts->state_of($payout) . ' ' . loads($payout), 'done paid 1', "$list: and decides");
}

note 'an issuer that shows our loads';
my ($first) = doubt({}, {}, %after);
is($payouts->state_of($first), 'done paid', 'the first is settled by our reference');
my ($second) = doubt(undef, {}, %before);
is($payouts->state_of($second) . ' ' . loads($second), 'done paid 1', 'from then on, what is not listed is sent again');
is($payouts->sql("SELECT attempt FROM murallink.payout WHERE uid = '$second'"), 2, 'in a second attempt');
my ($third) = doubt({}, {}, %before);
like($payouts->state_of($third), qr/^in_doubt/, 'which says nothing about it as another customer');
$payouts->call(resolve_payout => $third, 'not_paid', 'the issuer says so');
$payouts->wait_idle;

note 'a load that somebody else has made';
my %anonymous = ('dash.details_loads' => 'anonymous');
foreach my $case ([ 'before the payout', {}, %before ], [ 'before the payout', {}, when => 'before', action => 'answer', status => 401, count => 1 ],
	[ 'at no time', { 'dash.load_time' => 'absent' }, %before ], [ 'on that day', { 'dash.load_time' => 'day' }, %before ])
{
	my ($when, $theirs, %fault) = @$case;
	my ($payout) = doubt({ %anonymous, %$theirs }, { clock_tolerance => 0 }, %fault, stranger => 1);
	my $what = "$when, and ours " . ($fault{status} ? 'refused' : 'lost');
	like($payouts->state_of($payout), qr/^in_doubt in_doubt .*; looked up: .* its currency or time is not certainly that of the attempt/,
		"$what: it is not taken for ours");
	is(loads($payout), 1, "$what: there is that one alone");
	$payouts->call(resolve_payout => $payout, 'not_paid', 'the issuer says so');
	$payouts->wait_idle;
	is($payouts->state_of($payout) . ' ' . loads($payout), 'done paid 2', "$what: the patient is paid");
}

note 'times as an issuer may write them';
foreach my $reading (
	[ 'loadDate', 1 ], [ 'timestamp', 1 ], [ 'transactionDate', 1 ], [ 'seconds', 1 ], [ 'milliseconds', 1 ], [ 'offset', 1, 345 ],
	[ 'local', 0 ], [ 'local', 1, -300, 'America/Bogota' ], [ 'split', 1, 540, 'Asia/Tokyo' ], [ 'split', 0, 0, 'Asia/Tokyo' ],
	[ 'local', 1, 0, 'UTC' ], [ 'day', 0, 0, 'UTC' ], [ 'absent', 0, 0, 'UTC' ])
{
	my ($name, $readable, $ahead, $zone) = @$reading;
	my %ours = $zone ? (load_time_zone => $zone) : ();
	my ($payout) = doubt({ %anonymous, 'dash.load_time' => $name, 'dash.load_zone' => $ahead // 0 }, \%ours, %after);
	my $what = join ' ', $name, $ahead // (), $zone // ();
	like($payouts->state_of($payout), $readable ? qr/^done paid$/ : qr/^in_doubt/,
		$readable ? "$what: readable, so it is ours" : "$what: not readable, so a person decides");
	is(loads($payout), 1, "$what: loaded once");
	$payouts->call(resolve_payout => $payout, 'paid', 'the issuer says so') unless $readable;
}

note 'an issuer that has shown references';
($first) = doubt({}, {}, %after);
is($payouts->state_of($first), 'done paid', 'shows ours');
$payouts->sandbox('POST', 'settings', \%anonymous);
($second) = doubt(undef, {}, %after);
like($payouts->state_of($second), qr/^in_doubt .*but this issuer shows references/, 'and is not believed without');
$payouts->call(resolve_payout => $second, 'paid', 'the issuer says so');

note 'a zone';
foreach my $zone ('CET', 'EST5EDT', 'Mars/Olympus', '+02', 'America/Bogota ', '')
{
	my %wrong = (customer_id => $customer, cust_prog_id => 987654, funding_id => 54850, load_time_zone => $zone);
	is($payouts->refusal(configure_partner => 'dash', $payouts->stack->{sandbox_url}, \%wrong), 'invalid_value',
		"'$zone' is no unmistakable one");
}
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
done_testing();

# Sends the first payout on the card of a new patient, after that fault, and returns it once there is nothing left to do
# about it. With readings of the issuer's it is another issuer, who has shown nothing so far. stranger: somebody else
# has loaded that amount on the card before.
sub doubt
{
	my ($theirs, $ours, %fault) = @_;
	my $stranger = delete $fault{stranger};
	if ($theirs)
	{
		$customer++;
		$payouts->sandbox('POST', 'settings', { 'dash.details_loads' => 'reference', 'dash.load_time' => 'loadDate',
			'dash.load_zone' => 0, 'dash.customer_id' => $customer, %$theirs });
		$payouts->stack->configure_dash({ customer_id => $customer, %$ours });
	}
	$payouts->patients(1);
	$payouts->wait_idle;
	load_as_stranger() if $stranger;
	$payouts->fault(%fault);
	my ($payout) = $payouts->approve(1);
	$payouts->wait_for("SELECT count(*) > 0 FROM murallink_private.call WHERE subject_uid = '$payout' AND operation = 'look_up'");
	$payouts->wait_idle;
	return $payout;
}

# Loads the newest card with what a payout will be, at the issuer itself.
sub load_as_stranger
{
	my $client = $payouts->stack->client;
	my $card = $payouts->sql('SELECT proxy_key FROM murallink_private.card ORDER BY created_at DESC LIMIT 1');
	my $url = $payouts->stack->{sandbox_url};
	my (undef, $login) = $client->request('POST', "$url/authendpoint/v1/login", { username => 'murallink', password => 'sandbox' });
	my ($status) = $client->request('POST', "$url/orderendpoint/v1/loadCards",
		{ customerId => $customer, custProgId => 987654, fundingId => 54850,
			orderDetails => [ { amount => '1.01', proxyKey => $card } ] }, { sessionId => $login->{sessionId} });
	die "the stranger's load: HTTP $status\n" unless $status == 200;
	return;
}

# How often the card of a payout has been loaded, by whomever.
sub loads
{
	my ($payout) = @_;
	my $card = $payouts->sql("SELECT c.proxy_key FROM murallink_private.card c JOIN murallink.payout o ON o.card_uid = c.uid WHERE o.uid = '$payout'");
	return scalar $payouts->entries('load', proxyKey => $card);
}
