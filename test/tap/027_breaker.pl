# What an ending says of one call, of one operation, and of the whole partner: how long it is left alone, what is tried
# again and how soon, and what people see.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 2, concurrency => 8 });
my $breaker = 'SELECT breaker FROM murallink.worker_status()';
my %refused = (when => 'before', action => 'answer');

$payouts->patients(1);
$payouts->order_cards;

note 'asked to be left alone while other calls are under way, which succeed';
$payouts->sandbox('POST', 'faults', [
	{ operation => 'dash.loadCards', skip => 4, count => 1, %refused, status => 429, retry_after => 12 },
	{ operation => 'dash.loadCards', when => 'before', action => 'delay', delay_ms => 500 } ]);
my @asked = $payouts->approve(40);
$payouts->wait_for(q{SELECT not_sent > 0 AND in_flight = 0 FROM murallink.worker_status()});
is($payouts->sql($breaker), 'open', 'it is left alone');
cmp_ok($payouts->sql(attempts(@asked)), '<=', 8, 'with no more than were under way');
$payouts->wait_for('SELECT (' . attempts(@asked) . ') > ' . $payouts->sql(attempts(@asked)));
is($payouts->sql(<<"EOC"), 't', 'for as long as it asked');
WITH load AS (
    SELECT a.* FROM murallink.payout o, murallink.payout_attempts(o.uid) a WHERE o.uid IN (${\quoted(@asked)}) AND a.operation = 'load'
), refused AS (
    SELECT settled_at FROM load WHERE outcome = 'not_sent'
)
SELECT min(load.claimed_at) > min(refused.settled_at) + interval '10 s' FROM load JOIN refused ON load.claimed_at > refused.settled_at
EOC
$payouts->no_fault;
$payouts->wait_idle;
is($payouts->sql("SELECT count(*) FROM murallink.payout WHERE status <> 'done'"), 0, 'and all are paid');

note 'signed out for loads alone: login and look-ups work';
$payouts->fault(%refused, status => 401);
my ($out) = $payouts->approve(1);
my $logins = logins();
$payouts->wait_for("SELECT attempt >= 5 AND status = 'ready' FROM murallink.payout WHERE uid = '$out'");
is($payouts->sql(<<"EOC"), 't', 'each attempt comes later than the one before');
SELECT max(claimed_at) - min(claimed_at) > interval '7 s' FROM murallink.payout_attempts('$out') WHERE operation = 'load'
EOC
cmp_ok(logins() - $logins, '<=', 6, 'with a login each');
isnt($payouts->sql($breaker), 'closed', 'which is an alarm, whatever else works');
like($payouts->sql(qq{SELECT why || ' -> ' || remedy FROM murallink.needs_person WHERE uid = '$out'}),
	qr/^ready: HTTP 401: .* -> ask the partner/, 'and a person sees it');
$payouts->no_fault;
$payouts->stack->configure_dash;
$payouts->sql("UPDATE murallink_private.call SET due_at = clock_timestamp() WHERE uid = '$out'");
$payouts->wait_idle;
is($payouts->state_of($out) . ' ' . $payouts->loads($out), 'done paid 1', 'it is paid once the partner works');
is($payouts->sql($breaker), 'closed', 'and the breaker is closed');

note 'refused alike again and again: the path is wrong, not the payouts';
$payouts->fault(%refused, status => 404, body => '{"status":"failure","message":"no such path"}');
my @wrong = $payouts->approve(30);
$payouts->wait_for("SELECT breaker = 'open' AND in_flight = 0 FROM murallink.worker_status()");
$payouts->wait_looks;
is($payouts->count('declined'), 4, 'few are declined');
isnt($payouts->sql($breaker), 'closed', 'and the breaker tells');
like($payouts->sql('SELECT last_error FROM murallink.worker_status()'), qr/no such path/, 'why');
$payouts->no_fault;
$payouts->sql(q{SELECT murallink.retry_payout(uid, 'the path is right') FROM murallink.payout
WHERE status = 'declined' AND reason = 'HTTP 404: no such path'});
$payouts->stack->configure_dash;
$payouts->sql(q{UPDATE murallink_private.call SET due_at = clock_timestamp() WHERE status = 'ready'});
$payouts->wait_idle;
is($payouts->sql("SELECT count(*) FROM murallink.payout WHERE status <> 'done'"), 0, 'one statement has them sent');
is($payouts->stack->client->sandbox('summary')->{duplicates}, 0, 'nothing was loaded twice');

note 'refused alike with 400, or with 200: a setting is wrong if it is about one card after the other';
foreach my $case ([ 400, 12, 1 ], [ 400, 12, 12 ], [ 200, 12, 12 ])
{
	my ($status, $count, $cards) = @$case;
	$payouts->sql("UPDATE murallink.contract SET order_cards = 'enrollment'");
	$payouts->patients($cards);
	$payouts->wait_for(qq{SELECT count(*) = (SELECT count(*) FROM murallink.patient) FROM murallink_private.card WHERE status = 'done'});
	my $declined = $payouts->count('declined');
	$payouts->fault(%refused, status => $status, body => '{"status":"failure","message":"fundingId: is not known"}');
	my @refused = map { $payouts->approve(1, $_) } (split /\n/, $payouts->sql("SELECT uid FROM murallink.patient ORDER BY created_at DESC LIMIT $cards")) x ($count / $cards);
	$payouts->wait_for("SELECT (${\attempts(@refused)}) >= 5 AND in_flight = 0 FROM murallink.worker_status()");
	$payouts->wait_looks;
	if ($cards == 1)
	{
		$payouts->wait_settled;
		is($payouts->count('declined') - $declined, $count, "HTTP $status about one card: each is declined");
		is($payouts->sql($breaker), 'closed', "HTTP $status about one card: it may be the card");
	}
	else
	{
		is($payouts->count('declined') - $declined, 4, "HTTP $status about $cards cards: few are declined");
		isnt($payouts->sql($breaker), 'closed', "HTTP $status about $cards cards: the breaker tells");
		like($payouts->sql('SELECT last_error FROM murallink.worker_status()'), qr/fundingId: is not known/, "HTTP $status about $cards cards: why");
	}
	$payouts->no_fault;
	$payouts->sql(q{SELECT murallink.retry_payout(uid, 'the setting is right') FROM murallink.payout WHERE status = 'declined'});
	$payouts->stack->configure_dash;
	$payouts->sql(q{UPDATE murallink_private.call SET due_at = clock_timestamp() WHERE status = 'ready'});
	$payouts->wait_idle;
	is($payouts->sql("SELECT count(*) FROM murallink.payout WHERE status <> 'done'"), 0, "HTTP $status about $cards cards: then they are paid");
}
is($payouts->stack->client->sandbox('summary')->{duplicates}, 0, 'nothing was loaded twice');

note 'a look-up that is refused once';
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', %refused, status => 400, count => 1);
$payouts->fault(when => 'after', action => 'close', count => 1);
my ($once) = $payouts->approve(1);
$payouts->wait_idle;
is($payouts->state_of($once) . ' ' . $payouts->loads($once), 'done paid 1', 'is asked again');
$payouts->no_fault;
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', %refused, status => 400);
$payouts->fault(when => 'after', action => 'close', count => 1);
my ($often) = $payouts->approve(1);
is($payouts->refusal(look_up_payout => $once), 'wrong_status', 'one that is known is not looked up');
$payouts->wait_for("SELECT count(*) = 1 FROM murallink.needs_person WHERE uid = '$often'");
is($payouts->sql("SELECT attempt FROM murallink_private.call WHERE subject_uid = '$often' AND operation = 'look_up'"), 4, 'a few times, then a person is told');
$payouts->no_fault;
$payouts->call(look_up_payout => $often);
$payouts->wait_idle;
is($payouts->state_of($often) . ' ' . $payouts->loads($often), 'done paid 1', 'who can have it asked once more');

note 'each partner has its own last error';
$payouts->call(configure_partner => 'inside_rx', $payouts->stack->{sandbox_url}, { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
$payouts->fault(operation => 'inside_rx.*', %refused, status => 503);
$payouts->call(partner_request => 'inside_rx', 'enroll_card', { action => 'create', member_id => 'AB12345678' });
$payouts->wait_for(q{SELECT last_error ~ '^inside_rx: ' FROM murallink.worker_status() WHERE partner = 'inside_rx'});
$payouts->fault(when => 'after', action => 'close', count => 1);
my ($other) = $payouts->approve(1);
$payouts->wait_for("SELECT attempt > 0 AND status <> 'claimed' FROM murallink.payout WHERE uid = '$other'");
is($payouts->sql(q{SELECT bool_and(last_error ~ ('^' || partner || ': ')) FROM murallink.worker_status()}), 't', 'each its own');
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$other'");

note 'words that are the same whenever the reason is';
my %words = (
	'The connection ended before the answer' => { action => 'close' },
	'HTTP 200: the answer is empty' => { action => 'empty' },
	'HTTP 200: the answer is not JSON' => { action => 'answer', content_type => 'text/html', body => '<p>' },
	'HTTP 404: the answer is not JSON' => { action => 'answer', status => 404, content_type => 'text/html', body => '<p>' },
	'Operation timed out' => { action => 'delay', delay_ms => Murallink::Payouts::HELD },
);
foreach my $words (sort keys %words)
{
	$payouts->stack->configure_dash({ timeout => 2 }) if $words =~ /timed out/;
	$payouts->fault(when => 'before', count => 1, %{ $words{$words} });
	my ($payout) = $payouts->approve(1);
	$payouts->wait_for("SELECT count(*) > 0 FROM murallink.payout_attempts('$payout') WHERE operation = 'load' AND outcome IS NOT NULL");
	is($payouts->sql("SELECT reason FROM murallink.payout_attempts('$payout') WHERE operation = 'load' AND attempt = 1"), $words, $words);
	$payouts->no_fault;
	$payouts->stack->configure_dash;
	# It is sent again: that must not meet the next fault.
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
}
$payouts->stop_sandbox;
my ($unreached) = $payouts->approve(1);
$payouts->wait_for("SELECT count(*) > 1 FROM murallink.payout_attempts('$unreached') WHERE outcome = 'not_sent'");
is($payouts->sql("SELECT count(DISTINCT reason) FROM murallink.payout_attempts('$unreached') WHERE outcome = 'not_sent'"), 1,
	'who cannot be reached');
unlike($payouts->sql("SELECT max(reason) FROM murallink.payout_attempts('$unreached')"), qr/ ms|milliseconds/, 'however long it took');
done_testing();

sub attempts { return "SELECT sum(attempt) FROM murallink.payout WHERE uid IN (${\quoted(@_)})" }

sub quoted { return join ', ', map { "'$_'" } @_ }

sub logins { return scalar grep { $_->{path} =~ /login/ } $payouts->requests }
