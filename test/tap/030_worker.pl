# What the worker makes of each ending of a call, and how people decide where it must not.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

# People decide here what is in doubt.
my $payouts = Murallink::Payouts->new(settings => { look_up => JSON::PP::false });

$payouts->patients(3);
$payouts->approve(6);
$payouts->wait_settled;
is($payouts->counts, '6 done', 'cards are ordered and loaded');
is(scalar(grep { $_->{ledger} eq 'order' } @{ $payouts->stack->client->ledger }), 3, 'one card for each patient');
check_books('after the first payouts');

# Each of these faults happens to one load, before it is applied and after.
my @unclear = (
	[ 'closed', { action => 'close' } ],
	[ 'reset', { action => 'reset' } ],
	[ 'truncated', { action => 'truncate' } ],
	[ 'malformed', { action => 'malformed' } ],
	[ 'empty', { action => 'empty' } ],
	[ 'endless', { action => 'endless' } ],
	[ 'not JSON', { action => 'answer', content_type => 'text/html', body => '<p>' } ],
	[ 'JSON that does not say so', { action => 'answer', content_type => 'text/plain', body => '{"status":"success"}' } ],
	[ '200 without a word', { action => 'answer', body => '{}' } ],
	[ 'both words', { action => 'answer', body => '{"status":"success","orderDetails":[{"status":"failure"}]}' } ],
	[ 'a word that is not known', { action => 'answer', body => '{"status":"success","orderDetails":[{"status":"Pending"}]}' } ],
	[ 'another card', { action => 'answer', body => '{"status":"success","proxyKey":"0252000000000"}' } ],
	[ '400 that says success', { action => 'answer', status => 400, body => '{"status":"success"}' } ],
	[ '401 that names an order', { action => 'answer', status => 401, body => '{"status":"failure","orderId":"7"}' } ],
	[ '429 that names an order', { action => 'answer', status => 429, body => '{"status":"failure","orderId":"7"}' } ],
	map({ [ "$_ cut off", { action => 'truncate', status => $_ } ] } 400, 401, 429),
	map({ [ $_, { action => 'answer', status => $_ } ] } 301, 307, 408, 409, 500, 502),
	[ '503', { action => 'answer', status => 503, retry_after => 1 } ],
);
my @endings = (
	map({
		my ($name, $fault) = @$_;
		map { { name => "$name $_", fault => { when => $_, %$fault }, state => 'in_doubt', loads => $_ eq 'after' ? 1 : 0,
			warm => !!($name =~ /^(closed|reset)$/) } } qw(before after)
	} @unclear),
	{ name => 'slow', fault => { when => 'after', action => 'slow', delay_ms => 1 }, state => 'done', loads => 1 },
	{ name => '400', fault => { when => 'before', action => 'answer', status => 400 }, state => 'declined', loads => 0 },
	{ name => '404', fault => { when => 'before', action => 'answer', status => 404, content_type => 'text/html', body => '<p>' },
		state => 'in_doubt', loads => 0 },
	{ name => '200 with failure', fault => { when => 'before', action => 'answer', status => 200,
		body => '{"status":"failure","message":"no"}' }, state => 'declined', loads => 0 },
	{ name => '429', fault => { when => 'before', action => 'answer', status => 429, retry_after => 1 },
		state => 'done', loads => 1 },
	{ name => '401', fault => { when => 'before', action => 'answer', status => 401 }, state => 'done', loads => 1 },
);
my %payment = (done => 'paid', declined => 'failed', in_doubt => 'in_doubt');
my %payout;
foreach my $ending (@endings)
{
	my $name = $ending->{name};
	my $before = paid();
	$payouts->fault(count => 1, %{ $ending->{fault} });
	my ($payout) = $payouts->approve(1);
	$payouts->wait_settled;
	like($payouts->state_of($payout), qr/^$ending->{state} $payment{$ending->{state}}\b/, "$name: $ending->{state}");
	is($payouts->loads($payout), $ending->{loads}, "$name: loaded as often as it should be");
	is($payouts->port_of($payout), $payouts->port_of($before), "$name: on a warm connection") if $ending->{warm};
	$payouts->no_fault;
	$payout{$name} = $payout;
}
check_books('after all endings');

my $requests = $payouts->stack->client->sandbox('requests');
my %attempts = split /[|\n]/, $payouts->sql('SELECT uid, attempt FROM murallink.payout');
my %requested = map {
	my $payout = $_;
	$payout => scalar grep { index($_->{body}, $payout) >= 0 } @$requests;
} values %payout;
is_deeply(\%requested, { map { $_ => 0 + $attempts{$_} } values %payout }, 'one attempt is one request on the wire');

$payouts->stack->configure_dash({ timeout => 5 });
$payouts->fault(count => 1, when => 'after', action => 'slow', delay_ms => 100);
my ($slow) = $payouts->approve(1);
$payouts->wait_settled;
like($payouts->state_of($slow), qr/^in_doubt in_doubt HTTP 200: Operation timed out/, 'time-out after the first byte');
is($payouts->loads($slow), 1, 'time-out after the first byte: loaded');
$payouts->hold(count => 1);
my ($late) = $payouts->approve(1);
$payouts->wait_settled;
like($payouts->state_of($late), qr/^in_doubt in_doubt Operation timed out/, 'time-out before the first byte');
$payouts->no_fault;
Murallink::Stack::poll('the late load', sub { $payouts->loads($late) == 1 });
check_books('after a load that was applied after its time-out');
$payouts->stack->configure_dash({ timeout => 30 });

# People decide. What is in doubt is not sent again by itself, whatever happens.
my ($paid, $not_paid, $cancelled) = @payout{ 'closed after', 'closed before', '503 before' };
$payouts->call(resolve_payout => $paid, 'paid', 'seen at the issuer');
like($payouts->state_of($paid), qr/^done paid/, 'resolved as paid');
is($payouts->loads($paid), 1, 'and not sent again');
$payouts->call(resolve_payout => $not_paid, 'not_paid', 'not seen at the issuer');
$payouts->wait_settled;
like($payouts->state_of($not_paid), qr/^done paid/, 'resolved as not paid: sent again');
is($payouts->loads($not_paid), 1, 'and loaded once');
$payouts->call(resolve_payout => $cancelled, 'cancelled', 'not seen at the issuer');
like($payouts->state_of($cancelled), qr/^cancelled cancelled/, 'resolved as cancelled');
refused('wrong_status', resolve_payout => $paid, 'not_paid', 'twice');
refused('invalid_value', resolve_payout => $payout{'reset after'}, 'perhaps', 'guess');
refused('missing_field', resolve_payout => $payout{'reset after'}, 'paid', '');

# What a person has called paid may be wrong: it takes no other money from the card, unless a person says that it is there.
my %payment_of = split /[|\n]/, $payouts->sql('SELECT uid, payment_uid FROM murallink.payout');
my $unloads = sub { scalar grep { $_->{ledger} eq 'unload' } @{ $payouts->stack->client->ledger } };
$payouts->call(resolve_payout => $payout{'reset before'}, 'paid', 'a slip');
refused('missing_field', reverse_payment => $payment_of{ $payout{'reset before'} }, 'it was not paid');
refused('invalid_value', reverse_payment => $payment_of{$not_paid}, 'the partner has loaded it', 'false');
$payouts->call(reverse_payment => $payment_of{ $payout{'reset before'} }, 'it was not paid', 'false');
like($payouts->state_of($payout{'reset before'}), qr/^done reversed/, 'a wrong word is taken back');
is($unloads->(), 0, 'in the books alone');
$payouts->call(reverse_payment => $payment_of{$paid}, 'paid for the wrong visit', 'true');
$payouts->wait_for("SELECT status = 'reversed' FROM murallink.payment WHERE uid = '$payment_of{$paid}'");
is($unloads->(), 1, 'what is there is unloaded');
refused('wrong_status', retry_payout => $payout{'reset after'}, 'in doubt');

$payouts->call(retry_payout => $payout{400}, 'the issuer has mended it');
$payouts->wait_settled;
like($payouts->state_of($payout{400}), qr/^done paid/, 'a declined payout, tried again');
$payouts->sql("UPDATE murallink_private.payment p SET status = 'cancelled', decision_note = 'not wanted' FROM murallink.payout o"
	  . " WHERE o.payment_uid = p.uid AND o.uid = '$payout{'200 with failure'}'");
like($payouts->state_of($payout{'200 with failure'}), qr/^cancelled cancelled/, 'a declined payout, cancelled');
check_books('after what people decided');
is($payouts->sql(q{SELECT count(*) > 0 FROM murallink.audit_event WHERE resource = 'payout' AND changes ? 'note'}),
	't', 'which is audited');

# Nobody is there: nothing is sent, and nothing is lost.
my $not_sent = $payouts->sql('SELECT not_sent FROM murallink.worker_status()');
$payouts->stop_sandbox;
my @unsent = $payouts->approve(3);
$payouts->wait_for("SELECT not_sent >= $not_sent + 2 FROM murallink.worker_status()");
like($payouts->sql('SELECT last_error FROM murallink.worker_status()'), qr/^dash: .*connect/, 'the status says why');
$payouts->wait_for(<<"EOC");
WITH cancelled AS (
    UPDATE murallink_private.payment p SET status = 'cancelled', decision_note = 'not wanted' FROM murallink.payout o
    WHERE o.payment_uid = p.uid AND o.uid = '$unsent[0]' AND p.status = 'approved' RETURNING p.uid)
SELECT count(*) = 1 FROM cancelled
EOC
is($payouts->state_of($unsent[0]), 'cancelled cancelled', 'what was not sent can be cancelled');
$payouts->run_sandbox;
$payouts->wait_settled;
like($payouts->state_of($unsent[1]), qr/^done paid/, 'and the others are sent when somebody is there again');
is_deeply([ map { $payouts->loads($_) } @unsent ], [ 0, 1, 1 ], 'once');
check_books('after the sandbox was away');

# A session that ends in mid-run is renewed.
$payouts->sandbox('POST', 'settings', { 'dash.session_calls' => 20 });
my $done = $payouts->count('done');
$payouts->approve(40);
$payouts->wait_settled;
is($payouts->count('done') - $done, 40, 'payouts go on over sessions that end');
$payouts->sandbox('POST', 'settings', { 'dash.session_calls' => 0 });
check_books('after sessions that ended');

# What the document leaves open, the other way round: cards are ordered and loaded all the same.
my @readings = (
	[ { 'dash.session' => 'body' }, { session_in => 'body' } ],
	[ { 'dash.session' => 'query' }, { session_in => 'query' } ],
	[ { 'dash.login_path' => '/auth/sign-in' }, { login_path => '/auth/sign-in' } ],
	[ { 'dash.answer' => 'nested', 'dash.numbers' => 'text' }, {} ],
	[ { 'dash.numbers' => 'number' }, { customer_id => '12345', card_type => 'Physical' } ],
	[ { 'dash.reference' => 'refused' }, { send_reference => JSON::PP::false } ],
);
my $initial = $payouts->stack->client->sandbox('settings');
foreach my $reading (@readings)
{
	my ($theirs, $ours) = @$reading;
	my $name = join ', ', map { "$_ $theirs->{$_}" } sort keys %$theirs;
	$payouts->sandbox('POST', 'settings', $theirs);
	$payouts->stack->configure_dash($ours);
	$payouts->patients(1);
	my $loads = $payouts->stack->client->sandbox('summary')->{loads};
	my @payout = $payouts->approve($payouts->sql('SELECT count(*) FROM murallink.enrollment'));
	$payouts->wait_settled;
	is_deeply([ map { $payouts->state_of($_) } @payout ], [ ('done paid') x @payout ], "$name: paid");
	is($payouts->stack->client->sandbox('summary')->{loads} - $loads, scalar @payout, "$name: each loaded once");
	$payouts->sandbox('POST', 'settings', $initial);
}

note 'how long a partner asks to be left alone, in seconds or as a date, but not for ever';
foreach my $asked ([ retry_after => 300, 240, 301 ], [ retry_at => 300, 240, 301 ], [ retry_after => 1000000, 3500, 3601 ])
{
	my ($how, $seconds, $least, $most) = @$asked;
	$payouts->fault(when => 'before', action => 'answer', status => 429, $how => $seconds, count => 1);
	my ($payout) = $payouts->approve(1);
	$payouts->wait_for(q{SELECT resume_at > now() + interval '5 s' FROM murallink.worker_status()});
	is($payouts->sql("SELECT resume_at - now() BETWEEN interval '$least s' AND interval '$most s' FROM murallink.worker_status()"),
		't', "$how $seconds: left alone for so long");
	is($payouts->loads($payout), 0, "$how $seconds: nothing is sent");
	$payouts->stack->configure_dash;
	$payouts->wait_settled;
	is($payouts->state_of($payout) . ' ' . $payouts->loads($payout), 'done paid 1', "$how $seconds: sent when it is set up again");
}

note 'a call that hangs delays no other';
$payouts->stack->configure_dash({ timeout => 300 });
$payouts->hold(count => 1);
my ($hanging) = $payouts->approve(1);
$payouts->wait_for("SELECT status = 'claimed' FROM murallink.payout WHERE uid = '$hanging'");
my @others = $payouts->approve(100);
my $of_others = join ', ', map { "'$_'" } @others;
$payouts->wait_for("SELECT count(*) = 100 FROM murallink.payout WHERE uid IN ($of_others) AND status = 'done'");
is($payouts->state_of($hanging), 'claimed processing', '100 others are paid while it hangs');
$payouts->no_fault;
$payouts->wait_settled;
my ($its_load) = grep { ($_->{referenceId} // '') eq $hanging } @{ $payouts->stack->client->ledger };
is(scalar(grep { $_->{ledger} eq 'load' && $_->{seq} > $its_load->{seq} } @{ $payouts->stack->client->ledger }), 0,
	'and loaded before it');
is($payouts->state_of($hanging), 'done paid', 'and it, too, in the end');

note 'a payer who keeps the funds to himself holds up nothing';
$payouts->call('disable_payouts');
my @held = $payouts->approve(8);
my $payer = $payouts->session('BEGIN; SELECT murallink_private.fund_hold(contract_uid, slot) FROM murallink.fund_slot');
$payouts->call('enable_payouts');
$payouts->wait_settled;
is_deeply([ map { $payouts->state_of($_) } @held ], [ ('done paid') x @held ], 'payouts are sent and settled');
is($payouts->sql(q{SELECT count(DISTINCT objid) >= 8 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 5 AND granted}), 't',
	'while he has all slots');
close $payer;
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'and the ledger is right');
done_testing();

# A payout that has just been loaded: the partner works, and a connection to it is still there.
sub paid
{
	my ($payout) = $payouts->approve(1);
	$payouts->wait_settled;
	return $payout;
}

sub check_books
{
	my ($when) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree $when");
	return;
}

# Checks that a function refuses its arguments, with that error.
sub refused
{
	my ($error, @call) = @_;
	is($payouts->refusal(@call), $error, "$call[0] refuses: $error");
	return;
}
